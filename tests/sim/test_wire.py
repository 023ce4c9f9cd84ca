"""The receive path: what is stripped, what is dropped, what is heard while the EEPROM is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabctl.sim.cpu import Cpu
from fabctl.sim.wire import BYTE_S, RING_BYTES, LineReader, Receiver, Transmitter

CHARACTERS = st.text(alphabet="gGxX019.-+ \t/();$%\x7fz", max_size=120)


def plain_reading(text):
    """The line reader's rule, character by character."""
    kept, overflow, parenthesis, semicolon = "", False, False, False
    for c in text:
        if overflow or parenthesis or semicolon:
            parenthesis = parenthesis and c != ")"
        elif c <= " " or c == "/":
            continue
        elif c == "(":
            parenthesis = True
        elif c == ";":
            semicolon = True
        elif len(kept) >= 79:
            overflow = True
        else:
            kept += c.upper()
    return None if overflow else kept


@given(CHARACTERS, st.integers(0, 120))
def test_lines_are_read_as_character_by_character(text, cut):
    """The fast way and the plain rule agree, wherever the bytes are cut."""
    reader = LineReader()
    reader.feed(text[:cut].encode())
    reader.feed(text[cut:].encode())
    assert reader.finish() == plain_reading(text)
    reader.feed(b"g1")
    assert reader.finish() == "G1", "nothing is left over for the next line"


def receiver_at(now_s=0.0):
    cpu = Cpu(now_s=now_s)
    heard = []
    return cpu, heard, Receiver(cpu, heard.append)


def test_the_ring_takes_128_bytes_and_drops_the_rest():
    cpu, _, receiver = receiver_at()
    receiver.send(b"x" * 200, 0.0)
    cpu.now_s = 1.0
    receiver.deliver()
    assert len(receiver.ring) == RING_BYTES
    assert receiver.dropped == 72
    assert receiver.free() == 0


def test_real_time_bytes_pass_a_full_ring():
    cpu, heard, receiver = receiver_at()
    receiver.send(b"x" * 150 + b"?!\x18\x91\xff", 0.0)
    cpu.now_s = 1.0
    receiver.deliver()
    assert heard == [0x3F, 0x21, 0x18, 0x91, 0xFF]


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.integers(1, 400))
def test_bytes_arrive_in_order_and_no_sooner_than_the_wire_lets_them(chunks, count):
    cpu, heard, receiver = receiver_at()
    for chunk in chunks:
        receiver.send(chunk, 0.0)
    cpu.now_s = count * BYTE_S
    receiver.deliver()
    data = b"".join(chunks)[:count]
    special = [b for b in data if b >= 0x80 or b in b"\x18?!~"]
    assert heard == special
    assert len(receiver.ring) == min(RING_BYTES, len(data) - len(special))


def test_deaf_while_writing_but_for_two_bytes_a_write():
    cpu, _, receiver = receiver_at()
    cpu.go_deaf(2 * 3.4e-3)
    receiver.send(b"x" * 100, 0.0)
    cpu.now_s = 1.0
    receiver.deliver()
    lost = int(2 * 3.4e-3 / BYTE_S) - 4
    assert receiver.dropped == pytest.approx(lost, abs=3)


def test_carriage_return_and_line_feed_are_two_line_ends(connect):
    """A host that ends lines with both gets two oks for each."""
    host = connect()
    host.port.write(b"G21\r\n")
    host.wait(0.1)
    assert host.answers == ["ok", "ok"]


def test_a_long_answer_keeps_the_main_program_waiting():
    cpu = Cpu()
    out = Transmitter(cpu)
    out.write("x" * 104)
    assert cpu.free()
    out.write("y" * 50)
    assert cpu.busy_until_s == pytest.approx(50 * BYTE_S)
    assert out.take() == b""
    cpu.now_s = 154 * BYTE_S + 1e-9
    assert len(out.take()) == 154
