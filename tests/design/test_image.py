"""Images by content, over white, upright; damaged ones named."""

import io
import random
import re
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from fabctl.design import image as module
from fabctl.design.image import read_image
from fabctl.errors import DesignError


def saved(picture, kind="PNG", **options):
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def ramp(width=16, height=9):
    values = np.arange(width * height, dtype=np.uint32) * 255 // (width * height - 1)
    return values.astype(np.uint8).reshape(height, width)


def kinds_of(picture):
    return [note.kind for note in picture.notes]


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_of(width, height, *, depth=8, colour=0, rows=b"", extra=b""):
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_greys_come_back_as_they_were_saved(kind):
    picture = read_image(saved(Image.fromarray(ramp()), kind, dpi=(254, 254)), f"a.{kind.lower()}")
    assert picture.grey.tolist() == ramp().tolist()
    assert picture.size_mm == pytest.approx((1.6, 0.9), rel=1e-3)
    assert picture.notes == ()


def test_jpegs_are_read_closely():
    picture = read_image(saved(Image.fromarray(ramp()), "JPEG", quality=95, dpi=(300, 300)), "a.jpg")
    assert np.abs(picture.grey.astype(int) - ramp()).max() <= 6


def test_content_counts_and_the_wrong_name_is_said():
    picture = read_image(saved(Image.fromarray(ramp()), "JPEG", dpi=(300, 300)), "a.png")
    assert kinds_of(picture) == ["name"]


@pytest.mark.parametrize(
    ("colour", "grey"), [((255, 0, 0), 76), ((0, 255, 0), 150), ((0, 0, 255), 29), ((255, 255, 255), 255)]
)
@pytest.mark.parametrize("mode", ["RGB", "P", "RGBA"])
def test_colours_become_their_luma(mode, colour, grey):
    picture = read_image(saved(Image.new("RGB", (3, 2), colour).convert(mode)), "a.png")
    assert abs(int(picture.grey[0, 0]) - grey) <= (4 if mode == "P" else 0)


def test_half_transparent_black_is_mid_grey_and_clear_black_is_white():
    colours = np.zeros((1, 3, 4), np.uint8)
    colours[0, :, 3] = [255, 128, 0]
    picture = read_image(saved(Image.fromarray(colours)), "a.png")
    assert picture.grey.tolist() == [[0, 127, 255]]
    assert "transparency" in kinds_of(picture)


def test_covering_is_rounded_to_the_nearest_grey():
    colours = np.array([[[50, 50, 50, 100]]], np.uint8)  # 50 x 100 / 255 + 155 = 174.6
    assert read_image(saved(Image.fromarray(colours)), "a.png").grey.tolist() == [[175]]


def test_clear_palette_entries_are_white():
    palette = Image.new("P", (2, 1))
    palette.putpalette([0, 0, 0, 10, 10, 10])
    palette.putpixel((1, 0), 1)
    assert read_image(saved(palette, transparency=0), "a.png").grey.tolist() == [[255, 10]]


def test_a_clear_colour_is_white():
    grey = Image.fromarray(np.array([[7, 8]], np.uint8))
    assert read_image(saved(grey, transparency=7), "a.png").grey.tolist() == [[255, 8]]


def test_clear_16_bit_grey_is_white():
    rows = b"\0" + struct.pack(">HH", 700, 701)
    data = png_of(2, 1, depth=16, rows=rows, extra=chunk(b"tRNS", struct.pack(">H", 700)))
    assert read_image(data, "a.png").grey.tolist() == [[65535, 701]]


def test_16_bit_greys_keep_their_depth():
    deep = np.array([[0, 1, 256, 40000, 65535]], np.uint16)
    picture = read_image(saved(Image.fromarray(deep)), "a.png")
    assert picture.grey.dtype == np.uint16
    assert picture.grey.tolist() == deep.tolist()


def test_one_bit_images_are_black_and_white():
    picture = read_image(saved(Image.fromarray(np.array([[True, False]]))), "a.png")
    assert picture.grey.tolist() == [[255, 0]]


def test_cmyk_jpegs_are_read_by_their_colours():
    picture = read_image(saved(Image.new("RGB", (8, 8), (200, 200, 200)).convert("CMYK"), "JPEG"), "a.jpg")
    assert np.abs(picture.grey.astype(int) - 200).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_exif_orientation_is_carried_out(orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    blocks = np.kron(ramp(3, 2), np.ones((8, 8), np.uint8))
    data = saved(Image.fromarray(blocks), kind, exif=exif, dpi=(300, 150))
    picture = read_image(data, f"a.{kind.lower()}")
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert picture.grey.tolist() == np.asarray(upright).tolist()
    assert picture.dpi[0] == pytest.approx(300 if orientation < 5 else 150, rel=1e-3)
    assert ("orientation" in kinds_of(picture)) == (orientation > 1)


def test_rows_of_large_images_stay_in_order(monkeypatch):
    monkeypatch.setattr(module, "_STRIP_PIXELS", 40)
    picture = read_image(saved(Image.fromarray(ramp()).convert("RGBA")), "a.png")
    assert picture.grey.tolist() == ramp().tolist()


def test_sizes_nobody_told_are_said():
    assert kinds_of(read_image(saved(Image.fromarray(ramp())), "a.png")) == ["size"]
    assert kinds_of(read_image(saved(Image.fromarray(ramp()), dpi=(96, 96)), "a.png")) == ["size"]


def test_first_picture_of_an_animation_is_taken():
    frames = [Image.fromarray(ramp()), Image.fromarray(255 - ramp())]
    picture = read_image(saved(frames[0], save_all=True, append_images=frames[1:]), "a.png")
    assert picture.grey.tolist() == ramp().tolist()
    assert "frames" in kinds_of(picture)


@pytest.mark.parametrize(("width", "height"), [(8000, 8000), (20_000, 20_000), (2**31 - 1, 2**31 - 1)])
def test_too_many_pixels_are_refused_before_they_are_unpacked(width, height):
    with pytest.raises(DesignError, match="50 million pixels"):
        read_image(png_of(width, height, rows=b"\0"), "bomb.png")


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        (b"", "empty"),
        (b"\0\0\n", "empty"),
        (b"GIF89a", "GIF"),
        (b"<svg/>", "SVG"),
        (b"version https://git-lfs.github.com/spec/v1\n", "LFS"),
        (b"hello", "neither PNG"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"BM", "damaged"),
        (b"\xff\xd8\xff", "damaged"),
        (png_of(4, 4, rows=b"\0"), "damaged"),
        (png_of(0, 4, rows=b"\0"), "damaged"),
        (png_of(2, 1, colour=3, rows=b"\0\0\0"), "no palette"),
    ],
)
def test_what_is_no_image_is_named(data, seen):
    with pytest.raises(DesignError, match=seen) as caught:
        read_image(data, "a.png")
    assert caught.value.file == "a.png"
    assert caught.value.remedy


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
def test_cut_off_files_are_damaged(kind):
    data = saved(Image.fromarray(ramp(64, 64)), kind)
    for share in (0.2, 0.5, 0.8):
        with pytest.raises(DesignError, match="damaged"):
            read_image(data[: int(len(data) * share)], "a")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
def test_damaged_bytes_give_an_image_or_a_named_error(kind):
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {} if kind == "BMP" else {"exif": exif}
    whole = saved(Image.fromarray(ramp(24, 24)).convert("RGB"), kind, dpi=(300, 300), **options)
    chance = random.Random(7)
    outcomes = set()
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(8, min(len(data), 400))] = chance.randrange(256)
        try:
            outcomes.add(read_image(bytes(data), "a").grey.ndim)
        except DesignError:
            outcomes.add("refused")
    assert outcomes == {2, "refused"}


def test_a_png_whose_pixels_are_whole_but_whose_end_is_gone_is_damaged():
    data = saved(Image.new("L", (64, 64), 200))
    for missing in (1, 12, 20):
        with pytest.raises(DesignError, match="before its last chunk"):
            read_image(data[:-missing], "a.png")


def test_bad_images_of_the_corpus(corpus, bad_index):
    found = {}
    for name in sorted(name for name in bad_index if name.startswith("raster/")):
        data = (corpus / "bad" / name).read_bytes()
        try:
            picture = read_image(data, name)
            found[name] = (*picture.grey.shape, *(kind for kind in kinds_of(picture) if kind != "size"))
        except DesignError as error:
            found[name] = error.problem.split(":")[0]
    assert found == {
        "raster/bomb_4000x4000.png": (4000, 4000, "blank"),
        "raster/jpeg_named.png": (64, 64, "name"),
        "raster/one_pixel.png": (1, 1),
        "raster/transparent_black.png": (64, 64, "transparency", "blank"),
        "raster/truncated.png": (64, 64),  # its chunks, checksums and pixels are whole; cut off below
        "raster/zero_byte.png": "the file is empty",
    }


def test_a_corpus_image_cut_anywhere_is_damaged(corpus):
    data = (corpus / "bad" / "raster" / "truncated.png").read_bytes()
    for length in range(8, len(data)):
        with pytest.raises(DesignError, match="damaged"):
            read_image(data[:length], "truncated.png")


def test_images_of_the_corpus_have_their_size(corpus, corpus_index):
    names = [name for name in corpus_index if name.startswith("raster/")]
    assert names
    for name in names:
        row = corpus_index[name]
        picture = read_image((corpus / name).read_bytes(), name)
        width, height = re.match(r"(\d+)x(\d+) px", row["true_size_or_expected"] or row["bbox"]).groups()
        assert picture.grey.shape == (int(height), int(width))
        told = re.search(r"dpi=\(([\d.]+), ([\d.]+)\)", row["other_measures"])
        assert picture.dpi == (pytest.approx(tuple(map(float, told.groups()))) if told else None)
        assert np.ptp(picture.grey) > 80
