"""Images to burn: PNG, JPEG and BMP as greys, upright, on white.

What a file is, is decided by its content. Transparent is white, since nothing shall be burnt there.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from fabctl.design.model import Note
from fabctl.errors import DesignError
from fabctl.units import MM_PER_INCH

Grey = NDArray[np.uint8] | NDArray[np.uint16]

LARGEST_PIXELS = 50_000_000
"""A larger image would not fit in a small computer's memory; a beam sees far less."""

GUESSED_DPI = (72, 96)
"""Resolutions that programs write when nobody told them one."""

_FORMATS = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG", b"BM": "BMP"}
_OTHERS = {
    b"GIF8": "a GIF image",
    b"II*\0": "a TIFF image",
    b"MM\0*": "a TIFF image",
    b"RIFF": "a WebP image",
    b"%PDF": "a PDF document",
    b"<": "SVG, XML or a web page",
    b"version https://git-lfs": "a Git LFS pointer, not the image itself",
}
_NAMES = {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "bmp": "BMP"}
_ORIENTATION = 0x0112
_STRIP_PIXELS = 1 << 20
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, struct.error, zlib.error)
"""What pillow's decoders raise for damaged files."""


@dataclass(frozen=True)
class Picture:
    """An image as a beam sees it.

    Parameters
    ----------
    source : str
        The file as the person named it.
    grey : (h, w) uint8 or uint16
        0 is black, the type's largest value white; the top row first.
    dpi : (float, float), optional
        Dots per inch across and down, where the file says it.
    notes : sequence of Note
        What a person should know; nothing in it is fatal.
    """

    source: str
    grey: Grey
    dpi: tuple[float, float] | None = None
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        self.grey.setflags(write=False)

    @property
    def size_mm(self) -> tuple[float, float] | None:
        """Width and height by the file's resolution, mm; None when it tells none.

        Examples
        --------
        >>> Picture("a.png", np.zeros((254, 127), np.uint8), (254.0, 254.0)).size_mm
        (12.7, 25.4)
        """
        if self.dpi is None:
            return None
        h, w = self.grey.shape
        return w * MM_PER_INCH / self.dpi[0], h * MM_PER_INCH / self.dpi[1]


def read_image(data: bytes, source: str) -> Picture:
    """Read an image.

    Colours become greys by their luma (ITU-R BT.601), 16-bit greys keep their depth, transparency lies over
    white and an orientation in the Exif data is carried out.

    Parameters
    ----------
    data : bytes
        The whole file: PNG, JPEG or BMP, whatever its name.
    source : str
        Its name, for messages.

    Returns
    -------
    Picture
        With a Note for everything that was put right, left out or guessed.

    Raises
    ------
    DesignError
        When the file is empty, damaged, none of these formats or larger than `LARGEST_PIXELS`.
    """
    kind = _kind(data, source)
    if kind == "PNG":
        _demand_whole(data, source)
    notes = _named(kind, source)
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            with Image.open(io.BytesIO(data), formats=[kind]) as image:
                _refuse_large(image.size, source)
                image.load()
                grey = _grey(image, notes)
                dpi = _dpi(image)
                orientation = image.getexif().get(_ORIENTATION, 1)
                frames = getattr(image, "n_frames", 1)
    except Image.DecompressionBombError as error:
        raise _too_large(str(error), source) from error
    except UnidentifiedImageError as error:
        raise _damaged(kind, "its header makes no sense", source) from error
    except _DAMAGED as error:
        raise _damaged(kind, str(error), source) from error
    notes += [Note("damaged", f"the reader says: {each.message}") for each in said]
    if kind == "PNG" and frames > 1:
        notes.append(Note("frames", f"an animation of {frames} pictures, the first is taken"))
    if orientation in _TURNS:
        grey = _TURNS[orientation](grey).copy(order="C")
        dpi = dpi[::-1] if dpi and orientation >= 5 else dpi
        notes.append(Note("orientation", "turned upright as its Exif data says"))
    return Picture(source, grey, dpi, (*notes, *_about_size(grey, dpi), *_about_blank(grey)))


_TURNS: dict[int, Callable[[Grey], Grey]] = {
    2: np.fliplr,
    3: lambda grey: grey[::-1, ::-1],
    4: np.flipud,
    5: np.transpose,
    6: lambda grey: np.rot90(grey, -1),
    7: lambda grey: grey[::-1, ::-1].T,
    8: np.rot90,
}
"""What stands an image upright, by the Exif orientation (Exif 2.32, tag 274)."""


def _kind(data: bytes, source: str) -> str:
    """Tell the format by the first bytes."""
    if not data.strip(b"\0 \t\r\n"):
        raise DesignError("the file is empty", file=source, remedy="save or copy it again")
    for magic, kind in _FORMATS.items():
        if data.startswith(magic):
            return kind
    for magic, name in _OTHERS.items():
        if data.startswith(magic):
            raise DesignError(f"it looks like {name}", file=source, remedy="save it as PNG or JPEG")
    raise DesignError("neither PNG, JPEG nor BMP, by content", file=source, remedy="save it as PNG or JPEG")


def _demand_whole(data: bytes, source: str) -> None:
    """Refuse a PNG cut off: its decoder would fill up what is missing without a word."""
    at = 8
    # one turn of the loop for each chunk, some kilobytes
    while at + 12 <= len(data):
        length, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        at += 12 + length
        if name == b"IEND":
            return
    raise _damaged("PNG", f"it ends after {len(data)} bytes, before its last chunk", source)


def _named(kind: str, source: str) -> list[Note]:
    """Say when the name is another format's."""
    named = _NAMES.get(source.rpartition(".")[2].lower())
    if named is None or named == kind:
        return []
    return [Note("name", f"named as {named}, but it is {kind} and was read so")]


def _refuse_large(size: tuple[int, int], source: str) -> None:
    width, height = size
    if width * height > LARGEST_PIXELS:
        raise _too_large(f"{width} × {height} pixels", source)


def _too_large(seen: str, source: str) -> DesignError:
    return DesignError(
        f"{seen}: the limit is {LARGEST_PIXELS // 1_000_000} million pixels",
        file=source,
        remedy="scale it down: ten pixels a millimetre are more than a beam can show",
    )


def _damaged(kind: str, reason: str, source: str) -> DesignError:
    return DesignError(
        f"the {kind} image is damaged or cut off: {reason}", file=source, remedy="save or copy it again"
    )


def _grey(image: Image.Image, notes: list[Note]) -> Grey:
    """Return the greys over white, upright or not."""
    if image.mode.startswith("I"):
        deep: NDArray[np.uint16] = np.clip(np.asarray(image), 0, 65535).astype(np.uint16)
        clear = image.info.get("transparency")
        if isinstance(clear, int):
            deep[deep == clear] = 65535
            notes.append(Note("transparency", "transparent parts are taken as white"))
        return deep
    if image.mode in ("P", "PA") and image.palette is None:
        raise ValueError("it has no palette")
    see_through = "transparency" in image.info or image.mode in ("LA", "PA", "RGBA", "RGBa")
    width, height = image.size
    grey = np.empty((height, width), np.uint8)
    least = 255
    step = max(1, _STRIP_PIXELS // width)
    # one turn of the loop for a million pixels: a whole image in colours and sums takes too much memory
    for top in range(0, height, step):
        box = (0, top, width, min(top + step, height))
        strip = image.crop(box)
        if not see_through:
            grey[top : box[3]] = np.asarray(strip.convert("L"))
            continue
        colours = strip.convert("RGBA")
        alpha = np.asarray(colours.getchannel("A")).astype(np.uint32)
        luma = np.asarray(colours.convert("L"))
        grey[top : box[3]] = (luma * alpha + 255 * (255 - alpha) + 127) // 255
        least = min(least, int(alpha.min()))
    if least < 255:
        notes.append(Note("transparency", "transparent parts are taken as white"))
    return grey


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    """Return the resolution the file tells, if it can be one."""
    told = image.info.get("dpi")
    if not isinstance(told, tuple) or len(told) != 2:
        return None
    across, down = (float(value) for value in told)
    return (across, down) if 1 <= across <= 100_000 and 1 <= down <= 100_000 else None


def _about_size(grey: Grey, dpi: tuple[float, float] | None) -> list[Note]:
    """Say when the size in mm is a guess."""
    h, w = grey.shape
    if dpi is None:
        return [Note("size", f"{w} × {h} pixels, and the file does not say how large: give a width")]
    if round(dpi[0]) in GUESSED_DPI:
        width, height = w * MM_PER_INCH / dpi[0], h * MM_PER_INCH / dpi[1]
        size = f"{dpi[0]:.0f} dpi ({width:.1f} × {height:.1f} mm)"
        return [Note("size", f"{size} is what programs write unasked: check the width")]
    return []


def _about_blank(grey: Grey) -> list[Note]:
    """Say when there is nothing to burn."""
    white = int(np.iinfo(grey.dtype).max)
    return [Note("blank", "all of it is white: nothing to burn")] if int(grey.min()) == white else []
