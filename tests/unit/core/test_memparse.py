"""Numbers as the kernel reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.memparse import U64, memparse, strtoull
from hotkit.core.units import kernel_size

G = 1 << 30


@pytest.mark.parametrize(
    ("text", "value", "rest"),
    [
        ("127796M$5324M", 127796 << 20, "$5324M"),
        ("1g", G, ""),
        ("0x10G", 16 * G, ""),
        ("0x1E", 30, ""),  # a hex digit, no exabyte
        ("2E", 2 << 60, ""),
        ("16E", 0, ""),  # wraps at 64 bits
        ("0x20000000$0x40000000", 0x20000000, "$0x40000000"),
        ("0400000000", 0o400000000, ""),
        ("089", 0, "89"),  # octal ends at the first 8
        ("0x", 0, "x"),
        ("0xg", 0, "xg"),
        ("1GM", G, "M"),
        ("1Kb", 1024, "b"),
        ("", 0, ""),
        ("$1G", 0, "$1G"),
        (" 1G", 0, " 1G"),
        ("-1G", 0, "-1G"),
        ("18446744073709551617", 1, ""),
    ],
)
def test_memparse(text, value, rest):
    assert memparse(text) == (value, rest)


@given(st.integers(0, U64 - 1))
def test_what_we_write_the_kernel_reads_back(size):
    assert memparse(kernel_size(size)) == (size, "")


@given(st.integers(0, U64 - 1), st.sampled_from(["", "K", "M", "G", "T", "P", "E"]), st.booleans())
def test_suffixes_shift(value, suffix, lower):
    shifted = (value << 10 * "KMGTPE".find(suffix) + 10) % U64 if suffix else value
    assert memparse(f"{value}{suffix.lower() if lower else suffix}") == (shifted, "")


@given(st.text(max_size=20))
def test_what_is_left_is_an_end_of_the_text(text):
    value, rest = strtoull(text)
    assert text.endswith(rest)
    assert 0 <= value < U64
