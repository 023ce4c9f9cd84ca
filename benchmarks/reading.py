"""G-code to moves."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import ROOT, Peer, measure_row, race
from benchmarks.motions import relief, spoken
from fabctl.errors import FabctlError
from fabctl.program.model import Program
from fabctl.program.read import read

LINES = 1_000_000
NODE = {
    "gcode-toolpath": "const T = require('gcode-toolpath'); const made = []; const add = (m, a, b, c) => "
    "made.push([m.motion, a, b, c]); "
    "const go = s => new T({addLine: add, addArcCurve: add}).loadFromStringSync(s);",
    "gcode-parser": "const P = require('gcode-parser'); const go = s => P.parseStringSync(s);",
}
CLOCK = (
    "const all = process.argv.slice(1).map(f => require('fs').readFileSync(f, 'latin1'));"
    "const b = process.hrtime.bigint(); for (const s of all) go(s);"
    "console.log(Number(process.hrtime.bigint() - b) / 1e9);"
)


@dataclass(frozen=True)
class Work:
    text: bytes

    @property
    def facts(self) -> dict[str, Any]:
        return {"lines": self.text.count(b"\n"), "megabytes": len(self.text) / 1e6}


def prepare(scale: float) -> Work:
    return Work(spoken(relief(round(LINES * scale))))


def ours(work: Work) -> Program:
    return read(work.text)


def share_of(part: float) -> Callable[[Work], str]:
    """Return what cuts the first part out of a program, by whole lines."""

    def cut(work: Work) -> str:
        lines = work.text.splitlines(keepends=True)
        return b"".join(lines[: max(1, round(len(lines) * part))]).decode("latin-1")

    return cut


def by_pygcode(text: str) -> list[Any]:
    """Interpret as far as we do, to positions, with pygcode's own machine."""
    import pygcode

    machine, positions = pygcode.Machine(), []
    for line in text.splitlines():
        machine.process_block(pygcode.Line(line).block)
        positions.append(machine.pos)
    return positions


def words_by_pygcode(text: str) -> list[Any]:
    """Take lines apart into words only: no position, no state."""
    import pygcode

    return [pygcode.Line(line) for line in text.splitlines()]


def by_gcodeparser(text: str) -> list[Any]:
    import gcodeparser

    return list(gcodeparser.parse_gcode_lines(text))


def by_split_loop(work: Work) -> list[tuple[str, float]]:
    """Split each line at blanks and make a letter and a float of each word: no state, no motion."""
    words = []
    for line in work.text.decode("latin-1").splitlines():
        for word in line.split():
            words.append((word[0], float(word[1:])))  # noqa: PERF401 - the plain loop is the point
    return words


def node_has(package: str) -> Callable[[], bool]:
    def able() -> bool:
        command = ["node", "-e", f"require('{package}')"]
        return subprocess.run(command, capture_output=True, check=False, cwd=ROOT).returncode == 0

    return able


def in_node(package: str) -> Callable[[Work | list[bytes]], float]:
    """Return what runs a JavaScript reader on programs and gives its own seconds, start-up apart."""

    def call(work: Work | list[bytes]) -> float:
        texts = [work.text] if isinstance(work, Work) else work
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / f"{i}.nc" for i in range(len(texts))]
            for path, text in zip(paths, texts, strict=True):
                path.write_bytes(text)
            command = ["node", "--max-old-space-size=6000", "-e", NODE[package] + CLOCK, *map(str, paths)]
            done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        return float(done.stdout)

    return call


def node_peer(package: str) -> Peer:
    return Peer(in_node(package), programs=("node",), says_seconds=True, able=node_has(package))


PEERS = {
    "pygcode": Peer(by_pygcode, ("pygcode",), prepare=share_of(0.01), share=0.01),
    "pygcode_words": Peer(words_by_pygcode, ("pygcode",), prepare=share_of(0.01), share=0.01),
    "gcodeparser": Peer(by_gcodeparser, ("gcodeparser",), prepare=share_of(0.1), share=0.1),
    "gcode_toolpath": node_peer("gcode-toolpath"),
    "gcode_parser": node_peer("gcode-parser"),
    "split_loop": Peer(by_split_loop),
}


def exactness(work: Work) -> dict[str, int]:
    """Count coordinates that differ in any bit from float(), and words the loop finds and we do not."""
    letters, values = zip(*by_split_loop(work), strict=True)
    letter, value = np.array(letters), np.array(values)
    xyz = read(work.text).moves["xyz"]
    spoken_xyz = np.column_stack([value[letter == axis] for axis in "XYZ"])
    lost = abs(spoken_xyz.size - xyz.size)
    return {"words_lost": lost, "numbers_off": int(np.sum(spoken_xyz != xyz)) if not lost else -1}


def corpus() -> list[bytes]:
    """Return the real programs of the test corpus, if it is there."""
    folder = Path(os.environ.get("FABCTL_CORPUS", ROOT.parent / "shared" / "corpus")) / "gcode"
    texts = [path.read_bytes() for path in sorted(folder.iterdir())] if folder.is_dir() else []
    return [text for text in texts if _readable(text)]


def _readable(text: bytes) -> bool:
    try:
        return len(read(text).moves) > 0
    except FabctlError:
        return False


def read_all(texts: list[bytes]) -> None:
    for text in texts:
        read(text)


def on_corpus() -> dict[str, Any]:
    """Race on real files, read one after the other."""
    texts = corpus()
    if not texts:
        return {"corpus": "absent"}
    peers = {name: PEERS[name] for name in ("gcode_toolpath", "gcode_parser")}
    found = race(texts, read_all, peers, rounds=3)
    lines = sum(text.count(b"\n") for text in texts)
    facts = {"files": len(texts), "lines": lines, "lines_per_s": lines / found["ours_s"]}
    ratios = {key: value for key, value in found.items() if key.startswith("ratio_")}
    return {f"corpus_{key}": value for key, value in (facts | ratios).items()}


def run(scale: float = 1.0) -> dict[str, Any]:
    what = "{lines:,} lines of five words, {megabytes:.0f} MB, to moves, line map and findings"
    row = measure_row(__name__, scale, what, PEERS, rounds=3)
    row["lines_per_s"] = row["lines"] / row["ours_s"]
    return row | exactness(prepare(min(scale, 0.2))) | on_corpus()
