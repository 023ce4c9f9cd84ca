"""One checker for all files: everything that is wrong, at once, with its key and what is accepted."""

import math
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fabctl.errors import ProfileError
from fabctl.shop.library import read_toml
from fabctl.shop.schema import ABSENT, Key, Rule, Table, check, is_name, rows, rules

AXIS = Table((Key("travel_mm", "number", "way", low=1, high=1000),))
TABLE = Table(
    (
        Key("name", "name", "who"),
        Key("feed_mm_min", "number", "feed", default=100.0, low=1, high=5000),
        Key("flutes", "integer", "edges", default=2, low=1, high=12),
        Key("laser_mode", "flag", "mode", default=False),
        Key("kind", "text", "kind", default="pen", choices=("pen", "laser")),
        Key("chip_mm", "numbers", "chips", default=ABSENT, low=0, high=1),
        Key("curve", "pairs", "curve", default=ABSENT, low=0, high=1),
        Key("words", "texts", "words", default=()),
        Key("design", "path", "drawing", default=ABSENT),
        Key("axis", "table", "axis", default=ABSENT, table=AXIS),
        Key(
            "motion",
            "table",
            "motion",
            default={},
            table=Table((Key("tol_mm", "number", "t", default=0.5, low=0, high=1),)),
        ),
        Key("step", "tables", "steps", default=(), table=AXIS),
    ),
    (
        Rule(
            ("kind", "laser_mode"),
            lambda kind, mode: kind == "laser" or not mode,
            "a pen has no laser mode",
            "false",
        ),
    ),
)


def problems(data) -> str:
    with pytest.raises(ProfileError) as caught:
        check(data, TABLE, file="a.toml")
    return str(caught.value)


def test_defaults_are_filled_in_down_to_tables():
    assert check({"name": "a"}, TABLE, file="a.toml") == {
        "name": "a",
        "feed_mm_min": 100.0,
        "flutes": 2,
        "laser_mode": False,
        "kind": "pen",
        "chip_mm": None,
        "curve": None,
        "words": (),
        "design": None,
        "axis": None,
        "motion": {"tol_mm": 0.5},
        "step": (),
    }


def test_values_come_out_in_their_type():
    values = check(
        {
            "name": "a",
            "feed_mm_min": 7,
            "chip_mm": [0, 1],
            "curve": [[0, 0], [0.5, 1]],
            "axis": {"travel_mm": 5},
            "step": [{"travel_mm": 2}],
        },
        TABLE,
        file="a.toml",
    )
    assert isinstance(values["feed_mm_min"], float)
    assert values["chip_mm"] == (0.0, 1.0)
    assert values["curve"] == ((0.0, 0.0), (0.5, 1.0))
    assert values["axis"] == {"travel_mm": 5.0}
    assert values["step"] == ({"travel_mm": 2.0},)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"feed_mm_mim": 5}, 'feed_mm_mim: unknown key; the nearest known key is "feed_mm_min"'),
        ({"feed_mm_min": "5"}, "feed_mm_min: '5' is not a number"),
        ({"feed_mm_min": True}, "true is not a number"),
        ({"feed_mm_min": 5001}, "5001 is out of range (accepted: a number from 1 to 5000 mm/min)"),
        ({"feed_mm_min": -1}, "-1 is out of range"),
        ({"feed_mm_min": math.nan}, "nan is not a finite number"),
        ({"feed_mm_min": math.inf}, "inf is not a finite number"),
        ({"feed_mm_min": 10**400}, "a number of more than 20 digits is out of range"),
        ({"flutes": 2.0}, "2.0 is not a whole number"),
        ({"laser_mode": 1}, "1 is not true or false"),
        ({"kind": "lasr"}, 'the nearest is "laser" (accepted: "pen" or "laser")'),
        ({"kind": 3}, "3 is not text"),
        ({"chip_mm": []}, "[] is not a list of numbers"),
        ({"chip_mm": [0.1, 2]}, "2 is out of range"),
        ({"curve": []}, "[] is not a list of pairs"),
        ({"curve": [0, 1]}, "0 is not a list of numbers"),
        ({"curve": [[0, 1, 2]]}, "3 numbers, expected 2"),
        ({"curve": [[0, 0], [1, 2]]}, "2 is out of range"),
        ({"curve": [[0, True]]}, "true is not a number"),
        ({"words": "G0"}, "'G0' is not a list of texts"),
        ({"words": ["G0", 1]}, "1 is not text"),
        ({"words": ["G0\n"]}, "too long or unprintable"),
        ({"axis": 5}, "axis: 5 is not accepted"),
        ({"axis": {}}, "[axis] travel_mm: missing"),
        ({"axis": [{}]}, "axis: [{}] is not accepted"),
        ({"step": {"travel_mm": 5}}, "step: a table is not accepted"),
        ({"step": [{"travel_mm": 5}, {"travel_mm": 0}]}, "[[step]] 2 travel_mm: 0 is out of range"),
        ({"laser_mode": True}, "a pen has no laser mode"),
        ({"name": "../../etc/passwd"}, "is not a plain name"),
        ({"name": 42}, "42 is not text"),
        ({"design": "../a.svg"}, "does not stay inside"),
        ({"design": "/etc/a.svg"}, "does not stay inside"),
        ({"design": "C:/a.svg"}, "does not stay inside"),
        ({"design": "a\\b.svg"}, "does not stay inside"),
        ({"design": "~/a.svg"}, "does not stay inside"),
    ],
)
def test_each_mistake_is_named_with_its_key_and_what_is_accepted(wrong, said):
    assert said in problems({"name": "a", **wrong}).replace("a.toml, ", "")


def test_all_mistakes_of_a_file_are_listed_at_once():
    message = problems({"feed_mm_min": "x", "flutes": 99, "unknown": 1, "axis": {"travel_mm": math.nan}})
    assert "5 problems:" in message
    for place in ("feed_mm_min", "flutes", "unknown", "name: missing", "[axis] travel_mm"):
        assert place in message


def test_a_rule_is_not_asked_about_a_value_that_is_wrong_already():
    assert "has no laser mode" not in problems({"name": "a", "kind": "nonsense", "laser_mode": True})


def test_an_unprintable_key_cannot_disturb_the_terminal():
    assert "\x1b" not in problems({"name": "a", "\x1b[31mred": 1})


@pytest.mark.parametrize(
    "name", ["../a", "a/b", "a\\b", ".a", "a.", "", "a b", "a..b", "con", "NUL.x", "é", "a" * 65]
)
def test_names_that_could_be_paths_are_refused(name):
    assert not is_name(name)


@pytest.mark.parametrize("name", ["a", "grbl-1.1", "endmill-3.175", "My_Router", "a" * 64])
def test_plain_names_are_accepted(name):
    assert is_name(name)


ANYTHING = st.dictionaries(
    st.one_of(st.sampled_from([key.name for key in TABLE.keys]), st.text(max_size=8)),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.datetimes()),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=9), inner, max_size=3)
        ),
        max_leaves=5,
    ),
    max_size=6,
)


@given(st.one_of(ANYTHING, ANYTHING.map(lambda data: data | {"name": "a"})))
@example({"name": "a", "feed_mm_min": 5000})
@example({"name": "a", "feed_mm_min": 5001})
def test_check_either_returns_every_key_or_raises_profile_error(data):
    values = None
    with suppress(ProfileError):
        values = check(data, TABLE, file="a.toml")
    if values is not None:
        assert list(values) == [key.name for key in TABLE.keys]
        assert 1 <= values["feed_mm_min"] <= 5000


def test_every_key_and_rule_is_described():
    assert ("feed_mm_min", "a number from 1 to 5000 mm/min", "100", "feed") in rows(TABLE)
    assert ("motion.tol_mm", "a number from 0 to 1 mm", "0.5", "t") in rows(TABLE)
    assert ("[[step]]", "tables [[step]]", "may be left out", "steps") in rows(TABLE)
    assert ("kind", "a pen has no laser mode", "false") in rules(TABLE)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'name = "x\n', "line 1, column 10"),
        (b"a = 1\nb = = 2\n", "line 2, column 5"),
        (b"a = 1\na = 2\n", "Cannot overwrite a value"),
        (b'a = 1\nb = "\xff"\n', "line 2: byte 0xFF is not UTF-8"),
        (b"a = " + b"[" * 100_000, "not TOML"),
        (b"a = " + b"9" * 5000, "not TOML"),
        (b"#" * 1_000_001, "larger than"),
        (b'a = """', "end of the file"),
    ],
)
def test_what_is_no_toml_is_refused_with_its_place(tmp_path, content, said):
    path = tmp_path / "x.toml"
    path.write_bytes(content)
    with pytest.raises(ProfileError) as caught:
        read_toml(path)
    assert said in str(caught.value)
    assert "x.toml" in str(caught.value)


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xef\xbb\xbfa = 1\r\n")
    assert read_toml(path) == {"a": 1}


def test_a_missing_file_or_a_folder_is_said(tmp_path):
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(ProfileError, match="cannot be read"):
            read_toml(path)
