"""Scenes as SVG: true to scale, in mm, one path for each operation."""

from __future__ import annotations

from html import escape

import numpy as np

from fabctl.preview.scene import Scene, Stroke, size_text

MARGIN_MM = 12.0


def render_svg(scene: Scene) -> str:
    """Draw a scene as an SVG text whose width and height are the true ones in mm.

    Parameters
    ----------
    scene : Scene

    Returns
    -------
    str
    """
    x0, y0, x1, y1 = scene.box()
    width, height = x1 - x0 + 2 * MARGIN_MM, y1 - y0 + 2 * MARGIN_MM
    hair = max(width, height) / 900
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<svg xmlns="http://www.w3.org/2000/svg"',
        f'  width="{width:.3f}mm" height="{height:.3f}mm" viewBox="0 0 {width:.3f} {height:.3f}">',
        f"<title>{escape(scene.title)}</title>",
        f'<rect width="{width:.3f}" height="{height:.3f}" fill="#ffffff"/>',
        f'<g transform="matrix(1 0 0 -1 {MARGIN_MM - x0:.4f} {height - MARGIN_MM + y0:.4f})"',
        '  fill="none" stroke-linecap="round" stroke-linejoin="round">',
    ]
    if scene.stock:
        a, b, c, d = scene.stock
        lines.append(
            f'<rect class="stock" x="{a:.3f}" y="{b:.3f}" width="{c - a:.3f}" height="{d - b:.3f}" '
            f'fill="#f3e6c8" stroke="#a08a5a" stroke-width="{hair:.3f}"/>'
        )
    lines += [_path(stroke, hair) for stroke in scene.strokes]
    if scene.start:
        x, y = scene.start
        lines.append(
            f'<path class="start" d="M{x - 4 * hair:.3f} {y:.3f}h{8 * hair:.3f}M{x:.3f} {y - 4 * hair:.3f}'
            f'v{8 * hair:.3f}" stroke="#000000" stroke-width="{2 * hair:.3f}"/>'
        )
    lines += ["</g>", *_legend(scene, height, hair), "</svg>", ""]
    return "\n".join(lines)


def _path(stroke: Stroke, hair: float) -> str:
    """Write one stroke as a path element."""
    text = np.char.mod("%.3f", stroke.points)
    pairs = np.char.add(np.char.add(text[:, 0], " "), text[:, 1])
    letter = np.full(len(pairs), "L")
    letter[stroke.offsets[:-1]] = "M"
    dash = f' stroke-dasharray="{3 * hair:.3f} {3 * hair:.3f}"' if stroke.dashed else ""
    width = max(stroke.width_mm, hair)
    faint = ' stroke-opacity="0.45"' if stroke.width_mm > hair else ""
    return (
        f'<path class="{escape(stroke.name, quote=True)}" d="{"".join(np.char.add(letter, pairs))}" '
        f'stroke="{stroke.colour}" stroke-width="{width:.3f}"{dash}{faint}/>'
    )


def _legend(scene: Scene, height: float, hair: float) -> list[str]:
    """Name the colours and the extents below the drawing."""
    size, x = max(6 * hair, 2.5), MARGIN_MM
    drawn = scene.drawn()
    words = list(dict.fromkeys((s.colour, s.name) for s in scene.strokes))
    lines = [f'<g font-family="sans-serif" font-size="{size:.3f}">']
    for colour, name in [*words, ("#000000", size_text(drawn) if drawn else "nothing to cut")]:
        place = f'x="{x:.3f}" y="{height - MARGIN_MM / 3:.3f}"'
        lines.append(f'<text {place} fill="{colour}">{escape(name)}</text>')
        x += size * (0.62 * len(name) + 1.5)
    return [*lines, "</g>"]
