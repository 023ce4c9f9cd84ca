"""Text to numbers: bit for bit what float() gives, or said to be too hard."""

import re

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from fabctl.decimals import MOST_DIGITS, cells_before, numbers

decimal_text = st.from_regex(r"[-+]?([0-9]{1,12}\.?[0-9]{0,8}|\.[0-9]{1,12})", fullmatch=True)
any_text = st.text("0123456789.+-,:/eE;A~", max_size=20)
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)")


def convert(texts, between="X"):
    """Numbers of texts that stand in one text, something between them."""
    length = np.array([len(text) for text in texts])
    begin = np.cumsum(length + len(between)) - length
    return numbers("".join(between + text for text in texts).encode(), begin, length)


def is_easy(text):
    digits = sum(letter.isdigit() for letter in text)
    return NUMBER.fullmatch(text) is not None and len(text) <= 16 and digits <= MOST_DIGITS


@given(
    st.lists(st.one_of(decimal_text, any_text), min_size=1, max_size=40), st.sampled_from(["X", "", "+9."])
)
@example(["-0", "-.0", "+.5", "12345678", "-12345678", ".12345678", "-.12345678", "1234567890.12345"], "X")
@example(
    ["", ".", "-", "+.", "1.2.3", "1-2", "--1", "1234567.12345.7", "-1234567-8", "1234567890123456"], "X"
)
@example(["2,5", "1/5", "3~4", "1e5", "7:", "A", "12345678,9", "1,23456789"], "X")
@example(["123456789012345", "12345678901234.", "-1.2345678901234", "00000000.0000001"], "7")
def test_a_number_is_floats_own_or_said_to_be_hard(texts, between):
    """values = float(text) in every bit wherever it is not hard; hard are just those the docstring names."""
    values, hard = convert(texts, between)
    assert hard.tolist() == [not is_easy(text) for text in texts]
    easy = [float(text) for text in texts if is_easy(text)]
    assert values[~hard].tobytes() == np.array(easy, np.float64).tobytes()


@given(st.lists(st.tuples(decimal_text, st.integers(-30, 30)), min_size=1, max_size=30))
@example([("-1.234567", -2), ("123456789012345", 22), ("9007199254740993.", 0), ("-0", 5), (".5", -22)])
def test_a_power_of_ten_behind_a_number_is_rounded_once_with_it(pairs):
    """values = float(text + "e" + power) in every bit wherever the power is exact."""
    texts, powers = zip(*pairs, strict=True)
    length = np.array([len(text) for text in texts])
    begin = np.cumsum(length + 1) - length
    values, hard = numbers("".join("e" + text for text in texts).encode(), begin, length, np.array(powers))
    for value, is_hard, text, power in zip(values, hard, texts, powers, strict=True):
        if not is_hard:
            assert value.tobytes() == np.float64(f"{text}e{power}").tobytes()
        else:
            places = len(text.partition(".")[2])
            assert not is_easy(text) or abs(places + 1 - power) > 22 or abs(places - power) > 22


@given(st.binary(max_size=40))
def test_cells_are_the_characters_before_each_place(text):
    end = np.arange(len(text) + 1)
    expected = [int.from_bytes((bytes(8) + text)[i : i + 8], "little") for i in end]
    assert cells_before(text, end).tolist() == expected


def test_no_numbers_are_no_error():
    values, hard = numbers(b"", np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert len(values) == len(hard) == 0
