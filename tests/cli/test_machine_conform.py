"""``fabctl machine conform`` as a person types it."""

import json
import re

import pytest

from fabctl.shop.machine import load_machine
from fabctl.sim.serve import serve_socket


def test_a_grbl_conforms_and_the_page_says_so(fabctl):
    said = fabctl("machine", "conform", "sim://", "-m", "router-3018")
    assert said.code == 0
    assert "firmware profile that fits  grbl-1.1" in said.out
    assert re.search(r"^facts +\d\d hold, 0 differ, \d+ skipped$", said.out, re.MULTILINE)
    assert "only the virtual controller" not in said.out


def test_json_lists_every_fact_with_its_verdict(fabctl):
    told = json.loads(fabctl("machine", "conform", "sim://", "--json").out)
    assert told["conforms"]
    assert {fact["verdict"] for fact in told["facts"]} == {"holds", "skipped"}
    assert len(told["facts"]) > 50
    assert all(fact["detail"] for fact in told["facts"] if fact["verdict"] == "skipped")


def test_another_machines_settings_end_with_the_code_of_a_controller_at_fault(fabctl):
    settings = load_machine("router-3018").settings() | {110: 999}
    with serve_socket(settings) as served:
        said = fabctl("machine", "conform", served.url, "-m", "router-3018", "--row", "10")
    assert said.code == 5
    assert "setting differs: $110 (X maximum rate, mm/min): 999, the profile says 2000" in said.out


def test_a_description_is_drawn_from_what_the_controller_says(fabctl, tmp_path):
    out = tmp_path / "drawn.toml"
    said = fabctl("machine", "conform", "sim://", "-m", "router-3018", "--row", "3", "--profile-out", out)
    assert said.code == 0
    assert load_machine(out).settings() == load_machine("router-3018").settings()


def test_a_description_is_never_replaced(fabctl, tmp_path):
    out = tmp_path / "mine.toml"
    out.write_text("mine", encoding="utf-8")
    said = fabctl("machine", "conform", "sim://", "--profile-out", out)
    assert said.code == 3
    assert out.read_text(encoding="utf-8") == "mine"


def test_one_fact_is_counted_as_one(fabctl):
    said = fabctl("machine", "conform", "sim://", "--row", "5")
    assert re.search(r"^facts +1 holds, 0 differ, 0 skipped$", said.out, re.MULTILINE), said.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--row", "99"], "no row 99"),
        (["--profile-out", "mine.txt"], "not a name for a description"),
        (["-m", "nowhere"], "no machine is called"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_the_port_is_opened(fabctl, words, said):
    told = fabctl("machine", "conform", "/dev/none-such", *words)
    assert told.code == 3
    assert said in told.err


@pytest.mark.parametrize("option", ["--motion", "--outputs"])
def test_nothing_moves_or_turns_on_a_real_port_without_consent(fabctl, option):
    said = fabctl("machine", "conform", "/dev/none-such", option)
    assert said.code == 3
    assert "nobody is there to ask" in said.err
    wrong = fabctl("machine", "conform", "/dev/none-such", option, "--confirm", "another")
    assert wrong.code == 3
    assert "this is /dev/none-such" in wrong.err
    asked = fabctl("machine", "conform", "/dev/none-such", option, "--confirm", "/dev/none-such")
    assert asked.code == 5
