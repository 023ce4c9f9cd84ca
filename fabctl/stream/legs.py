r"""The planned moves of a program on disk, beside it: what a sender without numpy follows, a piece at a time.

A file of fixed records behind a head that names the program. Figures are single precision: 1e-7 of a metre
is far below a step.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path

from fabctl.errors import InputError, RefusedError
from fabctl.stream.leg import Leg

LEGS_MAGIC = b"fabctl legs 1\n\0\0"
LEG_FORMAT = "<IBBH7f"
"""Line, shape, whether it is a rapid, nothing, end x y z and centre x y in mm, feed in mm/min, power 0..1."""
STRAIGHT, CLOCKWISE, COUNTERCLOCKWISE = range(3)

_LEG = struct.Struct(LEG_FORMAT)
_HEAD_BYTES = len(LEGS_MAGIC) + 32
_PIECE = 1024


def legs_head(program_sha256: str) -> bytes:
    """Return what a file of legs begins with.

    Parameters
    ----------
    program_sha256 : str
        Digest of the program the legs are of, hexadecimal.
    """
    return LEGS_MAGIC + bytes.fromhex(program_sha256)


def read_legs(path: Path, program_sha256: str) -> Iterator[Leg]:
    """Yield the legs of a program from its file, read as they are asked for.

    Parameters
    ----------
    path : Path
        As written beside the program.
    program_sha256 : str
        Digest of the program they must be of, hexadecimal.

    Raises
    ------
    InputError
        When the file cannot be read, or ends within a leg.
    RefusedError
        When it is of another program.
    """
    try:
        with path.open("rb") as file:
            if file.read(_HEAD_BYTES) != legs_head(program_sha256):
                raise RefusedError(
                    "is not the planned path of this program",
                    file=path.name,
                    remedy="let fabctl plan or check the program again",
                )
            while piece := file.read(_PIECE * _LEG.size):
                yield from map(_leg, _LEG.iter_unpack(piece))
    except (OSError, struct.error) as error:
        raise InputError(
            f"the planned path cannot be read: {error}", file=path.name, remedy="check the program again"
        ) from error


def _leg(row: tuple[int, int, int, int, float, float, float, float, float, float, float]) -> Leg:
    line, shape, rapid, _, x, y, z, cx, cy, feed, power = row
    return Leg(
        line,
        (x, y, z),
        None if shape == STRAIGHT else (cx, cy),
        shape == CLOCKWISE,
        math.inf if rapid else feed,
        power,
    )
