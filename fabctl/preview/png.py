"""Scenes and height maps as PNG."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fabctl.preview.ink import ink
from fabctl.preview.scene import Scene, Stroke, size_text

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LONGEST_PX = 1400
MARGIN_PX = 44
FINER = 2
"""Drawn at this multiple and shrunk: smooth lines without another library."""
FAINT = 0x60
"""Opacity of cuts as wide as their tool, of 255: what lies below stays seen."""
MANY_POINTS = 20_000
"""A stroke of more points is drawn by arrays instead of line by line."""


def render_png(scene: Scene) -> bytes:
    """Draw a scene as PNG, its longer side 1,400 px plus margins.

    Parameters
    ----------
    scene : Scene

    Returns
    -------
    bytes
        A PNG file.
    """
    x0, y0, x1, y1 = scene.box()
    scale = FINER * LONGEST_PX / max(x1 - x0, y1 - y0, 1e-9)
    margin = FINER * MARGIN_PX
    width, height = (int(np.ceil(v * scale)) + 2 * margin for v in (x1 - x0, y1 - y0))
    image = Image.new("RGB", (max(width, FINER * 400), height + margin), "#ffffff")
    draw = ImageDraw.Draw(image, "RGBA")
    shift = np.array([margin - x0 * scale, height - margin + y0 * scale])

    def place(points: Floats) -> Floats:
        """Turn points from mm, y up, into px, y down; shape (n, 2)."""
        placed: Floats = points * (scale, -scale) + shift
        return placed

    if scene.stock:
        a, b, c, d = scene.stock
        (left, bottom), (right, top) = place(np.array([[a, b], [c, d]]))
        draw.rectangle((left, top, right, bottom), fill="#f3e6c8", outline="#a08a5a", width=FINER)
    for stroke in scene.strokes:
        _draw(image, stroke, place(stroke.points), scale)
    if scene.start:
        x, y = place(np.array([scene.start]))[0]
        arm = 7 * FINER
        draw.line((x - arm, y, x + arm, y), fill="#000000", width=2 * FINER)
        draw.line((x, y - arm, x, y + arm), fill="#000000", width=2 * FINER)
    drawn = scene.drawn()
    legend = list(dict.fromkeys((s.colour, s.name) for s in scene.strokes))
    legend.append(("#000000", size_text(drawn) if drawn else "nothing to cut"))
    _legend(draw, legend, height, scene.title)
    return _png(image.reduce(FINER))


def _draw(image: Image.Image, stroke: Stroke, points: Floats, scale: float) -> None:
    """Draw a stroke whose points are in px."""
    offsets, width, alpha = stroke.offsets, FINER, 255
    if stroke.width_mm * scale > 2 * FINER:
        width, alpha = round(stroke.width_mm * scale), FAINT
    if stroke.dashed:
        points, offsets = _dashes(points, offsets, 8.0 * FINER)
    if len(points) > MANY_POINTS:
        covered = ink(points, offsets, (image.height, image.width), width)
        image.paste(stroke.colour, (0, 0), Image.fromarray(covered.view(np.uint8) * np.uint8(alpha), "L"))
        return
    draw = ImageDraw.Draw(image, "RGBA")
    colour = stroke.colour + (f"{alpha:02x}" if alpha < 255 else "")
    joint = "curve" if width > FINER and not stroke.dashed else None
    bounds = offsets.tolist()
    for first, last in pairwise(bounds):  # pillow takes one polyline a call
        draw.line(points[first:last].ravel().tolist(), fill=colour, width=width, joint=joint)


def _dashes(points: Floats, offsets: Ints, pitch_px: float) -> tuple[Floats, Ints]:
    """Cut polylines into dashes, each a polyline of two points; very short pieces stay one dash."""
    length = np.hypot(*np.diff(points, axis=0).T)
    count = np.clip(np.rint(length / pitch_px), 1, 400).astype(np.int64)
    count[offsets[1:-1] - 1] = 0  # from one polyline to the next no dash leads
    rows = np.repeat(np.arange(len(count)), count)
    step = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
    share = np.column_stack((step, step + 0.5)) / count[rows][:, None]
    begin, way = points[:-1][rows], np.diff(points, axis=0)[rows]
    dashes: Floats = begin[:, None] + way[:, None] * share[:, :, None]
    return dashes.reshape(-1, 2), 2 * np.arange(len(rows) + 1)


def _legend(draw: ImageDraw.ImageDraw, words: list[tuple[str, str]], height: int, title: str) -> None:
    font = ImageFont.load_default(15 * FINER)
    draw.text((FINER * MARGIN_PX, FINER * 12), title, fill="#000000", font=font)
    x = float(FINER * MARGIN_PX)
    for colour, name in words:
        shown = name.replace("×", "x")  # pillow's own font has no multiplication sign
        draw.text((x, height - FINER * 8), shown, fill=colour, font=font)
        x += draw.textlength(shown, font=font) + 16 * FINER


def render_relief(z_mm: Floats, pitch_mm: float, thickness_mm: float, title: str) -> bytes:
    """Draw what is left of a stock from above: wood where it stands, walls shaded, dark where cut through.

    Parameters
    ----------
    z_mm : (ny, nx) float64
        Height of the stock's top, 0 untouched, −thickness and below cut through; row 0 at the lowest y.
    pitch_mm : float
        Size of one cell, mm.
    thickness_mm : float
        Of the stock, mm.
    title : str

    Returns
    -------
    bytes
        A PNG file, at most about 1,400 px on its longer side.
    """
    depth = np.clip(-z_mm[::-1] / thickness_mm, 0.0, 1.0)
    through = z_mm[::-1] <= -thickness_mm + 1e-6
    top, bottom = np.array([232.0, 205.0, 158.0]), np.array([150.0, 110.0, 66.0])
    colour = top + (bottom - top) * np.sqrt(depth)[..., None]  # shallow engravings must show
    dy, dx = np.gradient(np.where(through, -thickness_mm, z_mm[::-1]), pitch_mm)
    light = np.clip(1.0 + 0.22 * np.tanh(dx * 0.6) - 0.22 * np.tanh(dy * 0.6), 0.5, 1.35)
    colour = np.clip(colour * light[..., None], 0, 255)
    colour[through] = (38.0, 40.0, 46.0)
    image = Image.fromarray(colour.astype(np.uint8), "RGB")
    longest = max(image.size)
    if longest != LONGEST_PX:
        size = tuple(max(1, round(v * LONGEST_PX / longest)) for v in image.size)
        smooth = Image.Resampling.LANCZOS if longest > LONGEST_PX else Image.Resampling.NEAREST
        image = image.resize((size[0], size[1]), smooth)
    framed = Image.new("RGB", (image.width + 2 * MARGIN_PX, image.height + 2 * MARGIN_PX), "#ffffff")
    framed.paste(image, (MARGIN_PX, MARGIN_PX))
    font = ImageFont.load_default(18)
    ImageDraw.Draw(framed).text((MARGIN_PX, 12), title, fill="#000000", font=font)
    return _png(framed)


def _png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=False)
    return stream.getvalue()
