"""Job files: read whole, or refused with everything that is wrong."""

import shutil
from pathlib import Path

import pytest

from fabctl.errors import ProfileError
from fabctl.shop.job import Overrides, Placement, Raster, Tabs, load_job, operation_of

SIGN = """
[job]
title = "Door sign"
design = "drawings/sign.svg"
machine = "router-3018"
material = "plywood-6"
tool = "endmill-3.175"
units = "mm"

[stock]
width_mm = 200
height_mm = 100

[placement]
origin_x_mm = 12
rotation_deg = 90

[[operation]]
kind = "engrave"
layer = "text*"
tool = "vbit-60"
depth_mm = 0.5

[[operation]]
kind = "profile"
name = "outline"
colour = "#FF0000"
side = "outside"
depth = "through"
feed_mm_min = 700
tabs = { count = 3 }

[[operation]]
kind = "ignore"
ident = "*"
"""


@pytest.fixture
def job_file(tmp_path):
    """Write a job file with one piece of text changed, its drawing beside it."""
    (tmp_path / "drawings").mkdir()
    (tmp_path / "drawings" / "sign.svg").write_text("<svg/>", encoding="utf-8")

    def write(old="", new=""):
        assert old in SIGN
        path = tmp_path / "sign.toml"
        path.write_text(SIGN.replace(old, new, 1) if old else SIGN, encoding="utf-8")
        return path

    return write


def test_a_job_is_read_whole(job_file):
    path = job_file()
    job = load_job(path)
    assert (job.title, job.machine, job.material, job.tool) == (
        "Door sign",
        "router-3018",
        "plywood-6",
        "endmill-3.175",
    )
    assert job.design == path.parent / "drawings" / "sign.svg"
    assert (job.width_mm, job.height_mm, job.thickness_mm) == (200, 100, None)
    assert job.placement == Placement(12, 10, 90)
    assert job.order == "inner-first"
    engrave, outline, rest = job.operations
    assert (engrave.kind, engrave.depth_mm, engrave.through, engrave.tool) == (
        "engrave",
        0.5,
        False,
        "vbit-60",
    )
    assert (outline.side, outline.through, outline.depth_mm) == ("outside", True, None)
    assert outline.tabs == Tabs(3, 6, 1.5)
    assert outline.overrides == Overrides(feed_mm_min=700)
    assert rest.kind == "ignore"


def test_the_first_operation_that_selects_a_path_has_it(job_file):
    job = load_job(job_file())
    assert operation_of(job.operations, "text-1", "#ff0000", "a").kind == "engrave"
    assert operation_of(job.operations, "cut", "#FF0000", "a").kind == "profile"
    assert operation_of(job.operations, "cut", "#0000ff", "a").kind == "ignore"
    without_rest = load_job(job_file('ident = "*"', 'ident = "frame?"'))
    assert operation_of(without_rest.operations, "cut", "", "part-7") is None
    assert operation_of(without_rest.operations, "cut", "", "frame1").kind == "ignore"


def test_the_person_s_own_job_is_found_by_name(job_file, own_folder):
    shutil.copytree(job_file().parent, own_folder / "jobs", ignore=shutil.ignore_patterns("config"))
    assert load_job("sign").title == "Door sign"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('design = "drawings/sign.svg"', 'design = "../sign.svg"', "[job] design"),
        ('design = "drawings/sign.svg"', 'design = "/etc/passwd"', "[job] design"),
        ('design = "drawings/sign.svg"', 'design = "none.svg"', "'none.svg' is not here"),
        ('machine = "router-3018"', 'machine = "a/b"', "[job] machine"),
        ('units = "mm"', 'units = "furlong"', "[job] units"),
        ("width_mm = 200", "width_mm = 0", "[stock] width_mm"),
        ("width_mm = 200", "widht_mm = 200", 'the nearest known key is "width_mm"'),
        ('kind = "engrave"', 'kind = "engarve"', 'the nearest is "engrave"'),
        ('layer = "text*"', "", "[[operation]] 1 layer: nothing says which paths are meant"),
        ('colour = "#FF0000"', 'colour = "red"', "[[operation]] 2 colour: not a colour"),
        ('depth = "through"', 'depth = "through"\ndepth_mm = 3', "both depth and depth_mm"),
        ('kind = "engrave"', 'kind = "engrave"\nside = "inside"', "only a profile has a side"),
        ('kind = "engrave"', 'kind = "engrave"\ntabs = {}', "only a profile has tabs"),
        ("depth_mm = 0.5", "depth_mm = -0.5", "[[operation]] 1 depth_mm"),
        ('kind = "ignore"', 'kind = "pocket"', "a pocket needs its depth"),
        ("feed_mm_min = 700", "feed_mm_min = nan", "nan is not a finite number"),
        ("tabs = { count = 3 }", "tabs = { count = 0 }", "tabs count"),
        (SIGN[SIGN.index("[[operation]]") :], "operation = []", "no operation"),
    ],
)
def test_what_is_wrong_in_a_job_is_named(job_file, old, new, said):
    path = job_file()
    text = SIGN.replace(old, new, 1)
    if new == "operation = []":
        text = "operation = []\n" + text.replace(new, "")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ProfileError) as caught:
        load_job(path)
    message = str(caught.value)
    assert said in message
    assert "sign.toml" in message
    assert caught.value.remedy


def test_a_link_that_leads_out_of_the_folder_is_refused(job_file, tmp_path):
    path = job_file()
    outside = tmp_path.parent / f"{tmp_path.name}-outside.svg"
    outside.write_text("<svg/>", encoding="utf-8")
    drawing = path.parent / "drawings" / "sign.svg"
    drawing.unlink()
    if _linked(drawing, outside):  # Windows lets only some accounts make links
        with pytest.raises(ProfileError, match="leads out of the job's folder"):
            load_job(path)


def _linked(link: Path, target: Path) -> bool:
    try:
        link.symlink_to(target)
    except OSError:
        return False
    return True


PICTURE = SIGN.split("[[operation]]", maxsplit=1)[0]


@pytest.mark.parametrize(
    ("table", "wishes"),
    [
        ("[raster]", Raster()),
        ("[raster]\nwidth_mm = 80\nlevels = 16\nboth_ways = false", Raster(80.0, levels=16, both_ways=False)),
    ],
)
def test_a_job_says_how_its_picture_is_burnt(job_file, table, wishes):
    path = job_file()
    path.write_text(PICTURE + table, encoding="utf-8")
    job = load_job(path)
    assert job.raster == wishes
    assert job.operations == ()


def test_a_job_is_of_a_picture_or_of_paths(job_file):
    with pytest.raises(ProfileError, match=r"a picture has no paths"):
        load_job(job_file('[[operation]]\nkind = "engrave"', '[raster]\n[[operation]]\nkind = "engrave"'))
    path = job_file()
    path.write_text(PICTURE, encoding="utf-8")
    with pytest.raises(ProfileError, match=r"or a table \[raster\] for a picture"):
        load_job(path)


def test_an_unknown_job_gets_the_command_that_lists():
    with pytest.raises(ProfileError) as caught:
        load_job("stoool-of-nobody")
    assert "fabctl jobs" in caught.value.remedy
