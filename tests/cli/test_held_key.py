"""What arrivals of a key mean, and what a terminal's bytes are."""

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabctl.cli.held_key import HELD_GAPS, QUIET_S, RELEASE_S, REPEAT_S, HeldKey
from fabctl.cli.keyboard import TAIL_S, Decoder, Key

MOVES = [Key.LEFT, Key.RIGHT, Key.UP, Key.DOWN, Key.PAGE_UP, Key.PAGE_DOWN]


def held_down(finger, key, from_s, for_s, *, delay_s=0.5, repeat_s=0.033):
    """Press a key, hold it and let it go, as a terminal tells it; return when its last repeat came."""
    finger.arrived(key, from_s)
    last_s, now_s = from_s, from_s + delay_s
    while now_s <= from_s + for_s:
        finger.arrived(key, now_s)
        last_s, now_s = now_s, now_s + repeat_s
    return last_s


def test_one_press_is_one_step_and_no_held_key():
    finger = HeldKey()
    finger.arrived(Key.UP, 1.0)
    assert finger.held(1.0) is None
    assert finger.tapped(1.01) is Key.UP
    assert finger.tapped(1.02) is None


@pytest.mark.parametrize("repeat_s", [0.030, 0.040, 0.090, 0.110])
@pytest.mark.parametrize("delay_s", [0.25, 0.5, 0.66])
def test_a_key_held_on_any_usual_terminal_is_held_until_its_repeats_end(delay_s, repeat_s):
    finger = HeldKey()
    last_s = held_down(finger, Key.LEFT, 0.0, 2.0, delay_s=delay_s, repeat_s=repeat_s)
    limit_s = min(RELEASE_S[1], max(RELEASE_S[0], 3 * repeat_s))
    assert finger.held(last_s + limit_s - 0.001) is Key.LEFT
    assert finger.held(last_s + limit_s + 0.001) is None


def test_another_key_ends_the_first_and_begins_as_a_tap():
    finger = HeldKey()
    last_s = held_down(finger, Key.LEFT, 0.0, 1.0)
    finger.arrived(Key.UP, last_s + 0.01)
    assert finger.held(last_s + 0.02) is None
    assert finger.tapped(last_s + 0.02) is Key.UP


def test_a_key_that_is_still_down_after_a_stop_starts_nothing_until_it_was_let_go():
    finger = HeldKey()
    last_s = held_down(finger, Key.LEFT, 0.0, 1.0)
    finger.stop(last_s)
    for at in range(1, 200):
        finger.arrived(Key.LEFT, last_s + 0.033 * at)
        assert finger.held(last_s + 0.033 * at) is None
        assert finger.tapped(last_s + 0.033 * at) is None
    again_s = last_s + 0.033 * 199 + QUIET_S + 0.01
    finger.arrived(Key.LEFT, again_s)
    assert finger.tapped(again_s) is Key.LEFT


def test_a_tap_that_could_not_be_obeyed_is_forgotten():
    finger = HeldKey()
    finger.arrived(Key.UP, 0.0)
    assert finger.tapped(1.0) is None


@given(st.lists(st.tuples(st.sampled_from(MOVES), st.floats(0.001, 1.0)), max_size=60))
def test_no_key_is_held_that_did_not_come_three_times_running_and_lately(arrivals):
    """Law: whatever comes, what is held came HELD_GAPS + 1 times in a row with short gaps."""
    finger, now_s, heard = HeldKey(), 0.0, []
    for key, gap_s in arrivals:
        now_s += gap_s
        finger.arrived(key, now_s)
        heard.append((key, gap_s))
        held = finger.held(now_s)
        if held is not None:
            lately = heard[-HELD_GAPS:]
            assert all(each is held and gap <= REPEAT_S for each, gap in lately)
            assert heard[-HELD_GAPS - 1][0] is held
        assert finger.held(now_s + RELEASE_S[1] + 0.01) is None


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("\x1b[A\x1b[B\x1b[C\x1b[D", [Key.UP, Key.DOWN, Key.RIGHT, Key.LEFT]),
        ("\x1bOA\x1bOD", [Key.UP, Key.LEFT]),
        ("\x1b[5~\x1b[6~", [Key.PAGE_UP, Key.PAGE_DOWN]),
        ("\x1b[1;2A\x1b[5;5~", [Key.UP, Key.PAGE_UP]),
        ("\x1b[3~\x1b[Hx\x7f", []),
        ("\x1b", [Key.STOP]),
        (" ", [Key.STOP]),
        ("\x1bq", [Key.STOP, Key.QUIT]),
        ("\x1b\x1b", [Key.STOP, Key.STOP]),
        ("\x1b\x1b[A", [Key.STOP, Key.UP]),
        ("+-fsq\x03", [Key.MORE, Key.LESS, Key.FASTER, Key.SLOWER, Key.QUIT, Key.QUIT]),
    ],
)
def test_each_sequence_is_the_key_it_stands_for(text, keys):
    assert Decoder().feed(text, 0.0) == keys


@pytest.mark.parametrize("at", range(1, 4))
def test_a_sequence_torn_on_the_way_never_is_another_key(at):
    decoder, text = Decoder(), "\x1b[5~"
    found = decoder.feed(text[:at], 0.0) + decoder.feed(text[at:], TAIL_S / 2)
    # an ESC alone may be the stop key: it stops at once, and the rest of it means nothing
    assert found == ([Key.STOP] if at == 1 else [Key.PAGE_UP])


def test_a_rest_that_comes_late_is_no_rest():
    decoder = Decoder()
    assert decoder.feed("\x1b", 0.0) == [Key.STOP]
    assert decoder.feed("\x1b[A", 1.0) == [Key.UP]
    assert decoder.feed("\x1b", 2.0) == [Key.STOP]
    assert decoder.feed("-", 2.0 + 2 * TAIL_S) == [Key.LESS]


@given(st.text(max_size=40), st.lists(st.integers(1, 7), max_size=20))
def test_whatever_a_terminal_sends_the_decoder_goes_on(text, cuts):
    decoder, now_s = Decoder(), 0.0
    for cut in cuts:
        assert all(isinstance(key, Key) for key in decoder.feed(text[:cut], now_s))
        text, now_s = text[cut:], now_s + 0.01
    assert decoder.feed("\x1b[A", now_s + 1) == [Key.UP]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "standard input is none"),
        (("x5",), "--keys beside x5"),
        (("--json",), "--keys beside --json"),
    ],
)
def test_keys_without_anybody_to_press_them_are_refused_before_a_port_is_opened(
    fabctl, monkeypatch, words, said
):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    found = fabctl("machine", "jog", "router-3018", "--keys", *words, "--port", "/dev/none")
    assert found.code == 3
    assert said in found.err
