"""Regions in columns, to the last figure: names, types, zeros, and what a merge takes from whom."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

from hotkit.core.regions import (
    Intervals,
    RegionSnapshots,
    Target,
    accessed_bytes,
    frequency_hz,
    merged,
    pieces,
)
from tests.unit.core.test_regions import plain


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (Target(scheme=0), "scheme 0, target 0"),
        (Target(scheme=1), "scheme 1, target 0"),
        (Target(context=2, scheme=0, number=3), "context 2, scheme 0, target 3"),
        (Target(kdamond=1, context=2, scheme=3), "kdamond 1, context 2, scheme 3, target 0"),
        (Target(kdamond=1, context=2, kind="pid", number=4), "kdamond 1, context 2, pid 4"),
    ],
)  # fmt: skip
def test_a_target_is_named_from_the_kdamond_down(target, name):
    assert str(target) == name


def test_where_the_first_region_of_the_first_snapshot_is_not_the_first_one():
    good = plain([(0, 1, 1), (1, 2, 1)])
    fields = {name: getattr(good, name) for name in RegionSnapshots.__dataclass_fields__}
    for first in ([1, 2], [0, 1, 2]):
        with pytest.raises(ValueError, match="do not hold all regions"):
            RegionSnapshots(**{**fields, "first": np.array(first)})


def test_bytes_are_whole_numbers_also_where_a_double_has_none():
    """Addresses, and sums of sizes, beyond 2**53."""
    top = 2**64 - 1
    record = plain([(1, top, 1)], [(3, 6, 2), (8, 9, 1)], [])
    found = accessed_bytes(record)
    assert found.dtype == np.int64
    # Sums go on around 2**64, differences come out of it.
    assert found.tolist()[1:] == [4, 0]
    assert accessed_bytes(record, at_least=2).tolist() == [0, 3, 0]
    half = plain([(0, 2**62 + 1, 1)], [(5, 6, 1)])
    assert accessed_bytes(half).tolist() == [2**62 + 1, 1]


def test_a_frequency_where_the_interval_is_0_or_not_known():
    record = plain([(0, 1, 3)], [(0, 1, 3), (1, 2, 0)], [(0, 1, 5)])
    record = replace(record, aggr_us=np.array([100_000.0, 0.0, np.nan]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is divided by 0
        found = frequency_hz(record)
    assert found.dtype == np.float64
    assert found[0] == 30
    assert np.isnan(found[1:]).all()


def test_ranges_that_touch_are_one_and_of_equal_gaps_the_last_are_kept():
    assert pieces(plain([(0, 10, 1), (10, 20, 1)]), 9) == [(0, 20)]
    record = plain([(n, n + 1, 1) for n in range(0, 80, 2)])
    assert pieces(record, 3) == [(0, 75), (76, 77), (78, 79)]


def test_what_a_merge_takes_from_its_parts():
    one = replace(
        plain([(0, 1, 1)], at=[3 * 10**9]), relative=True, lost=2,
        target=Target(number=1), intervals=Intervals(sample_us=5, aggr_us=100),
    )  # fmt: skip
    two = replace(
        plain([(1, 2, 2)], at=[2 * 10**9]), lost=3,
        target=Target(number=2), intervals=Intervals(sample_us=6, aggr_us=200),
    )  # fmt: skip
    found = merged([one, two])
    assert found.at_ns.tolist() == [2 * 10**9, 3 * 10**9]
    assert found.accesses.tolist() == [2, 1]
    assert (found.relative, found.lost) == (True, 5)
    assert (found.target, found.intervals) == (one.target, one.intervals)
    assert merged([two, replace(two, lost=4)]).relative is False
    assert merged([one]) is one


def test_snapshots_that_end_at_the_same_time_stay_in_their_order():
    parts = [plain([(n, n + 1, n)], at=[10**9]) for n in range(400)]
    assert merged(parts).accesses.tolist() == list(range(400))


def test_of_many_equal_gaps_the_last_stay_and_the_first_are_bridged():
    """Of numbers that are equal, numpy's fastest way to sort mixes some hundred up on any CPU."""
    places, at = [], 0
    for number in range(3000):
        places.append((at, at + 1, 1))
        at += 2 + number % 3  # gaps of 1, 2 and 3
    wide = [n for n in range(2999) if n % 3 == 2][-4:]
    found = pieces(plain(places), 5)
    assert [end for _, end in found[:-1]] == [places[n][1] for n in wide]
    assert [start for start, _ in found[1:]] == [places[n + 1][0] for n in wide]


def test_many_snapshots_of_one_moment_stay_in_the_order_of_their_places():
    parts = [
        replace(plain([(number, number + 1, 1)]), at_ns=np.array([number % 3]))
        for number in range(300)
    ]
    order = sorted(range(300), key=lambda number: number % 3)
    assert merged(parts).start.tolist() == order
