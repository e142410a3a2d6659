"""The ring that the kernel writes perf records to, and what the records say.

Layouts: include/uapi/linux/perf_event.h (perf_event_open(2), "MMAP layout"). A sample is asked for
with PERF_SAMPLE_TID | PERF_SAMPLE_ADDR and without sample_id_all, so that it is three words:

  header (u32 type, u16 misc, u16 size = 24) | u32 pid, u32 tid | u64 address

Millions of them come in a run, so a chunk without any other record is cut into columns at C speed.
"""

from __future__ import annotations

import mmap
import struct
from array import array
from itertools import compress
from typing import Any

RECORD_LOST = 2
RECORD_THROTTLE = 5
RECORD_UNTHROTTLE = 6
RECORD_SAMPLE = 9
RECORD_LOST_SAMPLES = 13

_WORD = 8
_SAMPLE_WORDS = 3
_HEADER = struct.Struct("<IHH")
_SAMPLE = struct.Struct("<8xIIQ")
_LOST = struct.Struct("<8xQQ")
_LOST_SAMPLES = struct.Struct("<8xQ")
# Words of struct perf_event_mmap_page: where the kernel writes next, where we read next, and the
# place and size of the data, in bytes.
_DATA_HEAD, _DATA_TAIL, _DATA_OFFSET, _DATA_SIZE = 128, 129, 130, 131


class Records:
    """What a chunk of a ring says.

    `addresses` are those of the process asked for; `samples` counts all, other processes' too
    (children that it forked). `lost` is what the kernel had no room for in the ring
    (PERF_RECORD_LOST), `lost_samples` what the hardware's buffer lost (PERF_RECORD_LOST_SAMPLES).
    `damaged` is bytes that are no record: nothing behind them in the chunk can be read.
    """

    def __init__(self) -> None:
        self.addresses: array[int] = array("Q")
        self.samples = 0
        self.lost = 0
        self.lost_samples = 0
        self.throttled = 0
        self.unthrottled = 0
        self.unknown = 0
        self.damaged = 0


def parse(data: bytes, pid: int) -> Records:
    """The records in `data`, which begins with one. Never raises: damage is counted."""
    whole = len(data) // _WORD * _WORD
    words = array("Q", data[:whole])
    found = Records()
    # If a record of another size is among them, the first such is at a multiple of three words:
    # its header is in this column, and the chunk is walked.
    if len(words) % _SAMPLE_WORDS == 0 and all(map(_is_sample, set(words[::_SAMPLE_WORDS]))):
        found.damaged = len(data) - whole
        _take_columns(words, pid, found)
    else:
        _walk(data, pid, found)
    return found


def _is_sample(header: int) -> bool:
    return header & 0xFFFFFFFF == RECORD_SAMPLE and header >> 48 == _SAMPLE_WORDS * _WORD


def _take_columns(words: array[int], pid: int, found: Records) -> None:
    owners = words[1::_SAMPLE_WORDS]
    addresses = words[2::_SAMPLE_WORDS]
    found.samples += len(owners)
    # One word holds pid (low half) and tid; there are few different ones.
    owners_seen = set(owners)
    ours = {owner for owner in owners_seen if owner & 0xFFFFFFFF == pid}
    if len(ours) == len(owners_seen):
        found.addresses.extend(addresses)
    else:
        found.addresses.extend(compress(addresses, map(ours.__contains__, owners)))


def _walk(data: bytes, pid: int, found: Records) -> None:
    at = 0
    while at < len(data):
        if len(data) - at < _HEADER.size:
            break
        kind, _, size = _HEADER.unpack_from(data, at)
        # The kernel pads records to words; a size that is none, or leads out of the chunk, is
        # damage, and without it the next record cannot be found.
        if size < _HEADER.size or size % _WORD or at + size > len(data):
            break
        if kind == RECORD_SAMPLE and size == _SAMPLE.size:
            owner, _, address = _SAMPLE.unpack_from(data, at)
            found.samples += 1
            if owner == pid:
                found.addresses.append(address)
        elif kind == RECORD_LOST and size >= _LOST.size:
            found.lost += _LOST.unpack_from(data, at)[1]
        elif kind == RECORD_LOST_SAMPLES and size >= _LOST_SAMPLES.size:
            found.lost_samples += _LOST_SAMPLES.unpack_from(data, at)[0]
        elif kind == RECORD_THROTTLE:
            found.throttled += 1
        elif kind == RECORD_UNTHROTTLE:
            found.unthrottled += 1
        else:
            found.unknown += 1
        at += size
    found.damaged += len(data) - at


def unread(ring: Any, tail: int, head: int) -> bytes:
    """The bytes from `tail` to `head` of a ring; both count up for ever and wrap at its length.

    ValueError when they cannot be true: then the control page is damaged.
    """
    size = len(ring)
    if not 0 <= head - tail <= size:
        raise ValueError(f"a ring of {size} bytes cannot hold bytes {tail} to {head}")
    first, last = tail % size, head % size
    if head - tail == 0:
        return b""
    if first < last:
        return bytes(ring[first:last])
    return bytes(ring[first:]) + bytes(ring[:last])


class Ring:
    """The mapped ring of an event. OSError from the constructor: see perf_event.explain."""

    def __init__(self, fd: int, data_bytes: int):
        self.fd = fd
        # Writable, so that the kernel heeds data_tail and never overwrites what we have not read.
        self._map = mmap.mmap(fd, mmap.PAGESIZE + data_bytes)
        self._bytes = memoryview(self._map)
        self._control = self._bytes[: mmap.PAGESIZE].cast("Q")
        offset, size = self._control[_DATA_OFFSET], self._control[_DATA_SIZE]
        self._data = self._bytes[offset : offset + size]

    def read(self) -> bytes:
        """What the kernel wrote since the last call: whole records.

        A word is read and written in one instruction (memoryview copies 8 aligned bytes), and x86
        keeps loads in order and stores behind earlier loads, so no fence is needed there.
        """
        head, tail = self._control[_DATA_HEAD], self._control[_DATA_TAIL]
        data = unread(self._data, tail, head)
        self._control[_DATA_TAIL] = head
        return data

    def close(self) -> None:
        """Unmap. The event's own file stays the caller's."""
        for view in (self._control, self._data, self._bytes):
            view.release()
        self._map.close()
