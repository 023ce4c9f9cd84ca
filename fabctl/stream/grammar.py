"""How a line of a controller is read: its grammar, one line to one frozen value.

A line outside the grammar becomes `Unknown`: the link is at fault then, and nothing is guessed. The grammar
is Grbl 1.1's; what grblHAL and FluidNC say otherwise is data in their firmware's profile.

Source: gnea/grbl v1.1, grbl/report.c and doc/markdown/interface.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache, partial

from fabctl.shop.dialect import Speech
from fabctl.stream.replies import (
    OK,
    Alarm,
    Banner,
    BuildOptions,
    Error,
    Help,
    Message,
    Note,
    Offset,
    ParserState,
    Point,
    Probe,
    Reply,
    Setting,
    StartupLine,
    StartupRan,
    State,
    Status,
    TextSetting,
    ToolLength,
    Unknown,
    Version,
)

_NUMBER = r"-?\d{1,7}(?:\.\d{1,5})?"
_MODE = r"[GMTFS]-?\d{1,7}(?:\.\d{0,5})?"
_BUFFER = r"(\d{1,4}),(\d{1,5})"
_PERCENTS = r"(\d{1,3}),(\d{1,3}),(\d{1,3})"
_ZERO = r"-?0(?:\.0{1,5})?"
_FORMS = {
    "number": _NUMBER,
    "numbers": rf"{_NUMBER}(?:,{_NUMBER}){{0,8}}",
    "letters": "[A-Z]{0,16}",
    "text": "[^|<>]{0,80}",
}
_Make = Callable[..., Reply]
_Settle = Callable[..., None]
_Fields = dict[str, object]
_Field = tuple[re.Pattern[str], _Settle | None]
"""What a field must look like, and where it goes; None for one that is passed over."""
_NO_FIELD: _Field = (re.compile(r"(?!)"), None)


def _triple(x: str, y: str, z: str) -> Point:
    return float(x), float(y), float(z)


def _percents(feed: str, rapid: str, speed: str) -> tuple[int, int, int]:
    return int(feed), int(rapid), int(speed)


def _settle_feed(fields: _Fields, feed: str, speed: str | None = None, measured: str | None = None) -> None:
    fields["feed_mm_min"] = float(feed)
    if speed is not None:
        fields["speed"] = float(speed)
    if measured is not None:
        fields["measured_rpm"] = float(measured)


def _settle_buffer(fields: _Fields, blocks: str, ring: str) -> None:
    fields["blocks_free"], fields["bytes_free"] = int(blocks), int(ring)


def _settle_overrides(fields: _Fields, *percents: str) -> None:
    fields["overrides"] = _percents(*percents)
    # Grbl writes A: only beside Ov:, and only when something is on
    fields.setdefault("accessories", "")


def _settle_point(key: str, fields: _Fields, x: str, y: str, z: str) -> None:
    fields[key] = _triple(x, y, z)


def _settle_text(key: str, fields: _Fields, text: str) -> None:
    fields[key] = text


def _settle_line(fields: _Fields, number: str) -> None:
    fields["line"] = int(number)


def _banner(text: str) -> str:
    pattern = re.escape(text).replace(r"\{version\}", r"(\d+\.\d+[a-z]?)").replace(r"\{text\}", r"[^\[\]]*")
    # Its first word is the firmware's name.
    return re.sub(r"^([A-Za-z]+)", r"(\1)", pattern)


def _options(count: int) -> str:
    numbers = r",(\d{1,4}),(\d{1,5})" + r",\d{1,4}" * (count - 2) if count else ""
    return rf"\[OPT:([^,]*){numbers}\]"


def _build(letters: str, blocks: str | None = None, ring: str | None = None) -> BuildOptions:
    return BuildOptions(letters, int(blocks) if blocks else None, int(ring) if ring else None)


def _tool_length(length_mm: str) -> ToolLength:
    return ToolLength(float(length_mm))


def _probe(x: str, y: str, z: str, touched: str) -> Probe:
    return Probe(_triple(x, y, z), touched == "1")


class Grammar:
    """What one firmware says, ready to read it.

    Parameters
    ----------
    speech : Speech
        How it differs from Grbl 1.1; by default it does not.

    Examples
    --------
    >>> hal = Grammar(Speech(states=(("Run:2", "Run"),), measured_speed=True))
    >>> status = hal.parse(b"<Run:2|MPos:0.000,0.000,0.000|FS:60,9000,8990>")
    >>> status.state, status.measured_rpm
    (<State.RUN: 'Run'>, 8990.0)
    """

    def __init__(self, speech: Speech = Speech()) -> None:  # noqa: B008 - a frozen value
        self.speech = speech
        more = f"{{0,{speech.axes - 3}}}"
        self._point = rf"({_NUMBER}),({_NUMBER}),({_NUMBER})(?:,{_NUMBER}){more}"
        self._states = {state.value: state for state in State}
        self._states |= {said: State(means) for said, means in speech.states if "#" not in said}
        self._numbered = tuple(
            (re.compile(re.escape(said).replace(r"\#", r"\d{1,3}")), State(means))
            for said, means in speech.states
            if "#" in said
        )
        self._fields = self._known_fields()
        for field in speech.fields:
            form = re.escape(field.only) if field.only else _FORMS.get(field.form, self._point)
            self._fields[field.name] = (re.compile(form), None)
        self._usual = self._usual_form()
        self._forms = tuple((re.compile(pattern), make) for pattern, make in self._lines())

    def parse(self, raw: bytes) -> Reply:
        """Read one line without its line ending; see `parse_reply`."""
        if raw == b"ok":
            return OK
        if not raw.isascii() or not raw:
            return Unknown(raw)
        text = raw.decode("ascii")
        if text[0] == "<":
            return self._status(text) or Unknown(raw)
        for pattern, make in self._forms:
            match = pattern.fullmatch(text)
            if match:
                return make(*match.groups())
        return Unknown(raw)

    def _status(self, text: str) -> Status | None:
        match = self._usual.fullmatch(text)
        state = self._states.get(match[1]) if match else None
        if match is None or state is None:
            return self._any_status(text)
        _, x, y, z, blocks, ring, feed, speed, zero_x, zero_y, zero_z, *overrides = match.groups()
        return Status(
            state,
            (float(x), float(y), float(z)),
            None,
            None if zero_x is None else (float(zero_x), float(zero_y), float(zero_z)),
            None if blocks is None else int(blocks),
            None if ring is None else int(ring),
            None,
            float(feed),
            float(speed),
            *(() if overrides[0] is None else (_percents(*overrides), "", "")),
        )

    def _usual_form(self) -> re.Pattern[str]:
        """Return what nearly every report is, ten a second: it is read at one stroke."""
        speech, point = self.speech, self._point
        own = {"MPos", "Bf", "FS", "WCO", "Ov"} & {field.name for field in speech.fields}
        if own or speech.measured_speed:
            return _NO_FIELD[0]
        return re.compile(
            rf"<([^|>]*)\|MPos:{point}(?:\|Bf:{_BUFFER})?\|FS:({_NUMBER}),({_NUMBER})"
            rf"(?:\|WCO:{point})?(?:\|Ov:{_PERCENTS})?>"
        )

    def _any_status(self, text: str) -> Status | None:
        if text[-1] != ">":
            return None
        head, *parts = text[1:-1].split("|")
        fields: _Fields = {}
        seen: set[str] = set()
        for part in parts:
            name, _, value = part.partition(":")
            pattern, settle = self._fields.get(name, _NO_FIELD)
            match = pattern.fullmatch(value)
            if match is None or name in seen:
                return None
            seen.add(name)
            if settle is not None:
                settle(fields, *match.groups())
        state = self._states.get(head) or self._numbered_state(head)
        if state is None or ("MPos" in seen) == ("WPos" in seen):
            return None
        return Status(state, **fields)  # type: ignore[arg-type]  # the table gives each field its type

    def _numbered_state(self, head: str) -> State | None:
        return next((state for pattern, state in self._numbered if pattern.fullmatch(head)), None)

    def _known_fields(self) -> dict[str, _Field]:
        speech = self.speech
        measured = rf"(?:,({_NUMBER}))?" if speech.measured_speed else ""
        least = 0 if speech.accessories_off else 1
        table: dict[str, tuple[str, _Settle]] = {
            "MPos": (self._point, partial(_settle_point, "mpos_mm")),
            "WPos": (self._point, partial(_settle_point, "wpos_mm")),
            "WCO": (self._point, partial(_settle_point, "wco_mm")),
            "FS": (rf"({_NUMBER}),({_NUMBER}){measured}", _settle_feed),
            "F": (rf"({_NUMBER})", _settle_feed),
            "Bf": (_BUFFER, _settle_buffer),
            "Ov": (_PERCENTS, _settle_overrides),
            "Ln": (r"(\d{1,9})", _settle_line),
            "Pn": (
                rf"([{re.escape(speech.pins)}]{{1,{max(8, len(speech.pins))}}})",
                partial(_settle_text, "pins"),
            ),
            "A": (rf"([{re.escape(speech.accessories)}]{{{least},4}})", partial(_settle_text, "accessories")),
        }
        return {name: (re.compile(pattern), settle) for name, (pattern, settle) in table.items()}

    def _lines(self) -> list[tuple[str, _Make]]:
        """List what is no status report, the most frequent first."""
        speech, point = self.speech, self._point
        startup = re.escape(speech.startup_line).replace(r"\{index\}", r"(\d)").replace(r"\{text\}", "(.*)")
        systems = "G5[4-9]|G28|G30|G92" + (r"|G59\.[1-3]" if speech.systems > 6 else "")
        turned = rf"(?::{_ZERO})?" if speech.rotation else ""
        forms: list[tuple[str, _Make]] = [
            (r"error:(\d{1,3})", lambda code: Error(int(code))),
            (r"ALARM:(\d{1,3})", lambda code: Alarm(int(code))),
            (rf"\$(\d{{1,4}})=({_NUMBER})", lambda number, value: Setting(int(number), float(value))),
            (startup, lambda index, line: StartupLine(int(index), line)),
            (r">(.*):(ok|error:\d{1,3})", StartupRan),
            *((_banner(banner), Banner) for banner in speech.banner),
            (r"\[(?:MSG|echo): ?(.*)\]", Message),
            (rf"\[GC:({_MODE}(?: {_MODE})*)\]", lambda words: ParserState(tuple(words.split()))),
            (rf"\[({systems}):{point}{turned}\]", lambda name, *xyz: Offset(name, _triple(*xyz))),
            (rf"\[TLO:({_NUMBER})\]", _tool_length),
            (rf"\[PRB:{point}:([01])\]", _probe),
            (r"\[VER:([^:]*):(.*)\]", Version),
            (r"\[HLP:(.*)\]", Help),
        ]
        if speech.length_axes:
            # a length along X or Y would shift the work: not understood
            forms.append((rf"\[TLO:{_ZERO},{_ZERO},({_NUMBER})(?:,{_ZERO})*\]", _tool_length))
        forms += [(_options(count), _build) for count in speech.build_numbers]
        forms += [(rf"\[({re.escape(name)}):(.*)\]", Note) for name in speech.notes]
        if speech.text_settings:
            forms.append((r"\$(\d{1,4})=(.*)", lambda number, text: TextSetting(int(number), text)))
        return forms


@lru_cache(maxsize=16)
def grammar_of(speech: Speech) -> Grammar:
    """Return the grammar of a firmware, made once: ``grammar_of(machine.firmware.speaks)``."""
    return Grammar(speech)


GRBL = grammar_of(Speech())
"""The grammar of Grbl 1.1."""


def parse_reply(raw: bytes, grammar: Grammar = GRBL) -> Reply:
    r"""Read one line without its line ending.

    Parameters
    ----------
    raw : bytes
        What came between two newlines, carriage return removed.
    grammar : Grammar
        Of the controller's firmware; Grbl 1.1's by default.

    Returns
    -------
    Reply
        `Unknown` for everything outside the grammar.

    Examples
    --------
    >>> parse_reply(b"error:20")
    Error(code=20)
    >>> parse_reply(b"<Hold:1|MPos:1.000,2.500,-3.000|FS:120,8000>").mpos_mm
    (1.0, 2.5, -3.0)
    >>> parse_reply(b"okk")
    Unknown(raw=b'okk')
    """
    return grammar.parse(raw)
