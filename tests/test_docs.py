"""The documentation is true: what exists is documented, what is documented exists."""

import importlib
import re
from pathlib import Path

import click
import pytest

from fabctl.cli.main import COMMANDS
from fabctl.errors import EXIT_CODES

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## fabctl (\w+)\n(.*?)(?=^## )", PAGE, re.MULTILINE | re.DOTALL))


def _command(name: str) -> click.Command:
    return getattr(importlib.import_module(COMMANDS[name][0]), name)


def test_every_command_has_its_section_and_no_other_stands_there():
    assert set(SECTIONS) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_documented_with_its_help_and_no_other(name):
    options = [p for p in _command(name).params if isinstance(p, click.Option)]
    named = set(re.findall(r"`(--?[\w-]+)`", SECTIONS[name]))
    assert named == {text for option in options for text in option.opts}
    for option in options:
        assert option.help
        assert option.help in SECTIONS[name]


def test_exit_codes_are_the_documented_ones():
    for code, text in EXIT_CODES.items():
        assert f"| {code} | {text} |" in PAGE


def _pages():
    yield from sorted((ROOT / "docs").rglob("*.md"))
    yield from (ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"))


def test_every_link_of_every_page_leads_somewhere():
    broken = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in _pages()
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
        if not (page.parent / link).exists()
    ]
    assert broken == []


def test_every_command_line_in_the_documentation_names_commands_that_exist():
    for page in _pages():
        for block in re.findall(r"```(?:sh)?\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            for name in re.findall(r"^fabctl (\w+)", block, re.MULTILINE):
                assert name in COMMANDS, f"{page.name}: fabctl {name}"


def test_every_glossary_word_stands_there_once_and_in_order():
    words = re.findall(r"^\| ([^|]+) \| ", (ROOT / "docs" / "glossary.md").read_text("utf-8"), re.MULTILINE)[
        1:
    ]
    assert len(words) == len(set(words)) > 40


def test_every_room_is_in_the_architecture():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = [p.name for p in (ROOT / "fabctl").iterdir() if (p / "__init__.py").exists()]
    assert len(rooms) > 10
    for room in rooms:
        assert f"`{room}/`" in page
