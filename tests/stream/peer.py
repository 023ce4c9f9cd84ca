"""A peer of few words: it says what Grbl, grblHAL or FluidNC say, byte for byte."""

from dataclasses import dataclass, field, replace

from fabctl.shop.firmware import load_firmware
from fabctl.shop.machine import load_machine

ROUTER = load_machine("router-3018")


def described(name):
    """The small router with another controller in it."""
    return replace(ROUTER, firmware=load_firmware(name))


def dump(machine, **changed):
    """``$$`` of a controller that is as the machine wants it, with some settings changed or gone."""
    wanted = machine.firmware.settings.wanted(machine.settings())
    values = wanted | {int(n[1:]): v for n, v in changed.items()}
    return [f"${n}={v:g}" for n, v in sorted(values.items()) if v is not None]


@dataclass
class Peer:
    """A controller of few words: it answers lines from a table, each after a millisecond.

    `status` is one report, or reports one after the other, of which the last one stays.
    """

    answers: dict[str, list[str]]
    banner: str
    status: str | list[str]
    name: str = "peer"
    time_s: float = 0.0
    out: bytes = b""
    line: bytes = field(default=b"")
    heard: bytes = b""

    def report(self):
        if isinstance(self.status, str):
            return self.status
        return self.status.pop(0) if len(self.status) > 1 else self.status[0]

    def write(self, data):
        self.heard += data
        for byte in data:
            if byte == 0x18:
                self.out += f"\r\n{self.banner}\r\n".encode()
            elif byte == ord("?"):
                self.out += f"{self.report()}\r\n".encode()
            elif byte == ord("\n"):
                said = self.answers.get(self.line.decode(), ["error:3"])
                self.out += "".join(f"{text}\r\n" for text in said).encode()
                self.line = b""
            else:
                self.line += bytes([byte])

    def read(self, timeout_s):
        out, self.out = self.out, b""
        self.time_s += 0.001 if out else max(timeout_s, 50e-6)
        return out

    def clock_s(self):
        return self.time_s

    def close(self):
        """Nothing to close."""


def hal(machine, offsets=("[G54:0.000,0.000,0.000:0.00]",), **changed):
    build = ["[VER:1.1f.20260817:]", "[OPT:VNMSL,100,1024,3,0]", "[AXS:3:XYZ]", "[FIRMWARE:grblHAL]", "ok"]
    answers = {
        "$I": build,
        "$$": [*dump(machine, **changed), "$300=grblHAL", "$395=N/A", "ok"],
        "$N": ["$N0=", "$N1=", "ok"],
        "$#": [*offsets, "[G92:0.000,0.000,0.000]", "[HOME:0.000,0.000,0.000:0]", "[TLO:0.000]", "ok"],
    }
    status = "<Idle|MPos:0.000,0.000,0.000|Bf:100,1023|FS:0,0|Ov:100,100,100|A:>"
    return Peer(answers, "GrblHAL 1.1f ['$' or '$HELP' for help]", status)


def grbl(machine, ring=128, **changed):
    answers = {
        "$I": ["[VER:1.1h.20190830:]", f"[OPT:V,15,{ring}]", "ok"],
        "$$": [*dump(machine, **changed), "ok"],
        "$N": ["$N0=", "$N1=", "ok"],
        "$#": ["[G54:0.000,0.000,0.000]", "[G92:0.000,0.000,0.000]", "[TLO:0.000]", "ok"],
    }
    status = "<Idle|MPos:0.000,0.000,0.000|Bf:15,128|FS:0,0|WCO:0.000,0.000,0.000|Ov:100,100,100>"
    return Peer(answers, "Grbl 1.1h ['$' for help]", status)


def fluid(machine, startup="", **changed):
    answers = {
        "$I": ["[VER:4.0 FluidNC v4.0.1 (esp32-noradio) :]", "[OPT:MPHS]", "[MSG:Machine: router]", "ok"],
        "$$": [*dump(machine, **changed), "ok"],
        "$/macros/startup_line0": [f"$/macros/startup_line0={startup}", "ok"],
        "$/macros/startup_line1": ["$/macros/startup_line1=", "ok"],
        "$#": ["[G54:0.000,0.000,0.000]", "[G92:0.000,0.000,0.000]", "[TLO:0.000,0.000,0.000]", "ok"],
    }
    status = "<Idle|MPos:0.000,0.000,0.000|FS:0,0>"
    return Peer(answers, "Grbl 4.0 [FluidNC v4.0.1 (esp32-noradio) '$' for help]", status)
