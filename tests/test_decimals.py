"""Text to numbers: bit for bit what float() gives, or said to be too hard."""

import re

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from fabctl.decimals import MOST_DIGITS, cells_before, numbers

decimal_text = st.from_regex(r"[-+]?([0-9]{1,12}\.?[0-9]{0,8}|\.[0-9]{1,12})", fullmatch=True)
any_text = st.text("0123456789.+-", max_size=20)
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
@example(["123456789012345", "12345678901234.", "-1.2345678901234", "00000000.0000001"], "7")
def test_a_number_is_floats_own_or_said_to_be_hard(texts, between):
    """values = float(text) in every bit wherever it is not hard; hard are just those the docstring names."""
    values, hard = convert(texts, between)
    assert hard.tolist() == [not is_easy(text) for text in texts]
    easy = [float(text) for text in texts if is_easy(text)]
    assert values[~hard].tobytes() == np.array(easy, np.float64).tobytes()


@given(st.binary(max_size=40))
def test_cells_are_the_characters_before_each_place(text):
    end = np.arange(len(text) + 1)
    expected = [int.from_bytes((bytes(8) + text)[i : i + 8], "little") for i in end]
    assert cells_before(text, end).tolist() == expected


def test_no_numbers_are_no_error():
    values, hard = numbers(b"", np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert len(values) == len(hard) == 0
