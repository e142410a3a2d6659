"""Regions in columns: working set, ranges, parts put together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.regions import RegionSnapshots, Target, accessed_bytes, merged, pieces, shares
from tests.unit.damorecords import records, same


def plain(*snapshots, full=20.0, at=None):
    """Each a list of (start, end, accesses); a second long, one after another."""
    rows = [row for part in snapshots for row in part]
    number = len(snapshots)
    ends = np.array(at or [(n + 1) * 10**9 for n in range(number)])
    return RegionSnapshots(
        target=Target(), since_ns=ends - 10**9, at_ns=ends,
        sample_us=np.full(number, np.nan), aggr_us=np.full(number, np.nan),
        full=np.full(number, full),
        first=np.concatenate([[0], np.cumsum([len(part) for part in snapshots])]).astype(int),
        start=np.array([row[0] for row in rows], dtype=np.uint64),
        end=np.array([row[1] for row in rows], dtype=np.uint64),
        accesses=np.array([row[2] for row in rows], dtype=np.uint32),
        age=np.full(len(rows), -1),
    )  # fmt: skip


def test_accesses_above_the_number_of_checks_are_a_share_of_one():
    """The kernel counts one more now and then, where an aggregation comes late."""
    assert list(shares(plain([(0, 1, 21), (1, 2, 10)]))) == [1, 0.5]


def test_where_the_interval_is_not_known_nor_is_a_frequency():
    assert plain([(0, 1, 1)]).most_hz is None


def test_ranges_are_joined_over_the_smallest_gaps():
    record = plain([(0, 10, 1), (20, 30, 1)], [(5, 12, 0), (100, 110, 1), (111, 120, 1)])
    assert pieces(record, 9) == [(0, 12), (20, 30), (100, 110), (111, 120)]
    assert pieces(record, 3) == [(0, 12), (20, 30), (100, 120)]
    assert pieces(record, 2) == [(0, 30), (100, 120)]
    assert pieces(record, 1) == [(0, 120)]


def test_a_region_within_another_does_not_hide_it():
    assert pieces(plain([(0, 100, 1)], [(10, 20, 1)], [(50, 60, 1)]), 9) == [(0, 100)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"first": np.array([0, 1])}, "do not hold all regions"),
        ({"full": np.array([1.0, 2.0])}, "each has its times"),
        ({"age": np.array([1])}, "an age"),
        ({"end": np.array([1, 1], dtype=np.uint64)}, "ends behind its start"),
    ],
)
def test_columns_that_do_not_belong_together(change, words):
    good = plain([(0, 1, 1), (1, 2, 1)])
    fields = {name: getattr(good, name) for name in RegionSnapshots.__dataclass_fields__}
    with pytest.raises(ValueError, match=words):
        RegionSnapshots(**{**fields, **change})


def test_an_order_of_targets_and_their_names():
    found = sorted([Target(number=1), Target(kdamond=1), Target(), Target(kind="pid", number=5)])
    assert [str(one) for one in found] == ["pid 5", "target 0", "target 1", "kdamond 1, target 0"]


@given(record=records())
def test_a_working_set_is_the_sum_of_its_regions(record):
    found = accessed_bytes(record)
    for number in range(record.snapshots):
        rows = range(record.first[number], record.first[number + 1])
        wanted = sum(
            int(record.end[row]) - int(record.start[row]) for row in rows if record.accesses[row]
        )
        assert found[number] == wanted


@given(record=records(), most=st.integers(1, 6))
def test_ranges_hold_every_region_and_are_few(record, most):
    found = pieces(record, most)
    assert 1 <= len(found) <= most
    assert all(one[1] < two[0] for one, two in zip(found, found[1:], strict=False))
    for start, end in zip(record.start, record.end, strict=True):
        assert any(low <= start and end <= high for low, high in found)


@given(record=records(), cut=st.integers(0, 5))
def test_a_record_in_two_parts_in_any_order_is_the_record(record, cut):
    if not 0 < cut < record.snapshots:
        return
    parts = []
    for part in (slice(cut, None), slice(0, cut)):
        first, last = record.first[part.start or 0], record.first[part.stop or record.snapshots]
        rows = slice(first, last)
        number = part.stop or record.snapshots
        parts.append(
            RegionSnapshots(
                target=record.target, intervals=record.intervals, relative=record.relative,
                since_ns=record.since_ns[part], at_ns=record.at_ns[part],
                sample_us=record.sample_us[part], aggr_us=record.aggr_us[part],
                full=record.full[part],
                first=record.first[part.start or 0 : number + 1] - first,
                start=record.start[rows], end=record.end[rows], accesses=record.accesses[rows],
                age=record.age[rows],
                passed=None if record.passed is None else record.passed[rows],
            )
        )  # fmt: skip
    assert same(merged(parts), record)
