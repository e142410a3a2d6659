"""damo's numbers, times and sizes: those that it writes, those that it never would."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.regions import Intervals
from hotkit.parse.damo_kdamonds import kdamond_intervals
from hotkit.parse.damovalues import (
    basis_points,
    intervals,
    microseconds,
    nanoseconds,
    number,
    size,
    whole,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (7, 7), ("7", 7), ("94,827,419,009,024", 94827419009024), ("-1", -1), ("1.5", 1.5),
        ("max", (1 << 64) - 1), ("min", 0), (2.5, 2.5),
    ],
)  # fmt: skip
def test_numbers(text, value):
    assert number(text) == value


@pytest.mark.parametrize("text", ["", "x", None, True, [], "nan", "inf", float("nan"), "1 2"])
def test_what_is_no_number(text):
    with pytest.raises(ValueError, match="is not a number"):
        number(text)


def test_a_whole_number():
    assert whole("3.0") == 3
    with pytest.raises(ValueError, match="is not a whole number"):
        whole("3.5")


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        (5, 5), ("5", 5), ("5 ns", 5), ("5 us", 5_000), ("1.500 ms", 1_500_000),
        ("1 h 2 m 3 s 4 ms 5 us 6 ns", 3_723_004_005_006), ("1 d", 86_400 * 10**9),
        ("5ms", 5_000_000), ("-2 s 500 ms", -2_500_000_000), ("1,000 us", 1_000_000),
    ],
)  # fmt: skip
def test_times(text, ns):
    assert nanoseconds(text) == ns
    if not str(text).isdigit():
        assert microseconds(text) == pytest.approx(ns / 1000)


def test_a_time_without_a_unit_is_in_the_unit_of_its_name():
    assert (nanoseconds("5000"), microseconds("5000"), microseconds(5)) == (5000, 5000, 5)


@pytest.mark.parametrize("text", ["5 weeks", "s", "5 s x", "5 KiB", None])
def test_what_is_no_time(text):
    with pytest.raises(ValueError):
        nanoseconds(text)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0 B", 0),
        ("4.000 KiB", 4096),
        ("1.500 MiB", 1572864),
        (12, 12),
        ("2G", 2 << 30),
        ("1 TB", 1 << 40),
    ],
)
def test_sizes(text, size_bytes):
    assert size(text) == size_bytes


def test_basis_points():
    assert (basis_points("4%"), basis_points("4 %"), basis_points("400"), basis_points(4.5)) == (
        400, 400, 400, 4.5,
    )  # fmt: skip


def test_intervals_with_and_without_a_goal():
    plain = {"sample_us": "5 ms", "aggr_us": "100 ms", "ops_update_us": "1 s"}
    assert intervals(plain) == Intervals(sample_us=5000, aggr_us=100000, update_us=1e6)
    assert intervals(plain).checks == 20
    goal = {"access_bp": "4%", "aggrs": "3", "min_sample_us": "5 ms", "max_sample_us": "10 s"}
    found = intervals(plain | {"intervals_goal": goal})
    assert found.goal == (400, 3, 5000, 1e7)
    assert intervals(plain | {"intervals_goal": goal | {"aggrs": "0"}}).goal is None
    with pytest.raises(ValueError, match="a sampling interval of 200000 us in one of aggregation"):
        intervals(plain | {"sample_us": "200 ms"})


def test_what_damo_was_asked_to_do():
    text = (
        '[{"contexts": [{"intervals": {"sample_us": "5 ms", "aggr_us": "100 ms"}}, {}]},'
        ' {"contexts": [{"intervals": {"sample_us": 1000, "aggr_us": 2000}}]}]'
    )
    found = kdamond_intervals(text)
    assert {key: value.checks for key, value in found.items()} == {(0, 0): 20, (1, 0): 2}
    for broken in ("{}", "[1]", '[{"contexts": [{"intervals": {"sample_us": 1}}]}]', "[" * 99_999):
        with pytest.raises(ValueError):
            kdamond_intervals(broken)
    assert kdamond_intervals("[]") == {}


@given(ns=st.integers(0, 10**17))
def test_any_time_that_damo_writes_is_read_exactly(ns):
    """As its format_time_ns_exact puts it: whole units from days down."""
    words, left = [], ns
    for unit, scale in (("d", 86400 * 10**9), ("h", 3600 * 10**9), ("m", 60 * 10**9), ("s", 10**9),
                        ("ms", 10**6), ("us", 10**3), ("ns", 1)):  # fmt: skip
        count, left = divmod(left, scale)
        words += [f"{count:,} {unit}"] if count else []
    assert nanoseconds(" ".join(words) or "0 ns") == ns


@given(text=st.text(alphabet="0123456789.,- +eEsmhdunKMiB%", max_size=12))
def test_any_text_is_read_or_refused(text):
    for reader in (number, whole, nanoseconds, microseconds, size, basis_points):
        try:
            reader(text)
        except ValueError as error:
            assert str(error)
