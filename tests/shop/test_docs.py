"""docs/profiles.md has every key of every schema, and its examples are true."""

import re
from pathlib import Path

import pytest

from fabctl.shop.firmware import FIRMWARE
from fabctl.shop.job import JOB, load_job
from fabctl.shop.machine import MACHINE, load_machine
from fabctl.shop.material import MATERIAL, load_material
from fabctl.shop.recipe import recipe
from fabctl.shop.schema import rows, rules
from fabctl.shop.tool import TOOL, load_tool

PAGE = (Path(__file__).parents[2] / "docs" / "profiles.md").read_text(encoding="utf-8")
SCHEMAS = {"Machine": MACHINE, "Firmware": FIRMWARE, "Tool": TOOL, "Material": MATERIAL, "Job": JOB}


def lines(schema) -> list[str]:
    keys = [
        f"| `{key}` | {accepted} | {default} | {meaning} |"
        for key, accepted, default, meaning in rows(schema)
    ]
    return keys + [f"- `{key}`: {right} (otherwise: {wrong})" for key, wrong, right in rules(schema)]


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_key_and_rule_is_documented_as_it_is(name):
    section = PAGE.split(f"\n## {name}: every key\n")[1].split("\n## ")[0]
    documented = [line for line in section.splitlines() if line.startswith(("| `", "- `"))]
    assert documented == lines(SCHEMAS[name])


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_meaning_says_something(name):
    assert all(len(meaning) >= 6 for _, _, _, meaning in rows(SCHEMAS[name]))


def test_the_examples_of_the_page_load_and_go_together(own_folder):
    blocks = re.findall(r"```toml\n# (\w+)/([\w.-]+\.toml)\n(.*?)```", PAGE, flags=re.DOTALL)
    assert [shelf for shelf, _, _ in blocks] == ["machines", "tools", "materials", "jobs"]
    for shelf, file, text in blocks:
        (own_folder / shelf).mkdir()
        (own_folder / shelf / file).write_text(text, encoding="utf-8")
    (own_folder / "jobs" / "sign.svg").write_text("<svg/>", encoding="utf-8")
    job = load_job("sign")
    found = recipe(load_machine(job.machine), load_tool(job.tool), load_material(job.material))
    assert found.feed_mm_min > 0
