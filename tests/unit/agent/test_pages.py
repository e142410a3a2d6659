"""Frames of pages, RAM and symbols, of this very machine and process."""

import ctypes
import json
import mmap
import os
import platform
import re
import subprocess
import sys
import tempfile
from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.agent.pages import frames_in, frames_of, iomem_ram, kernel_has
from hotkit.agent.protocol import AgentError

PAGE = 4096
ROOT = Path(__file__).resolve().parents[3]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="frames and addresses are shown to root")

# Any of the three as somebody who may not: run by root, it becomes nobody first.
UNPRIVILEGED = """
import json, os, sys
from hotkit.agent import pages
from hotkit.agent.protocol import AgentError
if os.geteuid() == 0:
    os.setgid(65534), os.setuid(65534)
said = {}
for name, arguments in (("frames_of", (int(sys.argv[1]), 4096, 8192)), ("iomem_ram", ())):
    try:
        said[name] = list(getattr(pages, name)(*arguments))
    except AgentError as error:
        said[name] = [error.message, error.fix]
print(json.dumps(said))
"""


def address_of(memory):
    """Where a mapping of ours is."""
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def populated(pages, touched):
    memory = mmap.mmap(-1, pages * PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    for page in touched:
        memory[page * PAGE] = 1
    return memory


# What the kernel shows: a page in RAM with any flags, nothing (also soft-dirty), a swapped page.
ENTRIES = st.one_of(
    st.integers(1 << 63, (1 << 64) - 1),
    st.sampled_from([0, 1 << 55]),
    st.integers(1 << 62, (1 << 63) - 1),
)


@given(st.lists(ENTRIES) | st.lists(st.integers(1 << 63, (1 << 64) - 1) | st.just(1 << 55)))
def test_a_frame_is_the_low_55_bits_of_what_is_present(entries):
    frames = array("Q", bytes(frames_in(array("Q", entries).tobytes())))
    assert list(frames) == [entry % (1 << 55) if entry >> 63 else 0 for entry in entries]


@as_root
def test_frames_of_our_own_pages():
    """Each page that was touched has a frame of its own, in RAM; the others have none."""
    touched = {0, 3, 4, 63}
    memory = populated(64, touched)
    start = address_of(memory)
    frames = frames_of(os.getpid(), start, start + 64 * PAGE)
    assert {page for page, frame in enumerate(frames) if frame} == touched
    found = [frame for frame in frames if frame]
    assert len(set(found)) == len(found)
    ram = iomem_ram()
    assert all(any(a <= frame * PAGE < b for a, b in ram) for frame in found)
    # A part of it is that part.
    assert frames_of(os.getpid(), start + 2 * PAGE, start + 6 * PAGE) == frames[2:6]
    assert list(frames_of(os.getpid(), start, start)) == []


@as_root
def test_one_page_mapped_twice_has_one_frame():
    with tempfile.TemporaryFile(dir="/dev/shm") as file:
        file.truncate(8 * PAGE)
        one, other = (mmap.mmap(file.fileno(), 8 * PAGE) for _ in range(2))
        for page in range(8):
            one[page * PAGE] = other[page * PAGE] = 1
        places = [address_of(memory) for memory in (one, other)]
        frames = [frames_of(os.getpid(), at, at + 8 * PAGE) for at in places]
    assert places[0] != places[1]
    assert frames[0] == frames[1]
    assert all(frames[0])


@as_root
def test_more_pages_than_one_read_takes():
    """Pages on both sides of where one read ends and the next begins, and the very last."""
    touched = {0, 65535, 65536, 131071, 131072, 131999}
    memory = populated(132000, touched)
    start = address_of(memory)
    frames = frames_of(os.getpid(), start, start + 132000 * PAGE)
    assert len(frames) == 132000
    assert {page for page, frame in enumerate(frames) if frame} == touched


@as_root
def test_a_pagemap_that_ends_early():
    """Behind the addresses that a process can have there is nothing to read."""
    end = 1 << 56  # of the longest that x86-64 and arm64 have
    with pytest.raises(AgentError, match=f"^/proc/{os.getpid()}/pagemap ended early"):
        frames_of(os.getpid(), end, end + PAGE)
    # Where that end is, with four levels of page tables on x86-64: a part of a read is there.
    start = (1 << 47) - 8 * PAGE
    with Path("/proc/self/pagemap").open("rb", buffering=0) as stream:
        there = len(os.pread(stream.fileno(), 16 * 8, start // PAGE * 8)) // 8
    if platform.machine() == "x86_64":
        assert there == 7  # the last page below 1 << 47 is nobody's
    assert len(frames_of(os.getpid(), start, start + there * PAGE)) == there
    if there < 16:
        with pytest.raises(AgentError, match="ended early"):
            frames_of(os.getpid(), start, start + 16 * PAGE)


@as_root
def test_a_process_that_has_ended():
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, not reaped
    with pytest.raises(AgentError, match=f"^/proc/{child.pid}/pagemap"):
        frames_of(child.pid, PAGE, 2 * PAGE)
    child.wait()
    with pytest.raises(AgentError, match=f"^/proc/{child.pid}/pagemap: No such file"):
        frames_of(child.pid, PAGE, 2 * PAGE)


@as_root
def test_ram_is_what_iomem_says():
    found = iomem_ram()
    assert found == sorted(found)
    assert all(a < b and a % PAGE == 0 and b % PAGE == 0 for a, b in found)
    assert all(one[1] <= other[0] for one, other in zip(found, found[1:], strict=False))
    # By another way: MemTotal is less (the kernel itself), but not by much.
    total = int(re.search(r"MemTotal: +(\d+) kB", Path("/proc/meminfo").read_text())[1]) << 10
    assert total <= sum(b - a for a, b in found) <= 1.25 * total + (256 << 20)
    rows = [row for row in Path("/proc/iomem").read_text().splitlines() if "System RAM" in row]
    assert len(rows) >= len(found) > 0


@as_root
def test_nobody_sees_frames_or_addresses():
    memory = populated(1, {0})
    done = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED, str(os.getpid())],
        env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    memory.close()
    said = json.loads(done.stdout)
    assert said["frames_of"] == [f"/proc/{os.getpid()}/pagemap: Permission denied", "run as root"]
    assert said["iomem_ram"] == ["/proc/iomem shows no addresses", "run as root"]


def test_symbols_of_this_kernel():
    assert kernel_has("vfs_read") is True
    assert kernel_has("hotkit_has_no_such_symbol") is False


@as_root
def test_symbols_that_cannot_be_read():
    """In a mount namespace of its own, /proc is empty."""
    code = "from hotkit.agent.pages import kernel_has; print(kernel_has('vfs_read'))"
    script = 'mount -t tmpfs none /proc && exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("None\n", "")
