"""damo's JSON: what is read, in whatever pieces it comes; what is refused, and where."""

from __future__ import annotations

import json
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.regions import NO_AGE, Target, accessed_bytes, frequency_hz, shares
from hotkit.parse.damo_json import read_damo_json
from hotkit.parse.jsonstream import Damaged
from hotkit.report.damorecord import damo_json, packed
from tests.unit.damorecords import (
    BEGAN_NS,
    DATA,
    INTERVALS,
    MS,
    record,
    records,
    region,
    same,
    snapshot,
    text,
)

K = 4096


def read(blob, piece=1 << 20):
    return read_damo_json((blob[i : i + piece] for i in range(0, len(blob), piece)), "damo")


def one(*parts, **more):
    (found,) = read(text(record(*parts, **more))).targets
    return found


def test_a_record_that_damo_made_of_a_captured_trace():
    found = read((DATA / "damo-lab.json").read_bytes())
    (target,) = found.targets
    assert (target.snapshots, target.regions, target.relative) == (4, 32, True)
    assert list(accessed_bytes(target)) == [0, 0, 17354752, 0]
    assert "does not tell its intervals" in found.notes[0]


def test_regions_times_and_shares():
    found = one(
        snapshot(0, region(K, 3 * K, 20, 7), region(3 * K, 4 * K, 0)),
        snapshot(1, region(K, 4 * K, 5, 8)),
    )
    assert list(found.start) == [K, 3 * K, K] and list(found.end) == [3 * K, 4 * K, 4 * K]
    assert list(found.first) == [0, 2, 3] and list(found.age) == [7, 0, 8]
    assert list(shares(found)) == [1, 0, 0.25]
    assert list(frequency_hz(found)) == [200, 0, 50] and found.most_hz == 200
    assert list(accessed_bytes(found)) == [2 * K, 3 * K]
    assert list(accessed_bytes(found, at_least=6)) == [2 * K, 0]
    assert list(found.since_ns) == [BEGAN_NS, BEGAN_NS + 100 * MS]
    assert found.duration_s == pytest.approx(0.2)


@pytest.mark.parametrize(
    "changed",
    [
        {"start": 4096, "end": 8192},
        {"start": "4096", "end": "8,192"},
        {"start": "4 KiB", "end": "8 KiB"},
    ],
)
def test_numbers_are_numbers_or_text_with_commas(changed):
    if "KiB" in str(changed["start"]):
        with pytest.raises(Damaged, match="'4 KiB' is not a number"):
            one(snapshot(0, region(K, 2 * K, 3) | changed))
        return
    found = one(snapshot(0, region(K, 2 * K, 3) | changed))
    assert (int(found.start[0]), int(found.end[0])) == (4096, 8192)


def test_fields_that_damo_may_leave_out():
    bare = {"start": "4,096", "end": "8,192"}
    older = {"target_id": 1, "snapshots": [{"start_time": 5, "end_time": 9, "regions": [bare]}]}
    (found,) = read(text(older)).targets
    assert found.target == Target(number=1) and found.relative
    assert (int(found.accesses[0]), int(found.age[0])) == (0, NO_AGE)


def test_per_cent_and_microseconds_are_turned_into_checks_and_intervals():
    odd = {"nr_accesses": {"samples": None, "percent": "25 %"}, "age": {"usec": "1 s 200 ms"}}
    found = one(snapshot(0, region(K, 2 * K, 3) | odd))
    assert (int(found.accesses[0]), int(found.age[0])) == (5, 12)
    with pytest.raises(Damaged, match="per cent of checks whose number is not known"):
        one(snapshot(0, region(K, 2 * K, 3) | odd), intervals=None)


def test_times_that_damo_wrote_for_people():
    spoken = {"start_time": "16 m 40 s", "end_time": "16 m 40 s 100 ms"}
    found = one(snapshot(0, region(K, 2 * K, 3), **spoken))
    assert (int(found.since_ns[0]), int(found.at_ns[0])) == (BEGAN_NS, BEGAN_NS + 100 * MS)


def test_a_tuned_interval_belongs_to_its_snapshot():
    found = one(
        snapshot(0, region(K, 2 * K, 20)),
        snapshot(1, region(K, 2 * K, 20), sample_interval_us="80000"),
    )
    assert list(found.sample_us) == [5000, 80000] and list(found.aggr_us) == [1e5, 1.6e6]
    assert list(frequency_hz(found)) == [200, 12.5]


def test_a_tuned_interval_that_damo_wrote_in_ns():
    """damo 3.4.3 writes the field sample_interval_us in ns where numbers are raw."""
    parts = [
        snapshot(0, region(K, 2 * K, 20), took_ms=1600, sample_interval_us=told)
        for told in ("80000000", "80000", "80000 us", "80 ms", 80000)
    ]
    assert list(one(*parts).sample_us) == [80000] * 5


def test_where_tuning_is_on_and_nothing_told_the_time_that_passed_tells():
    goal = INTERVALS | {"intervals_goal": {**INTERVALS["intervals_goal"], "aggrs": "3"}}
    parts = [snapshot(0, region(K, 2 * K, 20), took_ms=ms) for ms in (1600, 105)]
    found = one(*parts, intervals=goal)
    assert list(found.sample_us) == [80000, 5000]
    assert list(one(*parts).sample_us) == [5000, 5000]


def test_targets_are_kept_apart_and_parts_of_one_are_put_together():
    found = read(
        text(
            record(snapshot(1, region(K, 2 * K, 2)), target_id=1),
            record(snapshot(1, region(K, 2 * K, 1))),
            record(snapshot(0, region(K, 3 * K, 3), region(3 * K, 4 * K, 4)), target_id=1),
        )
    )
    assert [str(one.target) for one in found.targets] == ["target 0", "target 1"]
    assert list(found.targets[1].accesses) == [3, 4, 2]
    assert list(found.targets[1].first) == [0, 2, 3]


def test_the_snapshot_that_damo_makes_up_is_left_out():
    fake = region(0, 0, -1) | {"age": {"usec": None, "aggr_intervals": "-1"}}
    found = one(snapshot(0, region(K, 2 * K, 1)), snapshot(1, fake))
    assert (found.snapshots, found.regions) == (2, 1)


def test_a_newer_layout_that_puts_the_records_deeper():
    inner = {
        "record_list": [record(snapshot(0, region(K, 2 * K, 9)))],
        "kdamonds": [{"state": "on"}],
    }
    new = {"damo_record_ver": 2, "damon_records": inner, "others": {"a": [1, {"b": 2}], "c": "d"}}
    (found,) = read(json.dumps(new).encode()).targets
    assert list(found.accesses) == [9]


def test_what_is_not_kept_is_said():
    found = read(text(record(snapshot(0, region(K, 2 * K, 9, probe_hits=[1, 2]))), record()))
    assert found.notes == (
        "hits of probes are not kept",
        "a record without snapshots is left out",
    )


def test_filters_and_schemes():
    found = one(snapshot(0, region(K, 3 * K, 9, sz_filter_passed="4.000 KiB")), scheme_idx=2)
    assert found.target.scheme == 2 and list(found.passed) == [K]
    assert str(found.target) == "scheme 2, target 0"


@pytest.mark.parametrize(
    ("blob", "words"),
    [
        (b"", "byte 0: not JSON|byte 0: it ends in the middle|byte 0: there is no record"),
        (b"[]", "byte 0: there is no record with snapshots in it"),
        (b"[1, 2]", "there is no record"),
        (b"[{", "byte 2: "),
        (b'[{"snapshots": 3}]', "byte 15: a list was expected"),
        (b'[{"snapshots": [3]}]', "byte 16: a snapshot was expected"),
        (b'[{"snapshots": [{}]}]', "byte 16: a snapshot: there is no 'regions'"),
        (text(record(snapshot(0, region(K, K, 3)))), "a snapshot: a region from 4096 to 4096"),
        (text(record(snapshot(0, region(K, 2 * K, -3)))), "negative"),
        (text(record(snapshot(0, region(K, 1 << 65, 3)))), "more than 64 bits"),
        (text(record(snapshot(0, region(K, 2 * K, 3), end_time="5"))), "a snapshot from"),
        (text(record(snapshot(0, {"start": 1}))), "there is no 'end'"),
        (text(record(snapshot(0, 7))), "not a snapshot of damo"),
        (
            text(record(snapshot(0), intervals={"sample_us": "5"})),
            "intervals of a record: 'aggr_us'",
        ),
        (text(record(snapshot(0), target_id="x")), "a record of damo: 'x' is not a number"),
        (text(record(snapshot(0, region(K, 2 * K, 1)))) + b"]", "text behind the end"),
        (text(record(snapshot(0, region(K, 2 * K, 1))))[:-40], "it ends in the middle"),
        (b"[" * 100_000, "nested too deep"),
    ],
)
def test_what_is_broken_is_named_with_its_byte(blob, words):
    with pytest.raises(Damaged, match=words) as caught:
        read(blob)
    assert str(caught.value).startswith("byte ")


@given(record=records(), piece=st.integers(1, 300), small=st.booleans())
def test_what_is_written_is_read_in_any_pieces(record, piece, small):
    blob = b"".join(damo_json([record]))
    if small:
        blob = json.dumps(json.loads(blob)).encode()
    (found,) = read(blob, piece).targets
    assert same(found, record)


@given(record=records(), order=st.randoms())
def test_the_order_of_keys_does_not_matter(record, order):
    def shuffled(value):
        if isinstance(value, dict):
            keys = list(value)
            order.shuffle(keys)
            return {key: shuffled(value[key]) for key in keys}
        return [shuffled(one) for one in value] if isinstance(value, list) else value

    document = json.loads(b"".join(damo_json([record])))
    (found,) = read(json.dumps(shuffled(document), indent=4).encode()).targets
    assert same(found, record)


@given(record=records(), data=st.data())
def test_a_damaged_record_is_refused_or_read_but_never_worse(record, data):
    blob = bytearray(b"".join(damo_json([record])))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(blob) - 1))
        blob[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=4))
    try:
        found = read(bytes(blob))
    except Damaged as error:
        assert str(error).startswith("byte ")
    else:
        assert all(one.snapshots for one in found.targets)


@given(blob=st.binary(max_size=200))
def test_any_bytes(blob):
    with suppress(Damaged):
        read(blob)


def test_packed_is_what_damo_packs():
    blob = b"".join(packed([b"[", b"]"]))
    assert blob[:2] == b"\x78\x9c" and zlib.decompress(blob) == b"[]"


def test_an_empty_snapshot_is_kept():
    found = one(snapshot(0), snapshot(1, region(K, 2 * K, 1)))
    assert list(found.first) == [0, 0, 1] and list(accessed_bytes(found)) == [0, K]
    assert np.array_equal(found.full, [20, 20])
