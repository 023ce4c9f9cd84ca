"""Ask a controller what it is, without changing anything in it, and say which firmware profile fits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fabctl.conform.play import Player
from fabctl.errors import LinkError
from fabctl.shop.firmware import Firmware, firmware_names, load_firmware
from fabctl.stream.grammar import grammar_of
from fabctl.stream.replies import Banner, BuildOptions, Unknown, Version

BOOT_S = 2.5
"""A boot loader listens for a second or two after the port was opened, and the banner comes after it."""
ANSWER_S = 3.0
RESET_S = 2.0

BUSY = ("Run", "Jog", "Home", "Hold", "Door")
ASKED = ("$I", "$$", "$N", "$#", "$G")
"""What is asked of every controller; FluidNC answers some of it with an error, which says something too."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How well one firmware profile fits what a controller said.

    Parameters
    ----------
    name : str
        Of the profile.
    unknown : tuple of str
        Lines outside its grammar.
    differs : tuple of str
        Figures that are not the profile's.
    """

    name: str
    unknown: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether every line is understood."""
        return not self.unknown


@dataclass(frozen=True, slots=True)
class Stored:
    """What a controller keeps, each value as it was written.

    Parameters
    ----------
    settings : dict of int to str
        ``$$``.
    startup : dict of int to str
        ``$N``: lines that run at every start.
    offsets : dict of str to tuple of str
        ``$#``: G54 and the others.
    """

    settings: Mapping[int, str]
    startup: Mapping[int, str]
    offsets: Mapping[str, tuple[str, ...]]

    @property
    def values(self) -> dict[int, float]:
        """The settings that are numbers."""
        return {n: float(text) for n, text in self.settings.items() if re.fullmatch(r"-?\d+\.?\d*", text)}


@dataclass(frozen=True, slots=True)
class Identity:
    """What a controller said of itself.

    Parameters
    ----------
    banner, version : str
        Its first line after a reset, and what ``$I`` says.
    state : str
        As found, before anything was sent.
    stored : Stored
        What it keeps.
    fits : tuple of Fit
        Firmware profiles, the best first.
    """

    banner: str
    version: str
    state: str
    stored: Stored
    fits: tuple[Fit, ...]


def wake(player: Player) -> tuple[str, str]:
    """Wait until the controller has started, see that it stands, and reset it.

    Returns
    -------
    state : str
        As it was found.
    banner : str

    Raises
    ------
    LinkError
        When nothing answers, or the machine is at work: then nothing but ``?`` was sent.
    """
    name = player.port.name
    player.until(lambda: _banner(player.lines) != "", BOOT_S)
    report = player.report(ANSWER_S)
    state = report.strip("<>").split("|")[0]
    if state.startswith(BUSY):
        raise LinkError(
            f"the controller is at work: {state}",
            file=name,
            remedy="let it finish, or stop it where it was started; nothing was sent but `?`",
        )
    if not report and not player.lines:
        raise LinkError(
            "the controller does not answer",
            file=name,
            remedy="look at power, cable, the port's name and --baud",
        )
    return state or "silent", restart(player)


def restart(player: Player) -> str:
    """Reset and return the banner.

    Raises
    ------
    LinkError
        When none comes.
    """
    player.lines.clear()
    player.port.write(b"\x18")
    player.until(lambda: _banner(player.lines) != "", RESET_S)
    banner = _banner(player.lines)
    if not banner:
        raise LinkError(
            f"no banner after a reset, came {player.lines[:3] or 'nothing'}",
            file=player.port.name,
            remedy="look at --baud; this is no Grbl, or at another speed",
        )
    # what follows the banner (a lock, start-up lines) belongs to the start
    player.listen(0.3)
    return banner


def identify(player: Player) -> Identity:
    """Wake a controller and read all that it tells of itself.

    Raises
    ------
    LinkError
        See `wake`.
    """
    state, banner = wake(player)
    said: list[str] = [banner, player.report()]
    answers = {line: player.ask(line) for line in ASKED}
    if not any(answers.values()):
        raise LinkError(
            f"the controller says {said[1] or said[0]!r} and answers no line",
            file=player.port.name,
            remedy="reset it by its button; a line may wait for its end, or another program has the port",
        )
    said += [text for lines in answers.values() for text in lines if not text.startswith("error:")]
    fits = sorted((_fit(load_firmware(name), said) for name in firmware_names()), key=_badness)
    version = next((text[5:-1] for text in answers["$I"] if text.startswith("[VER:")), "")
    return Identity(banner, version, state, _stored(answers), tuple(fits))


def read_stored(player: Player) -> Stored:
    """Read what the controller keeps."""
    return _stored({line: player.ask(line) for line in ("$$", "$N", "$#")})


def _stored(answers: Mapping[str, Sequence[str]]) -> Stored:
    offsets = _pairs(r"\[(G\d+(?:\.\d)?):(.*)\]", answers["$#"])
    return Stored(
        {int(n): text for n, text in _pairs(r"\$(\d+)=(.*)", answers["$$"])},
        {int(n): text for n, text in _pairs(r"\$N(\d)=(.*)", answers["$N"])},
        {name: tuple(values.split(":")[0].split(",")) for name, values in offsets},
    )


def _fit(firmware: Firmware, said: Sequence[str]) -> Fit:
    grammar = grammar_of(firmware.speaks)
    replies = {text: grammar.parse(text.encode("latin-1")) for text in said if text}
    unknown = tuple(text for text, reply in replies.items() if isinstance(reply, Unknown))
    differs = []
    build = next((reply for reply in replies.values() if isinstance(reply, BuildOptions)), BuildOptions(""))
    figures = (
        ("planner blocks", build.blocks, firmware.planner_blocks - 1),
        ("bytes of the ring", build.ring_bytes, firmware.rx_buffer_bytes),
    )
    for what, found, wanted in figures:
        if found is not None and found != wanted:
            differs.append(f"{found} {what}, the profile says {wanted}")
    if not any(isinstance(reply, Banner) for reply in replies.values()):
        differs.append("another banner")
    if not any(isinstance(reply, Version) for reply in replies.values()):
        differs.append("no version in `$I`")
    return Fit(firmware.name, unknown, tuple(differs))


def _badness(fit: Fit) -> tuple[int, int, str]:
    return len(fit.unknown), len(fit.differs), fit.name


def _pairs(pattern: str, lines: Sequence[str]) -> list[tuple[str, str]]:
    found = (re.fullmatch(pattern, line) for line in lines)
    return [(match.group(1), match.group(2)) for match in found if match]


def _banner(lines: Sequence[str]) -> str:
    return next((line for line in reversed(lines) if re.match(r"(Grbl|GrblHAL) \d", line)), "")
