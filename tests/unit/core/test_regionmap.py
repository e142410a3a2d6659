"""Regions as bins and back: nothing counts twice, nothing gets lost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.record import Recording, grid, hot_ranges, mean_share, working_set
from hotkit.core.regionmap import recording_of, regions_of
from hotkit.core.regions import merged, shares
from tests.unit.core.test_regions import plain
from tests.unit.damorecords import records

K = 4096


def test_bins_hold_the_mean_of_their_regions():
    record = plain([(0, 2 * K, 20), (2 * K, 4 * K, 5)], [(0, 4 * K, 0)])
    found = recording_of(record, bins=4)
    assert found.bins == ((0, K), (K, 2 * K), (2 * K, 3 * K), (3 * K, 4 * K))
    assert found.share.T.tolist() == [[1, 1, 0.25, 0.25], [0, 0, 0, 0]]
    assert recording_of(record, bins=1).share.tolist() == [[0.625, 0]]
    halves = recording_of(plain([(0, K, 20), (K, 3 * K, 0)]), bins=2)
    assert halves.share[:, 0].tolist() == [0.5, 0]


def test_memory_that_no_region_covers_was_not_looked_at():
    record = plain([(0, K, 20)], [(0, K, 20), (K, 2 * K, 0)])
    found = recording_of(record, bins=2)
    assert np.isnan(found.share[1, 0]) and found.share[1, 1] == 0
    apart = recording_of(plain([(0, K, 0), (1 << 40, (1 << 40) + K, 20)]), bins=64)
    assert apart.size_bytes == 2 * K and apart.share[:, 0].tolist() == [0, 1]


def test_a_constant_region_is_as_hot_as_it_is_however_often_it_is_told():
    """damo draws what two records say of the same memory and time twice as hot."""
    once = plain(*[[(0, 8 * K, 10)]] * 5)
    for record in (once, merged([once, once])):
        found = recording_of(record, bins=4)
        assert np.all(found.share == 0.5)
        assert np.all(grid(found, found.share, rows=3, columns=7) == pytest.approx(0.5))


def test_snapshots_that_overlap_in_time_do_not_add_up():
    record = plain([(0, K, 20)], [(0, K, 20)], at=[10**9, 10**9 + 10**8])
    found = recording_of(record)
    assert np.all(grid(found, found.share, rows=1, columns=5) == 1)


def test_regions_that_overlap_are_averaged():
    found = recording_of(plain([(0, 2 * K, 20), (K, 2 * K, 0), (K, 3 * K, 10)]), bins=3)
    assert found.share[:, 0].tolist() == pytest.approx([1, 0.5, 0.5])


def test_many_snapshots_are_put_into_few_steps_by_their_duration():
    record = plain(*[[(0, K, 20)], [(0, K, 0)]] * 6)
    found = recording_of(record, steps=5)
    assert found.steps == 4 and found.share.tolist() == [
        [pytest.approx(2 / 3), pytest.approx(1 / 3)] * 2
    ]
    assert int(found.since_ns[0]) == int(record.since_ns[0])
    assert int(found.at_ns[-1]) == int(record.at_ns[-1])


def test_a_snapshot_of_unknown_length_is_seen():
    record = replace(plain([(0, K, 20)]), since_ns=np.array([10**9]))
    found = recording_of(record)
    assert grid(found, found.share, rows=1, columns=3).tolist() == [[1, 1, 1]]
    assert mean_share(found).tolist() == [1]


def test_a_record_without_regions():
    with pytest.raises(ValueError, match="no region"):
        recording_of(plain([]))


@given(record=records(), bins=st.sampled_from([1, 4, 64]), steps=st.sampled_from([1, 3, 1000]))
def test_accessed_bytes_are_kept_by_any_bins(record, bins, steps):
    found = recording_of(record, bins=bins, steps=steps)
    assert found.share.shape[1] <= steps
    assert np.nanmin(found.share) >= 0 and np.nanmax(found.share) <= 1
    if steps < record.snapshots or bins < 64:
        return
    # Every bin that a range was cut into is looked at where regions are: what is not there is not.
    weighed = shares(record) * record.sizes
    wanted = np.bincount(record.snapshot_of, weights=weighed, minlength=record.snapshots)
    sizes = np.diff(record.first)
    cuts = np.array(found.bins, dtype=object)
    for number in range(record.snapshots):
        if not sizes[number]:
            assert np.isnan(found.share[:, number]).all()
            continue
        part = slice(record.first[number], record.first[number + 1])
        # The part of each bin that was looked at.
        looked = sum(
            np.clip(np.minimum(cuts[:, 1], end) - np.maximum(cuts[:, 0], start), 0, None)
            for start, end in zip(
                record.start[part].astype(object), record.end[part].astype(object), strict=True
            )
        )
        mass = float((np.nan_to_num(found.share[:, number]) * looked.astype(float)).sum())
        assert mass == pytest.approx(wanted[number], rel=1e-6, abs=1)


def some(share):
    share = np.array(share, dtype=float)
    bins, steps = share.shape
    return Recording(
        bins=tuple((K * n, K * n + K) for n in range(bins)),
        since_ns=np.arange(steps) * 200_000_000, at_ns=np.arange(1, steps + 1) * 200_000_000,
        share=share,
    )  # fmt: skip


def test_a_recording_of_ours_as_regions():
    nan = np.nan
    found = regions_of(some([[1, nan], [1, 0.5], [0.001, 0.5], [nan, 0]]))
    assert list(found.first) == [0, 2, 4]
    assert list(found.start) == [0, 2 * K, K, 3 * K] and list(found.end) == [
        2 * K,
        3 * K,
        3 * K,
        4 * K,
    ]
    assert list(found.accesses) == [100, 1, 50, 0] and found.intervals.checks == 100
    assert (found.intervals.sample_us, list(found.aggr_us)) == (2000, [200000, 200000])


@given(
    share=st.lists(
        st.lists(st.sampled_from([0, 0.01, 0.5, 0.99, 1, np.nan]), min_size=3, max_size=3),
        min_size=1, max_size=9,
    )
)  # fmt: skip
def test_a_recording_comes_back(share):
    recording = some(share)
    if np.isnan(recording.share).all():
        return
    found = recording_of(regions_of(recording), bins=len(share))
    wanted = recording.share[~np.isnan(recording.share).all(axis=1)]
    if found.bins == tuple(b for b, row in zip(recording.bins, recording.share, strict=True)
                           if not np.isnan(row).all()):  # fmt: skip
        assert np.allclose(found.share, wanted, equal_nan=True)
    assert np.allclose(working_set(found), working_set(recording), equal_nan=True)
    hot = sum(one.end - one.start for one in hot_ranges(found))
    assert hot == sum(one.end - one.start for one in hot_ranges(recording))
