"""Regions as bins and bins as regions, to the byte and the nanosecond."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

from hotkit.core.record import Recording
from hotkit.core.regionmap import recording_of, regions_of
from hotkit.core.regions import Intervals, Target
from tests.unit.core.test_regions import plain

K = 4096
NAN = float("nan")


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def steps(*share, bins=None, took=None):
    """Shares per bin; steps that long."""
    share = np.array(share, dtype=float)
    ends = np.cumsum(took or [10**9] * share.shape[1])
    return Recording(
        bins=bins or tuple((K * n, K * n + K) for n in range(len(share))),
        since_ns=np.concatenate([[0], ends[:-1]]), at_ns=ends, share=share,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("pages", "bins", "sizes"),
    [
        (256, 256, [1] * 256),
        (257, 256, [2] * 128 + [1]),
        (10, 4, [3, 3, 3, 1]),
        (3, 8, [1, 1, 1]),
        (4, 1, [4]),
    ],
)
def test_bins_are_of_whole_pages(pages, bins, sizes):
    found = recording_of(plain([(K, K + pages * K, 0)]), bins=bins)
    assert [(end - start) // K for start, end in found.bins] == sizes
    assert (found.bins[0][0], found.bins[-1][1]) == (K, K + pages * K)
    if bins == 256:
        assert recording_of(plain([(K, K + pages * K, 0)])).bins == found.bins


@pytest.mark.parametrize(
    ("bins", "ranges"), [(11, 2), (12, 3), (15, 3), (16, 4), (4, 1), (3, 1), (1, 1)]
)
def test_of_the_bins_a_quarter_may_be_ranges_of_their_own(bins, ranges):
    """Gaps grow: the last ones stay."""
    places, at = [], 0
    for number in range(6):
        places.append((at, at + K, 20))
        at += K * (2 + number)
    found = recording_of(plain(places), bins=bins)
    gaps = sum(one[1] != two[0] for one, two in zip(found.bins, found.bins[1:], strict=False))
    assert gaps == ranges - 1


def test_a_bin_is_as_hot_as_its_regions_are_by_their_bytes_and_times():
    """Not from address 0; a snapshot of one second and one of three."""
    record = plain(
        [(5 * K, 6 * K, 20), (6 * K, 8 * K, 5)], [(5 * K, 8 * K, 10)], at=[10**9, 4 * 10**9]
    )
    record = replace(record, since_ns=np.array([0, 10**9]))
    found = recording_of(record, bins=1, steps=1)
    assert found.bins == ((5 * K, 8 * K),)
    assert found.share.tolist() == [[(0.5 + 3 * 0.5) / 4]]
    found = recording_of(record, bins=3, steps=1)
    assert found.share[:, 0].tolist() == [(1 + 1.5) / 4, (0.25 + 1.5) / 4, (0.25 + 1.5) / 4]
    assert (found.since_ns.tolist(), found.at_ns.tolist()) == ([0], [4 * 10**9])


def test_a_bin_that_is_looked_at_in_part():
    """Of three pages the first is hot, the second was not looked at, the last is cold."""
    record = plain([(K, 2 * K, 20), (3 * K, 4 * K, 0)], [(K, 4 * K, 0)])
    found = recording_of(record, bins=1)
    assert found.share.tolist() == [[0.5, 0]]
    found = recording_of(record, bins=4)
    np.testing.assert_array_equal(found.share[:, 0], [1, NAN, 0])


def test_what_sums_round_is_no_heat():
    """429 ns in which the seventh page was not looked at; then a nanosecond in which it was cold.
    Thirds of a page are no round figures."""
    record = plain([(5 * K, 6 * K, 1), (7 * K, 23 * K, 3)], [(0, 7 * K, 0)], full=3.0, at=[9, 10])
    record = replace(record, since_ns=np.array([9 - 429, 9]))
    found = recording_of(record, bins=64, steps=1)
    assert found.share[:, 0].tolist() == [0] * 5 + [round(143 / 430, 12), 0] + [1] * 16


def test_more_accesses_than_checks_and_a_share_that_is_no_round_figure():
    found = recording_of(plain([(0, K, 9), (K, 2 * K, 1)], full=3.0))
    assert found.share[:, 0].tolist() == [1, round(1 / 3, 12)]
    third = recording_of(plain([(0, K, 1), (K, 2 * K, 2), (2 * K, 3 * K, 2)], full=9.0), bins=1)
    assert third.share.tolist() == [[round(5 / 27, 12)]]


@pytest.mark.parametrize(
    ("snapshots", "most", "groups"),
    [(6, 6, [1] * 6), (7, 6, [2, 2, 2, 1]), (6, 4, [2, 2, 2]), (5, 2, [3, 2]), (1, 1, [1])],
)
def test_steps_are_of_whole_snapshots(snapshots, most, groups):
    """Snapshot n has the share n/20."""
    record = plain(*[[(0, K, n)] for n in range(snapshots)])
    found = recording_of(record, steps=most)
    ends = np.cumsum(groups)
    begins = ends - groups
    assert found.since_ns.tolist() == [n * 10**9 for n in begins]
    assert found.at_ns.tolist() == [n * 10**9 for n in ends]
    means = [(a + b - 1) / 2 / 20 for a, b in zip(begins, ends, strict=True)]
    assert found.share[0].tolist() == pytest.approx(means, abs=1e-12)


def test_an_empty_snapshot_does_not_end_the_record():
    found = recording_of(plain([(0, K, 20)], [], [(0, K, 10)]))
    np.testing.assert_array_equal(found.share, [[1, NAN, 0.5]])


def test_a_snapshot_of_unknown_length_weighs_a_nanosecond():
    record = plain([(0, K, 20)], [(0, K, 0)], at=[10, 13])
    found = recording_of(replace(record, since_ns=np.array([10, 10])), steps=1)
    assert (found.since_ns.tolist(), found.at_ns.tolist()) == ([9], [13])
    assert found.share.tolist() == [[0.25]]


def test_regions_that_adjoin_or_overlap_in_any_order():
    """Told from above to below; the middle one of three lies within the two others."""
    down = plain([(2 * K, 3 * K, 5), (K, 2 * K, 0), (0, K, 20)])
    assert recording_of(down, bins=3).share[:, 0].tolist() == [1, 0, 0.25]
    over = plain([(0, 4 * K, 20), (K, 2 * K, 0), (K, 3 * K, 0), (6 * K, 7 * K, 10)])
    np.testing.assert_array_equal(
        recording_of(over, bins=7).share[:, 0],
        [1, round(1 / 3, 12), 0.5, 1, NAN, NAN, 0.5][: recording_of(over, bins=7).share.shape[0]],
    )
    late = plain([(0, K, 20), (K, 4 * K, 20), (2 * K, 3 * K, 0)])
    assert recording_of(late).share[:, 0].tolist() == [1, 1, 0.5, 1]
    twice = plain([(0, K, 20), (0, K, 0)])
    assert recording_of(twice).share.tolist() == [[0.5]]


TOP = (1 << 64) - (1 << 16)


def test_addresses_at_the_very_top():
    record = plain([(TOP, TOP + K, 20), (TOP + K, TOP + 3 * K, 5)])
    found = recording_of(record)
    assert found.bins == tuple((TOP + n * K, TOP + n * K + K) for n in range(3))
    assert found.share[:, 0].tolist() == [1, 0.25, 0.25]
    back = regions_of(found)
    assert back.start.tolist() == [TOP, TOP + K] and back.end.tolist() == [TOP + K, TOP + 3 * K]
    assert back.start.dtype == back.end.dtype == np.uint64


def test_a_record_without_regions_is_named_so():
    with pytest.raises(ValueError) as caught:
        recording_of(plain([]))
    assert str(caught.value) == "there is no region in it"


@pytest.mark.parametrize(
    ("share", "accesses"),
    [
        (0, 0), (1e-9, 1), (0.005, 1), (0.014, 1), (0.016, 2), (0.5, 50), (0.504, 50),
        (0.506, 51), (0.994, 99), (0.996, 100), (1, 100),
    ],
)  # fmt: skip
def test_a_share_is_told_in_hundredths(share, accesses):
    found = regions_of(steps([share]))
    assert found.accesses.tolist() == [accesses]
    assert found.accesses.dtype == np.uint32


@pytest.mark.parametrize("seen", [0, 0.01, 1])
def test_what_nobody_looked_at_is_in_no_region(seen):
    found = regions_of(steps([NAN], [seen], [NAN], [NAN], [seen]))
    assert list(zip(found.start, found.end, found.accesses, strict=True)) == [
        (K, 2 * K, 100 * seen), (4 * K, 5 * K, 100 * seen),
    ]  # fmt: skip


def test_a_recording_as_regions_in_full():
    recording = steps(
        [1, NAN, 0.5], [1, 0.5, 0.5], [0.25, 0.5, NAN], [0.25, NAN, NAN],
        bins=((0, K), (K, 3 * K), (3 * K, 4 * K), (8 * K, 9 * K)),
        took=[200_000_000, 300_000_000, 400_049_999],
    )  # fmt: skip
    found = regions_of(recording, Target(number=3))
    assert found.target == Target(number=3)
    assert regions_of(recording).target == Target()
    assert found.first.tolist() == [0, 3, 4, 5]
    assert found.start.tolist() == [0, 3 * K, 8 * K, K, 0]
    assert found.end.tolist() == [3 * K, 4 * K, 9 * K, 4 * K, 3 * K]
    assert found.start.dtype == found.end.dtype == np.uint64
    assert found.accesses.tolist() == [100, 25, 25, 50, 50]
    assert found.since_ns.tolist() == [0, 200_000_000, 500_000_000]
    assert found.at_ns.tolist() == [200_000_000, 500_000_000, 900_049_999]
    # A hundred checks in whole microseconds each.
    assert found.sample_us.tolist() == [2000, 3000, 4000]
    assert found.aggr_us.tolist() == [200_000, 300_000, 400_000]
    assert (found.full.dtype, found.full.tolist()) == (np.float64, [100, 100, 100])
    assert (found.age.dtype, found.age.tolist()) == (np.int64, [-1] * 5)
    assert found.intervals == Intervals(sample_us=3000, aggr_us=300_000)
    assert (found.relative, found.lost, found.passed) == (False, 0, None)


@pytest.mark.parametrize(
    ("took", "usual"),
    [([100_000, 200_000], 2), ([100_000, 400_000], 2), ([10, 10], 1), ([350_000] * 2, 4)],
)
def test_the_usual_interval_is_the_median_in_whole_microseconds(took, usual):
    """At least one; of 1.5 and 2.5 the even one, as numpy rounds."""
    found = regions_of(steps([1, 1], took=took))
    assert found.intervals == Intervals(sample_us=usual, aggr_us=usual * 100)


def test_the_least_that_can_be_looked_at_is_a_byte_for_a_nanosecond():
    record = plain([(K, K + 1, 20)], at=[10**9])
    found = recording_of(replace(record, since_ns=record.at_ns))
    assert found.share.tolist() == [[1.0]]
