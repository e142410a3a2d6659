"""What a recorder makes of a tracker's calls: bins, shares, and what nobody looked at."""

from __future__ import annotations

import base64
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.agent.recording import PAGE_BYTES, BinRecorder, bin_size

MS = 1_000_000
BASE = 0x7F00_0000_0000


def unpack(text: str) -> list[int]:
    return list(zlib.decompress(base64.b64decode(text)))


class Sent(list):
    """What was emitted, with shares and looks unpacked."""

    def __call__(self, kind, **fields):
        assert kind == "sample" and fields["part"] is True
        self.append(fields)

    @property
    def shares(self):
        return [unpack(part["share_zlib_base64"]) for part in self]

    @property
    def looked(self):
        return [unpack(part["looked_zlib_base64"]) for part in self]


def recorder(ranges, bins=4, every_ms=100):
    sent = Sent()
    return BinRecorder(sent, "r", ranges, bins, every_ms, since_ns=0), sent


def pages(count, start=BASE):
    return [start, start + count * PAGE_BYTES]


def test_a_share_per_bin():
    rec, sent = recorder([pages(8)])
    rec.pages(BASE, PAGE_BYTES, bytes([1, 1, 0, 1, 0, 0, 1, 1]))
    rec.round_ended(100 * MS)
    assert sent.shares == [[255, 128, 0, 255]]
    assert sent.looked == [[1, 1, 1, 1]]
    assert (sent[0]["since_ns"], sent[0]["at_ns"], sent[0]["rounds"]) == (0, 100 * MS, 1)
    assert sent[0]["ranges"] == [pages(8)] and sent[0]["bin_bytes"] == 2 * PAGE_BYTES


def test_what_was_not_looked_at_is_not_cold():
    rec, sent = recorder([pages(8)])
    rec.pages(BASE + 2 * PAGE_BYTES, PAGE_BYTES, bytes([0, 0, 1]))
    rec.round_ended(100 * MS)
    assert sent.looked == [[0, 1, 1, 0]]
    # Of the third bin one page was looked at, and it was accessed.
    assert sent.shares == [[0, 0, 255, 0]]


def test_memory_outside_the_target_is_left_out():
    rec, sent = recorder([pages(4), pages(4, BASE + (1 << 30))])
    rec.pages(BASE - 2 * PAGE_BYTES, PAGE_BYTES, bytes([1, 1, 0, 0, 0, 0, 1, 1]))
    rec.pages(BASE + (1 << 30), PAGE_BYTES, bytes([0, 0, 1, 1]))
    rec.pages(0, PAGE_BYTES, bytes([1] * 10))
    rec.round_ended(100 * MS)
    assert sent.shares == [[0, 0, 0, 255]]
    assert sent.looked == [[1, 1, 1, 1]]


def test_short_rounds_become_one_part_and_long_ones_one_each():
    rec, sent = recorder([pages(4)], every_ms=100)
    for at, flag in ((40, 1), (80, 0), (120, 0), (400, 1)):
        rec.pages(BASE, PAGE_BYTES, bytes([flag, 0, 0, 0]))
        rec.round_ended(at * MS)
    assert [(part["since_ns"] // MS, part["at_ns"] // MS, part["rounds"]) for part in sent] == [
        (0, 120, 3),
        (120, 400, 1),
    ]
    # One of three checks, then one of one.
    assert [share[0] for share in sent.shares] == [85, 255]


def test_flush_sends_what_is_left_once():
    rec, sent = recorder([pages(4)], every_ms=1000)
    rec.flush()
    assert not sent
    rec.pages(BASE, PAGE_BYTES, bytes([0, 1, 0, 0]))
    rec.round_ended(10 * MS)
    rec.flush()
    rec.flush()
    assert sent.shares == [[0, 255, 0, 0]]


def test_regions_weigh_by_their_bytes():
    rec, sent = recorder([pages(8)])
    rec.region(BASE, BASE + 3 * PAGE_BYTES, 1.0)
    rec.region(BASE + 3 * PAGE_BYTES, BASE + 6 * PAGE_BYTES, 0.1)
    rec.round_ended(100 * MS)
    assert sent.shares == [[255, round(255 * 0.55), round(255 * 0.1), 0]]
    assert sent.looked == [[1, 1, 1, 0]]


def test_a_huge_page_counts_in_every_bin_it_reaches_into():
    rec, sent = recorder([pages(8)])
    rec.pages(BASE, 4 * PAGE_BYTES, bytes([1, 0]))
    rec.round_ended(100 * MS)
    assert sent.shares == [[255, 255, 0, 0]]


def test_one_page_of_many_does_not_vanish():
    rec, sent = recorder([pages(4000)], bins=1)
    rec.pages(BASE, PAGE_BYTES, bytes([0] * 3999 + [1]))
    rec.round_ended(100 * MS)
    assert sent.shares == [[1]]


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=6), st.integers(1, 300))
def test_at_most_so_many_bins(counts, bins):
    ranges, start = [], BASE
    for count in counts:
        ranges.append(pages(count, start))
        start += (count + 7) * PAGE_BYTES
    size = bin_size(ranges, bins)
    assert size % PAGE_BYTES == 0
    made = sum(-(-(end - begin) // size) for begin, end in ranges)
    assert made <= max(bins, len(ranges))
    rec, sent = recorder(ranges, bins=bins)
    rec.round_ended(100 * MS)
    assert len(sent.looked[0]) == made and not any(sent.looked[0])


@pytest.mark.parametrize("count", [7, 8, 9, 1000])
@given(data=st.data())
def test_shares_agree_with_counting_page_by_page(count, data):
    flags = data.draw(st.binary(min_size=count, max_size=count).map(lambda b: b.translate(BITS)))
    rec, sent = recorder([pages(count)], bins=5)
    rec.pages(BASE, PAGE_BYTES, flags)
    rec.round_ended(100 * MS)
    size = sent[0]["bin_bytes"] // PAGE_BYTES
    wanted = [flags[i : i + size] for i in range(0, count, size)]
    for share, part in zip(sent.shares[0], wanted, strict=True):
        assert share == pytest.approx(255 * sum(part) / len(part), abs=0.5 if sum(part) else 0)


BITS = bytes(value & 1 for value in range(256))
