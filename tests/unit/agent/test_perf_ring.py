"""Reading perf records: captured rings (tests/data/perf), and what damage does to them."""

import json
import random
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.agent.perf_ring import parse, unread

DATA = Path(__file__).resolve().parents[2] / "data" / "perf"
RINGS = json.loads((DATA / "rings.json").read_text())["rings"]
PAGE = 4096


def sample(pid, address, misc=2):
    return struct.pack("<IHHIIQ", 9, misc, 24, pid, pid + 1, address)


def lost(count):
    return struct.pack("<IHHQQ", 2, 0, 24, 77, count)


def throttle(kind):
    return struct.pack("<IHHQQQ", kind, 0, 32, 123456789, 77, 77)


def lost_samples(count):
    return struct.pack("<IHHQ", 13, 0, 16, count)


def test_a_captured_ring_in_the_order_of_the_faults():
    truth = RINGS["page-faults.bin"]
    found = parse((DATA / "page-faults.bin").read_bytes(), truth["pid"])
    assert found.samples == len(truth["order"]) == 64
    assert [at // PAGE * PAGE for at in found.addresses] == [
        truth["start"] + page * PAGE for page in truth["order"]
    ]
    assert (found.lost, found.unknown, found.damaged) == (0, 0, 0)


def test_a_captured_ring_that_overflowed_and_wrapped():
    truth = RINGS["overflow-ring.bin"]
    first = parse((DATA / "overflow-first.bin").read_bytes(), truth["pid"])
    ring = (DATA / "overflow-ring.bin").read_bytes()
    assert truth["tail"] // len(ring) < truth["head"] // len(ring)  # it does wrap
    second = parse(unread(ring, truth["tail"], truth["head"]), truth["pid"])
    # The loss is told once there is room again, before the first record that found some.
    assert (first.lost, second.lost) == (0, truth["lost"])
    assert first.samples + second.samples + second.lost == truth["events"]
    assert [at // PAGE * PAGE for at in second.addresses] == [
        truth["start"] + page * PAGE for page in range(*truth["touched"])
    ]


def test_another_process_counts_but_its_addresses_are_not_ours():
    data = sample(5, 0x1000) + sample(6, 0x2000) + sample(5, 0x3000)
    for chunk in (data, data + throttle(5)):  # the quick way and the walk
        found = parse(chunk, 5)
        assert (found.samples, list(found.addresses)) == (3, [0x1000, 0x3000])
    assert list(parse(data, 7).addresses) == []


def test_every_kind_of_record_between_samples():
    data = b"".join(
        [
            throttle(5), sample(5, 1), lost(10), sample(5, 2), lost_samples(4), throttle(6),
            sample(5, 3), struct.pack("<IHHQ", 14, 0, 16, 0), lost(3), sample(5, 4),
        ]
    )  # fmt: skip
    found = parse(data, 5)
    assert list(found.addresses) == [1, 2, 3, 4]
    assert (found.lost, found.lost_samples) == (13, 4)
    assert (found.throttled, found.unthrottled) == (1, 1)
    assert (found.unknown, found.damaged) == (1, 0)


def test_a_lost_record_is_as_long_as_a_sample_and_is_none():
    found = parse(sample(5, 1) + lost(2) + sample(5, 3), 5)
    assert (found.samples, found.lost, list(found.addresses)) == (2, 2, [1, 3])


def test_an_address_that_looks_like_a_header():
    """A record of another length shifts the columns: addresses and pids come to lie in them."""
    header = int.from_bytes(sample(0, 0)[:8], "little")
    data = throttle(5) + b"".join(sample(5, header) for _ in range(5)) + lost_samples(1)
    assert len(data) % 24 == 0
    found = parse(data, 5)
    assert list(found.addresses) == [header] * 5
    assert (found.throttled, found.lost_samples, found.damaged) == (1, 1, 0)


@pytest.mark.parametrize("cut", range(1, 24))
def test_a_cut_record_is_counted_as_damage(cut):
    data = sample(5, 1) + sample(5, 2)
    found = parse(data[:-cut], 5)
    assert list(found.addresses) == [1]
    assert found.damaged == 24 - cut


@pytest.mark.parametrize("size", [0, 4, 7, 9, 23, 1 << 15])
def test_an_impossible_size_ends_the_chunk(size):
    broken = struct.pack("<IHHIIQ", 9, 0, size, 5, 6, 7)
    found = parse(sample(5, 1) + broken + sample(5, 2), 5)
    assert list(found.addresses) == [1]
    assert found.damaged == 48


@given(st.binary(max_size=200))
def test_no_bytes_raise_and_all_are_accounted_for(data):
    found = parse(data, 5)
    assert 0 <= found.damaged <= len(data)
    assert len(found.addresses) <= found.samples <= len(data) // 24


@given(st.data())
def test_a_damaged_capture_never_raises(data):
    truth = RINGS["page-faults.bin"]
    captured = bytearray((DATA / "page-faults.bin").read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        captured[data.draw(st.integers(0, len(captured) - 1))] = data.draw(st.integers(0, 255))
    found = parse(bytes(captured), truth["pid"])
    assert found.samples * 24 + found.damaged <= len(captured)


KINDS = st.sampled_from(["sample", "other", "lost", "throttle", "lost_samples"])


@given(st.lists(KINDS, max_size=60), st.integers(0, 10_000))
def test_records_survive_any_wrap(kinds, before):
    """Whatever is written and wherever the ring stands, the reader finds just that."""
    made = {
        "sample": lambda n: sample(5, n), "other": lambda n: sample(6, n),
        "lost": lambda n: lost(n + 1), "throttle": lambda n: throttle(5),
        "lost_samples": lambda n: lost_samples(n + 1),
    }  # fmt: skip
    data = b"".join(made[kind](number) for number, kind in enumerate(kinds))
    ring = bytearray(random.Random(1).randbytes(4096))
    tail = before * 8
    for offset, byte in enumerate(data):
        ring[(tail + offset) % len(ring)] = byte
    found = parse(unread(ring, tail, tail + len(data)), 5)
    assert list(found.addresses) == [n for n, kind in enumerate(kinds) if kind == "sample"]
    assert found.samples == kinds.count("sample") + kinds.count("other")
    assert found.lost == sum(n + 1 for n, kind in enumerate(kinds) if kind == "lost")
    assert found.throttled == kinds.count("throttle")
    assert found.damaged == found.unknown == 0


def test_a_full_ring_and_an_empty_one():
    ring = bytes(range(256))
    assert unread(ring, 8, 8) == b""
    assert unread(ring, 256, 512) == ring
    assert unread(ring, 264, 520) == ring[8:] + ring[:8]


@pytest.mark.parametrize(("tail", "head"), [(8, 0), (0, 257), (1 << 63, 0)])
def test_a_control_page_that_cannot_be_true(tail, head):
    with pytest.raises(ValueError, match="cannot hold"):
        unread(bytes(256), tail, head)
