"""Which tool of the library would fit where the one at hand is too wide."""

from __future__ import annotations

import math

from fabctl.shop.tool import Tool, load_tool, tool_names


def thinner(tool: Tool, room_mm: float, depth_mm: float) -> str:
    """Name the widest tool of the same kind that fits, or say that there is none.

    Parameters
    ----------
    tool : Tool
        What is too wide.
    room_mm : float
        What there is room for, mm.
    depth_mm : float
        How deep it has to cut, mm; 0 for a head without depth.

    Returns
    -------
    str
        A remedy, without its full stop.

    Examples
    --------
    >>> thinner(load_tool("endmill-6"), 4.0, 6.3)
    'take endmill-3.175 (3.175 mm wide; --tool, or tool = in a job file)'
    >>> thinner(load_tool("endmill-6"), 0.8, 6.3)
    'describe a tool no wider than 0.80 mm (docs/profiles.md): none of the library is'
    """
    alike = [other for name in tool_names() if (other := load_tool(name)).kind == tool.kind]
    wide = {other: other.width_mm(depth_mm) if depth_mm > 0 else other.diameter_mm for other in alike}
    fitting = [
        other
        for other in alike
        if wide[other] <= room_mm and (not other.cutting_length_mm or other.cutting_length_mm >= depth_mm)
    ]
    if not fitting:
        shown = max(0.0, math.floor(room_mm * 100 + 1e-6) / 100)
        return f"describe a tool no wider than {shown:.2f} mm (docs/profiles.md): none of the library is"
    best = max(fitting, key=wide.__getitem__)
    return f"take {best.name} ({round(wide[best], 3):g} mm wide; --tool, or tool = in a job file)"
