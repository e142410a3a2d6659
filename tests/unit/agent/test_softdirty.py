"""Reading soft-dirty bits, from real files that hold what pagemap holds."""

import os
import struct

from hypothesis import given
from hypothesis import strategies as st

from hotkit.agent.trackers import TRACKERS
from hotkit.agent.trackers.base import complete
from hotkit.agent.trackers.softdirty import (
    PAGE_BYTES,
    SoftDirty,
    dirty_flags,
    read_flags,
    writable_ranges,
)
from hotkit.agent.undo import Undo

MAPS = """\
00400000-004c1000 r-xp 00000000 fe:00 131 /opt/a b/hotset
006c0000-006c6000 rw-p 000c0000 fe:00 131 /opt/a b/hotset
7f1000000000-7f1002000000 rw-p 00000000 00:00 0
7f1003000000-7f1003001000 rw-s 00000000 00:01 9 /dev/shm/x
7ffc1000-7ffc3000 rw-p 00000000 00:00 0          [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]
damaged line
"""


@given(st.lists(st.integers(0, 2**64 - 1)))
def test_flag_is_bit_55(entries):
    packed = struct.pack(f"<{len(entries)}Q", *entries)
    assert list(dirty_flags(packed)) == [entry >> 55 & 1 for entry in entries]


def test_read_flags_takes_the_pages_asked_for(tmp_path):
    dirty = {3, 4, 9}
    file = tmp_path / "pagemap"
    file.write_bytes(b"".join(struct.pack("<Q", (i in dirty) << 55 | 1 << 63) for i in range(10)))
    handle = os.open(file, os.O_RDONLY)
    try:
        assert read_flags(handle, 2 * PAGE_BYTES, 6 * PAGE_BYTES) == b"\0\1\1\0"
        # Behind the end: what there is, so that the caller sees that pages are missing.
        assert read_flags(handle, 8 * PAGE_BYTES, 20 * PAGE_BYTES) == b"\0\1"
    finally:
        os.close(handle)


def test_only_private_writable_mappings():
    assert writable_ranges(MAPS) == [
        (0x6C0000, 0x6C6000),
        (0x7F1000000000, 0x7F1002000000),
        (0x7FFC1000, 0x7FFC3000),
    ]


def test_mappings_are_read_again_each_round(tmp_path):
    """They are taken apart only when they have changed; and they may be longer than one read."""
    file = tmp_path / "maps"
    file.write_text(MAPS)
    tracker = SoftDirty(Undo(tmp_path))
    tracker._maps_file = os.open(file, os.O_RDONLY)
    try:
        assert tracker._ranges_now() == tracker._ranges_now() == writable_ranges(MAPS)
        many = "".join(f"{n:x}000-{n:x}800 rw-p 00000000 00:00 0\n" for n in range(1, 4000))
        file.write_text(MAPS + many)
        assert len(many) > 1 << 16
        assert tracker._ranges_now() == writable_ranges(MAPS + many)
        assert len(tracker._ranges_now()) == 3 + 3999
    finally:
        os.close(tracker._maps_file)


def test_probe_agrees_with_what_this_kernel_says(tmp_path):
    """Either it works here, and then it finds a write; or there is one reason and a fix."""
    found = SoftDirty(Undo(tmp_path)).probe(complete(SoftDirty, {}))
    if found.available:
        assert found.reason is None
    else:
        assert "soft-dirty" in found.reason or "/proc/self" in found.reason
        assert found.fix


def test_every_tracker_names_its_units():
    for name, kind in TRACKERS.items():
        assert kind.name == name
        assert set(kind.units) == {"examined", "positive"}
        assert kind.how and all(rule.help for rule in kind.settings.values())
