"""The page of campaigns says what the campaigns wrote, and nothing else."""

import pytest

from benchmarks.campaigns import campaigns, record_campaign
from benchmarks.reliability import PAGE, tables, written
from fabctl.errors import InputError


def test_the_page_shows_the_figures_that_are_kept():
    page = PAGE.read_text(encoding="utf-8")
    assert written(page, campaigns()) == page


def test_new_figures_take_the_place_of_old_ones_and_leave_the_others(tmp_path):
    path = tmp_path / "kept.json"
    record_campaign("stops", {"worst_ms": 40.0}, path)
    record_campaign("faults/ok-lost", {"runs": 400}, path)
    record_campaign("stops", {"worst_ms": 4.0, "what": "Ten stops."}, path)
    assert campaigns(path) == {
        "faults/ok-lost": {"runs": 400},
        "stops": {"worst_ms": 4.0, "what": "Ten stops."},
    }


@pytest.mark.parametrize(("name", "figures"), [("Stops!", {"n": 1}), ("stops", {"list": [1, 2]})])
def test_what_cannot_stand_in_a_table_is_refused(tmp_path, name, figures):
    with pytest.raises(InputError):
        record_campaign(name, figures, tmp_path / "kept.json")


def test_rows_of_one_group_share_a_table_with_all_their_columns():
    text = tables(
        {"faults": {"runs": 5}, "faults/ok-lost": {"runs": 2}, "faults/late": {"runs": 3, "bad": 0}}
    )
    assert text.count("## ") == 1
    assert "|  | runs | bad |" in text
    assert "| ok-lost | 2 | – |" in text
    assert "| late | 3 | 0 |" in text
