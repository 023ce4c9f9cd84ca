"""Better tours: 2-opt and Or-opt over neighbour lists, under rules.

A tour is a sequence of paths, each with a head and a tail; its cost is the way from tails to next heads. Path
``count`` stands for the place where the tool is at first; it stays in front.

This is the one part of the room that walks in plain Python: each step depends on the tour the step before it
left behind, and the lists below make a step a few microseconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import dist

from fabctl.toolpath.moves import Floats, Ints

LONGEST_SHIFT = 3
"""Paths moved together by one Or-opt step."""
LEAST_GAIN_MM = 1e-7
NOWHERE = -1
"""Terminal after the last path: costs nothing to reach."""


@dataclass(frozen=True)
class Rules:
    """What a tour must keep.

    Parameters
    ----------
    after, before : sequence of sequence of int
        For each path, those that come later and those that come earlier.
    fixed : sequence of bool
        Paths whose direction must stay.
    """

    after: Sequence[Sequence[int]]
    before: Sequence[Sequence[int]]
    fixed: Sequence[bool]


class Tour:
    """A sequence of paths that gets shorter.

    Parameters
    ----------
    terminals : (2·count + 2, 2) float64
        Start and end of each path, mm; the last two are where the tool is at first.
    order : list of int
        Paths in sequence, ``count`` first.
    flip : list of bool
        Paths made from end to start.
    near : (2·count + 2, k) int64
        Neighbouring terminals of each terminal, nearest first, −1 for none.
    rules : Rules
    """

    def __init__(
        self, terminals: Floats, order: list[int], flip: list[bool], near: Ints, rules: Rules
    ) -> None:
        self.order = order
        self.flip = flip
        # pairs that `dist` takes as they are: millions of ways are measured
        self._spot: list[tuple[float, float]] = list(map(tuple, terminals.tolist()))
        self._near: list[list[int]] = near.tolist()
        self._rules = rules
        self._ruled = any(map(bool, rules.after)) or any(rules.fixed)
        self._reach = 0
        self._touched: list[int] = []
        self._at = [0] * len(order)
        for i, path in enumerate(order):
            self._at[path] = i

    def improve(self, reach: int) -> None:
        """Take every step that shortens the tour until none is left.

        Parameters
        ----------
        reach : int
            Longest stretch of the tour a step may turn round or jump over.
        """
        self._reach = reach
        queue = deque(self.order)
        waiting = [True] * len(self.order)
        while queue:
            path = queue.popleft()
            waiting[path] = False
            while self._leave(path) or self._enter(path):
                for other in self._touched:
                    if not waiting[other]:
                        waiting[other] = True
                        queue.append(other)

    def _head(self, i: int) -> int:
        """Return the terminal by which the tour enters position i."""
        if i >= len(self.order):
            return NOWHERE
        path = self.order[i]
        return 2 * path + self.flip[path]

    def _tail(self, i: int) -> int:
        """Return the terminal by which the tour leaves position i."""
        path = self.order[i]
        return 2 * path + 1 - self.flip[path]

    def _way(self, a: int, b: int) -> float:
        """Measure the way between two terminals, mm."""
        return 0.0 if a < 0 or b < 0 else dist(self._spot[a], self._spot[b])

    def _leave(self, path: int) -> bool:
        """Look for a nearer terminal to go to after a path."""
        i = self._at[path]
        tail, head = self._tail(i), self._head(i + 1)
        now = self._way(tail, head) - LEAST_GAIN_MM
        spot = self._spot
        here = spot[tail]
        for terminal in self._near[tail]:
            if terminal < 0 or dist(here, spot[terminal]) >= now:
                return False
            j = self._at[terminal >> 1]
            if j in (i, 0):
                continue
            if terminal == self._tail(j):
                low, high = (i + 1, j) if j > i else (j + 1, i)
                if self._turn(low, high) or self._shift_ending(j, i, back=True):
                    return True
            elif self._shift_starting(j, i, back=False):
                return True
        return False

    def _enter(self, path: int) -> bool:
        """Look for a nearer terminal to come from before a path."""
        i = self._at[path]
        if i == 0:
            return False
        tail, head = self._tail(i - 1), self._head(i)
        now = self._way(tail, head) - LEAST_GAIN_MM
        spot = self._spot
        here = spot[head]
        for terminal in self._near[head]:
            if terminal < 0 or dist(here, spot[terminal]) >= now:
                return False
            j = self._at[terminal >> 1]
            if j in (i, 0):
                continue
            if terminal == self._head(j):
                low, high = (i, j - 1) if j > i else (j, i - 1)
                if self._turn(low, high) or self._shift_starting(j, i - 1, back=True):
                    return True
            elif self._shift_ending(j, i - 1, back=False):
                return True
        return False

    def _turn(self, low: int, high: int) -> bool:
        """Make the stretch low…high backwards if that is shorter and allowed."""
        if high < low or high - low >= self._reach:
            return False
        order, flip, spot = self.order, self.flip, self._spot
        a, b, c = order[low - 1], order[low], order[high]
        tail, first, last = spot[2 * a + 1 - flip[a]], spot[2 * b + flip[b]], spot[2 * c + 1 - flip[c]]
        gain = dist(tail, first) - dist(tail, last)
        if high + 1 < len(order):
            path = order[high + 1]
            head = spot[2 * path + flip[path]]
            gain += dist(last, head) - dist(first, head)
        if gain <= LEAST_GAIN_MM or (self._ruled and not self._may_turn(low, high)):
            return False
        self._touched = self.order[low - 1 : low + 1] + self.order[high : high + 2]
        stretch = self.order[low : high + 1]
        stretch.reverse()
        self._lay(low, stretch)
        for path in stretch:
            self.flip[path] = not self.flip[path]
        return True

    def _shift_starting(self, s: int, k: int, *, back: bool) -> bool:
        """Move one to three paths from position s on to after position k."""
        return any(self._shift(s, e, k, back=back) for e in range(s, s + LONGEST_SHIFT))

    def _shift_ending(self, e: int, k: int, *, back: bool) -> bool:
        """Move one to three paths up to position e to after position k."""
        return any(self._shift(s, e, k, back=back) for s in range(e, e - LONGEST_SHIFT, -1))

    def _shift(self, s: int, e: int, k: int, *, back: bool) -> bool:
        """Move the paths s…e to between k and k + 1, perhaps backwards, if that is shorter and allowed."""
        order = self.order
        if s < 1 or e >= len(order) or s - 1 <= k <= e or abs(k - s) >= self._reach:
            return False
        if self._shift_gain(s, e, k, back=back) <= LEAST_GAIN_MM:
            return False
        if self._ruled and not self._may_shift(s, e, k, back=back):
            return False
        self._touched = [*order[s - 1 : e + 2], *order[k : k + 2]]
        moved = order[s : e + 1]
        if back:
            moved.reverse()
            for path in moved:
                self.flip[path] = not self.flip[path]
        if k > e:
            self._lay(s, order[e + 1 : k + 1] + moved)
        else:
            self._lay(k + 1, moved + order[k + 1 : s])
        return True

    def _shift_gain(self, s: int, e: int, k: int, *, back: bool) -> float:
        """Return by how much the tour gets shorter when the paths s…e go between k and k + 1, mm."""
        order, flip, spot = self.order, self.flip, self._spot
        a, b, c, d = order[s - 1], order[s], order[e], order[k]
        before, first = spot[2 * a + 1 - flip[a]], spot[2 * b + flip[b]]
        last, tail = spot[2 * c + 1 - flip[c]], spot[2 * d + 1 - flip[d]]
        gain = dist(before, first) - dist(tail, last if back else first)
        # after the last path there is nowhere to go
        if e + 1 < len(order):
            path = order[e + 1]
            after = spot[2 * path + flip[path]]
            gain += dist(last, after) - dist(before, after)
        if k + 1 < len(order):
            path = order[k + 1]
            head = spot[2 * path + flip[path]]
            gain += dist(tail, head) - dist(first if back else last, head)
        return gain

    def _lay(self, low: int, stretch: list[int]) -> None:
        """Put a stretch of paths at a position."""
        self.order[low : low + len(stretch)] = stretch
        for i, path in enumerate(stretch, low):
            self._at[path] = i

    def _may_turn(self, low: int, high: int) -> bool:
        """Say whether a stretch may be made backwards: no rule inside it, no path that must keep its way."""
        rules, at = self._rules, self._at
        return not any(
            rules.fixed[path] or any(at[later] <= high for later in rules.after[path])
            for path in self.order[low : high + 1]
        )

    def _may_shift(self, s: int, e: int, k: int, *, back: bool) -> bool:
        """Say whether the paths s…e may go to after position k."""
        rules, at = self._rules, self._at
        for path in self.order[s : e + 1]:
            later, earlier = rules.after[path], rules.before[path]
            if back and (rules.fixed[path] or any(at[other] <= e for other in later)):
                return False
            if k > e and any(e < at[other] <= k for other in later):
                return False
            if k < s and any(k < at[other] < s for other in earlier):
                return False
        return True
