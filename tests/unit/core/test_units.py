"""Sizes: what people write, what the kernel reads back, what is printed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.memparse import memparse
from hotkit.core.units import GIB, KIB, MIB, TIB, format_size, kernel_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0), ("17", 17), ("17b", 17), ("3276M", 3276 * MIB), (" 128 GiB ", 128 * GIB),
        ("1.5G", 1536 * MIB), ("0.5k", 512), ("2T", 2 * TIB), ("1.0000000", 1),
        ("1.25G", 1280 * MIB),
    ],
)  # fmt: skip
def test_what_people_write(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not a size: write a number"),
        ("-1G", "is not a size"),
        ("1,5G", "is not a size"),
        (".5G", "is not a size"),
        ("1GB", "unknown unit 'GB'; use K, M, G, T"),
        ("1.3b", "'1.3b' is not a whole number of bytes"),
        ("0.1k", "is not a whole number of bytes"),
    ],
)
def test_what_is_no_size(text, words):
    with pytest.raises(ValueError, match=words):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"), (1023, "1023 B"), (KIB, "1 KiB"), (1536, "1.5 KiB"), (3276 * MIB, "3276 MiB"),
        (128 * GIB, "128 GiB"), (2 * TIB, "2 TiB"), (16 * MIB - KIB, "16383 KiB"),
        (16 * MIB + KIB, "16.0 MiB"), (10 * GIB - 1, "10240.0 MiB"), (10 * GIB + 1, "10.0 GiB"),
        (-3 * MIB, "-3 MiB"), (-1, "-1 B"),
    ],
)  # fmt: skip
def test_what_is_printed(size, text):
    assert format_size(size) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0M"), (4 * GIB, "4096M"), (MIB + KIB, "1025K"), (KIB + 1, "0x401")],
)
def test_what_stands_on_a_command_line(size, text):
    assert kernel_size(size) == text


@given(st.integers(0, (1 << 64) - 1))
def test_the_kernel_reads_back_what_is_written(size):
    assert memparse(kernel_size(size)) == (size, "")


@given(st.integers(0, 1 << 60), st.sampled_from(["", "K", "M", "G", "T", " KiB", " gib"]))
def test_a_whole_number_of_any_unit(count, unit):
    scale = {"": 1, "k": KIB, "m": MIB, "g": GIB, "t": TIB}[unit.strip().lower()[:1]]
    assert parse_size(f"{count}{unit}") == count * scale


@given(st.integers(0, 1 << 50))
def test_what_is_printed_without_a_point_is_exact(size):
    text = format_size(size)
    if "." not in text:
        assert parse_size(text.removesuffix(" B")) == size
    else:
        number, unit = text.split()
        scale = {"KiB": KIB, "MiB": MIB, "GiB": GIB}[unit]
        # In whole numbers: a half that is rounded is off by exactly a twentieth.
        assert abs(int(number.replace(".", "")) * scale - 10 * size) <= scale // 2
