"""Values and their files, whichever version of fabctl wrote them."""

import json
from dataclasses import dataclass

import pytest

from fabctl.errors import InputError
from fabctl.record.values import read_value, write_value


@dataclass(frozen=True)
class Part:
    name: str
    holes: tuple[int, ...] = ()
    place_mm: tuple[float, float] | None = None
    title: str = ""


def read(path):
    return read_value(path, Part, what="part", remedy="write it again")


@pytest.mark.parametrize("part", [Part("a"), Part("é", (1, 2), (0.1, -2.5), "two holes"), Part("", (), None)])
def test_what_was_written_is_read_back(part, tmp_path):
    path = write_value(tmp_path / "part.json", part)
    assert read(path) == part


def test_what_a_later_version_adds_is_passed_over_and_what_an_earlier_one_lacks_is_left_out(tmp_path):
    path = tmp_path / "part.json"
    path.write_text(json.dumps({"name": "a", "colour": "red"}), encoding="utf-8")
    assert read(path) == Part("a")


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"holes": [1]}', '"name"'])
def test_what_is_no_such_value_is_named_with_its_remedy(text, tmp_path):
    path = tmp_path / "part.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="is no part") as caught:
        read(path)
    assert (caught.value.file, caught.value.remedy) == (str(path), "write it again")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="is no part"):
        read(tmp_path / "none.json")


def test_a_number_json_has_not_is_never_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_value(tmp_path / "part.json", Part("a", place_mm=(float("nan"), 0.0)))
    assert list(tmp_path.iterdir()) == []
