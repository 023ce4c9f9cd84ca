"""docs/operations.md says what the code does."""

import re
from pathlib import Path

import pytest

from fabctl.operations.choose import COLOURS, LAYER_WORDS, SAME_SIZE_MM, TABS
from fabctl.operations.passes import MOST_TURNS
from fabctl.operations.profile import RELIEF_DEG
from fabctl.operations.steps import ENGRAVE_MM, RANKS, THROUGH_MM, TOOLS_OF_KIND
from fabctl.shop.job import OPERATION_KINDS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")


def table(header):
    """The rows below a header line, cells stripped of blanks and code marks."""
    lines = PAGE.split(header, 1)[1].splitlines()[2:]
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().replace("`", "") for cell in line.strip("|").split("|")])
    return rows


def test_every_operation_is_described():
    assert {row[0] for row in table("| operation | what it does")} == set(OPERATION_KINDS)


def test_the_table_of_layer_words_is_the_one_that_decides():
    rows = table("| words in the layer's name")
    assert [row[1] for row in rows] == list(LAYER_WORDS), "in the order in which they are tried"
    for words, kind in rows:
        for word in words.split(", "):
            assert re.fullmatch(LAYER_WORDS[kind], word), f"{word} does not choose {kind}"


@pytest.mark.parametrize("kind", LAYER_WORDS)
def test_no_word_that_decides_is_missing_in_the_table(kind):
    told = {
        word
        for words, row in table("| words in the layer's name")
        if row == kind
        for word in words.split(", ")
    }
    assert _spelled(LAYER_WORDS[kind]) == told


def _spelled(pattern):
    """All words a pattern of alternatives, groups and optional letters matches."""
    words = {""}
    for part in _alternatives(pattern):
        words |= _expand(part)
    return words - {""}


def _alternatives(pattern):
    depth, parts, text = 0, [], ""
    for letter in pattern:
        depth += (letter in "([") - (letter in ")]")
        if letter == "|" and depth == 0:
            parts.append(text)
            text = ""
        else:
            text += letter
    return [*parts, text]


def _expand(text):
    match = re.search(r"\(([^()]*)\)(\??)|\[([^\]]*)\]|(\w)\?", text)
    if not match:
        return {text}
    choices = (
        [*match[1].split("|"), *([""] if match[2] else [])]
        if match[1] is not None
        else [letter for letter in match[3] if letter != "."]
        if match[3] is not None
        else [match[4], ""]
    )
    return {
        word for choice in choices for word in _expand(text[: match.start()] + choice + text[match.end() :])
    }


def test_the_table_of_colours_is_the_one_that_decides():
    assert dict(table("| colour | operation |")) == {**COLOURS, "any other": "profile"}


def test_the_table_of_tools_is_the_one_that_refuses():
    told = {kind: set(tools.split(", ")) for kind, tools in table("| operation | tools a spindle may hold |")}
    assert told == {kind: set(tools) for kind, tools in TOOLS_OF_KIND.items()}


def test_the_order_is_the_one_of_the_ranks():
    numbered = re.findall(r"^\d\. (\w+)", PAGE, re.MULTILINE)
    assert numbered == ["Engraving", "Drilling", "Pockets", "Contours"]
    assert RANKS["engrave"] == RANKS["score"] < RANKS["drill"] < RANKS["pocket"] < RANKS["profile"]


@pytest.mark.parametrize(
    "text",
    [
        f"goes {THROUGH_MM['spindle']:g} mm below the sheet",
        f"{ENGRAVE_MM:g} mm, at most a quarter of the sheet",
        f"within {SAME_SIZE_MM:g} mm",
        f"{TABS.count} of {TABS.width_mm:g} mm × {TABS.height_mm:g} mm",
        f"than {180 - RELIEF_DEG[1]:g}° are left",
        {10: "more than ten turns"}[MOST_TURNS],
        "[profiles.md](profiles.md)",
    ],
)
def test_figures_of_the_page_are_those_of_the_code(text):
    assert text in " ".join(PAGE.split())


def test_the_job_file_on_the_page_is_accepted(tmp_path):
    from fabctl.shop.job import load_job

    (tmp_path / "a.svg").write_text("<svg/>", encoding="utf-8")
    example = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1]
    head = '[job]\ntitle = "t"\ndesign = "a.svg"\nmachine = "m"\nmaterial = "p"\ntool = "t"\n'
    job = tmp_path / "a.toml"
    job.write_text(f"{head}[stock]\nwidth_mm = 100\nheight_mm = 100\n{example}", encoding="utf-8")
    assert [operation.kind for operation in load_job(job).operations] == ["pocket", "profile"]
