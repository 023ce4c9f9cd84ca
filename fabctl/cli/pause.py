"""A pause of a run at a terminal: ask for the section's number, measure tools, hear of answers elsewhere."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

from fabctl.cli.motion import SIM
from fabctl.cli.show import say
from fabctl.cli.typed import forget_typed, line_typed
from fabctl.cli.words import _

if TYPE_CHECKING:
    from fabctl.cli.motion import Hands, Screen
    from fabctl.shop.machine import Machine
    from fabctl.stream.run import Pause

MEASURES = ("old", "new")
MEASURABLE = "Or have both measured: type old while the last tool is still in, new once the next one is."
ON_SETTER = (
    "The machine then goes to its setter, touches it twice and comes back. Z zero follows the new tool."
)
ON_PLATE = (
    "Lay a plate below the tool, clip it to the probe and leave it there for both: the tool goes down to it "
    "by at most 30 mm, touches it twice and comes back. Z zero follows the new tool."
)
ELSEWHERE = {
    True: "section {number} was answered at another terminal: the run goes on",
    False: "section {number} was declined at another terminal: the run ends, position known",
}


class Asker:
    """Asks the person before each section; the virtual controller needs nobody.

    Parameters
    ----------
    port : str
    tools : tuple of str
        Tool of each section; empty where the program names none.
    screen : Screen
    machine : Machine
        Where tools are measured on it, if they are.
    hands : Hands
        Asks for that.
    """

    def __init__(
        self, port: str, tools: tuple[str, ...], screen: Screen, machine: Machine, hands: Hands
    ) -> None:
        self._port = port
        self._tools = tools
        self._screen = screen
        self._machine = machine
        self._hands = hands
        self._asked = 0
        self._elsewhere: dict[int, bool] = {}

    def __call__(self, pause: Pause) -> bool | None:
        """Ask; None when the answer was given elsewhere."""
        section = pause.section
        with self._screen.asking():
            say("\n" + _("section {number}: {tool}").format(number=section, tool=self.tool(section)))
            if self._port.startswith(SIM):
                say(_("the virtual machine has changed it"))
                return True
            self._asked = section
            answer = self._tool_is_in(section)
            self._asked = 0
            return answer

    def tool(self, section: int) -> str:
        """Return the tool of a section, as far as the program names it."""
        named = self._tools[section - 1] if section <= len(self._tools) else ""
        return named or _("the tool for this section")

    def answered(self, section: int, yes: bool) -> None:
        """Take note that somebody else has answered: the question here is over."""
        self._elsewhere[section] = yes
        self._hands.release()
        text = "\n" + _(ELSEWHERE[yes]).format(number=section)
        # its question stands there still, or the word was typed here a moment too late
        with nullcontext() if self._asked == section else self._screen.asking():
            say(text)

    def _tool_is_in(self, section: int) -> bool | None:
        """Ask for the section's number, a word nobody types by habit or in advance; measure meanwhile."""
        machine = self._machine
        say(_("The head is off. Change the tool; its tip must stand where the last one's did."))
        if not sys.stdin.isatty():
            say(_("Nobody is there to ask: the run ends here, position known."))
            return False
        measurable = machine.has_z and machine.head.kind == "spindle"
        if measurable:
            say(_(MEASURABLE))
            say(_(ON_SETTER) if machine.setter is not None else _(ON_PLATE))
        question = _("Type {number} to go on; anything else ends the run, position known")
        while True:
            forget_typed()
            typed = line_typed(question.format(number=section) + ": ", lambda: section in self._elsewhere)
            if typed is None or section in self._elsewhere:
                return None
            word = typed.strip().lower()
            if not measurable or word not in MEASURES:
                return word == str(section)
            self._hands.measure(word)
