"""The lines sent next: all of them, in order, those that move together."""

from hypothesis import given
from hypothesis import strategies as st

from fabctl.stream.ahead import Ahead
from fabctl.stream.text import WireLine

kinds = st.lists(st.tuples(st.integers(1, 12), st.booleans()), max_size=40)


@given(kinds, st.integers(1, 6), st.data())
def test_law_every_line_goes_once_in_order_and_moves_go_as_far_as_they_fit(few, times, data):
    lines = [WireLine(n, b"X" * size, moves=moves) for n, (size, moves) in enumerate(few * times, 1)]
    ahead, gone = Ahead(iter(lines)), []
    while ahead.line is not None:
        room = data.draw(st.integers(0, 127))
        moves = ahead.moves(room)
        assert all(line.moves for line in moves)
        assert sum(len(line.text) + 1 for line in moves) <= room
        after = lines[len(gone) + len(moves) : len(gone) + len(moves) + 1]
        if after and after[0].moves:
            assert sum(len(line.text) + 1 for line in [*moves, *after]) > room
        if not moves:
            moves = [ahead.line]
        gone += moves
        ahead.step(len(moves))
    assert gone == lines
