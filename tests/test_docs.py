"""The documentation is true: what exists is documented, what is documented exists."""

import re
from pathlib import Path

import click
import pytest

from fabctl.cli.lazy import LazyGroup
from fabctl.cli.main import COMMANDS, cli
from fabctl.errors import EXIT_CODES

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## fabctl ([\w -]+)\n(.*?)(?=^## )", PAGE, re.MULTILINE | re.DOTALL))


def _walk(group: LazyGroup, before: str = "") -> dict[str, click.Command]:
    """Every command by the words a person types after fabctl."""
    found = {}
    for name in group.table:
        command = group.get_command(click.Context(group), name)
        found[before + name] = command
        if isinstance(command, LazyGroup):
            found |= _walk(command, f"{before}{name} ")
    return found


EVERY = _walk(cli)
GROUPS = {name: command for name, command in EVERY.items() if isinstance(command, LazyGroup)}


def test_every_command_has_its_section_and_no_other_stands_there():
    assert set(SECTIONS) == set(EVERY)


@pytest.mark.parametrize("name", EVERY)
def test_every_option_is_documented_with_its_help_and_no_other(name):
    options = [p for p in EVERY[name].params if isinstance(p, click.Option)]
    named = set(re.findall(r"`(--?[\w-]+)`", SECTIONS[name]))
    assert named == {text for option in options for text in option.opts}
    for option in options:
        assert option.help
        assert option.help in SECTIONS[name]


@pytest.mark.parametrize("name", GROUPS)
def test_every_group_lists_its_commands_with_their_lines(name):
    rows = re.findall(r"^\| `([\w-]+)` \| (.*) \|$", SECTIONS[name], re.MULTILINE)
    assert rows == [(command, text) for command, (_, text) in GROUPS[name].table.items()]


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
            for name, second in re.findall(r"^fabctl (\w+)(?: ([a-z][\w-]*))?", block, re.MULTILINE):
                assert name in COMMANDS, f"{page.name}: fabctl {name}"
                assert name not in GROUPS or not second or f"{name} {second}" in EVERY, f"{name} {second}"


def test_every_option_in_the_documentation_is_one_of_its_command():
    for page in _pages():
        for block in re.findall(r"```(?:sh)?\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            for line in re.findall(r"^fabctl (.*?)(?:\s#.*)?$", block, re.MULTILINE):
                first, _, rest = line.partition(" ")
                name = f"{first} {rest.split()[0]}" if first in GROUPS and rest else first
                if name not in EVERY or name in GROUPS:
                    continue
                known = {text for option in EVERY[name].params for text in option.opts} | {"--help"}
                named = set(re.findall(r"(?<=\s)--?[a-zA-Z][\w-]*", rest))
                assert named - known == set(), f"{page.name}: fabctl {line}"


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
