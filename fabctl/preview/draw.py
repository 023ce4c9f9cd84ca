"""One door to both pictures."""

from __future__ import annotations

from fabctl.preview.scene import Scene
from fabctl.preview.svg import render_svg


def draw(scene: Scene, *, svg: bool) -> bytes:
    """Draw a scene as the bytes of an SVG or a PNG file.

    Parameters
    ----------
    scene : Scene
    svg : bool
    """
    if svg:
        return render_svg(scene).encode()
    from fabctl.preview.png import render_png  # noqa: PLC0415 pillow only for pictures of pixels

    return render_png(scene)
