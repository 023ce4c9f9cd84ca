r"""How a journal is written down: a line a record, each with its own length and checksum.

Each line is ``<length> <crc32> <json>\n``: decimal length of the JSON text in bytes, its CRC-32 in eight hex
digits, the text. A line that was cut, by a crash or a full disk, does not agree with its own figures; reading
ends before it and says so.

Behind the last record stand zeros, room that was reserved before the start, or a single empty line once the
journal was closed. Where neither stands, or where a sound line stands behind a damaged one, something that
was on disk before is missing, and the reader must be told.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import Any

from fabctl.errors import InputError
from fabctl.record.space import CLOSED

JOURNAL_NAME = "journal"
LONGEST_RECORD = 256 << 10
"""Bytes; what is longer is no record, and is not read into memory to find out."""


def encode_record(body: Mapping[str, object]) -> bytes:
    r"""Write one record as its line.

    Examples
    --------
    >>> encode_record({"n": 0})
    b'7 cd500a3f {"n":0}\n'
    """
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()
    return b"%d %08x %s\n" % (len(text), zlib.crc32(text), text)


def decode_record(line: bytes) -> dict[str, Any] | None:
    r"""Read one line; None when it is no record.

    Examples
    --------
    >>> decode_record(encode_record({"time": "", "kind": "end"}))
    {'time': '', 'kind': 'end'}
    >>> decode_record(b'7 cd500a3f {"n":1}\\n') is None
    True
    """
    if not line.endswith(b"\n"):
        return None
    length, _, rest = line[:-1].partition(b" ")
    crc, _, text = rest.partition(b" ")
    if not length.isdigit() or int(length) != len(text) or crc != b"%08x" % zlib.crc32(text):
        return None
    try:
        body = json.loads(text)
    except ValueError:
        return None
    return body if isinstance(body, dict) and "kind" in body and "time" in body else None


@dataclass
class Tail:
    """What stands behind the last good record.

    Parameters
    ----------
    torn_bytes : int
        Bytes there that are neither a record nor reserved room.
    whole : bool
        Whether nothing that once was on disk can be missing.
    """

    torn_bytes: int = 0
    whole: bool = False

    def take(self, chunk: bytes, stream: RawIOBase) -> None:
        """Look at the rest of a file: what was read of it, and what follows."""
        begins, ends = chunk[:1], b""
        size = 0
        lines = False
        while chunk:
            ends = chunk[-1:]
            kept = chunk.rstrip(b"\0")
            lines = lines or b"\n" in kept
            self.torn_bytes = size + len(kept) if kept else self.torn_bytes
            size += len(chunk)
            chunk = stream.read(LONGEST_RECORD) or b""
        if begins == CLOSED:
            # the mark of the end is no record, and none stands behind it
            self.torn_bytes, self.whole = self.torn_bytes - 1, self.torn_bytes == 1
        else:
            # a write that was broken off has no line end, and room that was never written behind it
            self.whole = ends == b"\0" and not lines


def records(path: Path, tail: Tail) -> Iterator[dict[str, Any]]:
    """Yield a journal's good records from its beginning; afterwards look at what stands behind them.

    Parameters
    ----------
    path : Path
        The file, or the folder of its run.
    tail : Tail
        Filled in at the end.

    Raises
    ------
    InputError
        When there is no journal.
    """
    path = path / JOURNAL_NAME if path.is_dir() else path
    count = start = 0
    try:
        # unbuffered: what is judged was read in one go, for a run may be writing meanwhile
        with path.open("rb", buffering=0) as stream:
            while True:
                stream.seek(start)
                chunk = stream.read(LONGEST_RECORD)
                at = 0
                while (end := chunk.find(b"\n", at) + 1) > 0:
                    body = decode_record(chunk[at:end])
                    if body is None or body.get("n") != count:
                        break
                    yield body
                    count, at = count + 1, end
                if not at:
                    tail.take(chunk, stream)
                    return
                start += at
    except OSError as error:
        raise InputError(
            f"the journal cannot be read: {error.strerror or error}",
            file=str(path),
            remedy="name a run's folder",
        ) from error
