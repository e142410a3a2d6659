"""Host's and guest's agent talk: both are real, the guest is this machine's own user space.

What stands in for ssh and the VM is a shell; the real ones are in tests/lab/test_nested.py.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import zlib
from array import array
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotkit.agent.guest.life import Guest
from hotkit.agent.guest.link import DIRECTORY, GuestGone, Link
from hotkit.agent.guest.proxies import GuestTracker, GuestWorkload
from hotkit.agent.protocol import AgentError
from hotkit.agent.stage import settings_of
from hotkit.agent.trackers.uffd_wp import UffdWp
from hotkit.host.workload import build_hotset, build_scan
from hotkit.host.zipapp import build_agent

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the agent takes root")

WORK = {
    "size_bytes": 4 << 20, "hot_bytes": 1 << 20, "weight": 1_000_000_000, "updates": 30_000_000,
    "seed": 1, "threads": 1,
}  # fmt: skip


class HereGuest(Guest):
    """A guest whose commands run here; its files go below `root`."""

    def __init__(self, root: Path):
        super().__init__({"name": "g1", "kind": "process", "pid": os.getpid()}, root)
        self._there = str(root / "there")

    def ssh_words(self, words: list[str]) -> list[str]:
        line = " ".join(words).replace("python3", sys.executable).replace(DIRECTORY, self._there)
        return ["sh", "-c", line if ";" in line else f"exec {line}"]


@pytest.fixture
def link(tmp_path: Path) -> Iterator[Link]:
    files = [build_agent().path, build_hotset().path, build_scan().path]
    found = Link(HereGuest(tmp_path / "guests"), files)
    yield found
    found.close()


def test_a_run_with_a_tracker_in_the_guest(link: Link) -> None:
    work = GuestWorkload(link, "hotset", WORK)
    truth = work.start()
    assert Path(f"/proc/{truth['pid']}").exists()
    assert work.ranges == [[truth["start"], truth["start"] + truth["bytes"]]]
    frames = array("Q")
    frames.frombytes(zlib.decompress(b64decode(link.ask("frames"))))
    assert len(frames) == WORK["size_bytes"] // 4096 and all(frames)
    tracker = GuestTracker(link, UffdWp)
    settings = settings_of("uffd-wp", {"interval_ms": 50})
    assert tracker.probe(settings).reason is None
    tracker.start({}, settings)
    before = link.ask("counters")
    result = work.run()
    tracker.stop()
    assert link.ask("counters")["vmstat.pgfault"] > before["vmstat.pgfault"]
    assert result["updates"] == WORK["updates"] and result["duration_ns"] > 0
    # One clock here: the difference is what the look may be off.
    host_ns, guest_ns, error_ns = link.clocks()
    assert abs(host_ns - guest_ns) <= error_ns
    # Every page of the hot part was written, no other: the guest says so in its own addresses.
    part = next(item for item in tracker.hot() if item.start == truth["start"])
    hot = WORK["hot_bytes"] // 4096
    assert 0 not in part.heat[:hot] and not any(part.heat[hot:])
    assert tracker.samples().positive >= hot and tracker.self_cost() > 0
    work.stop()
    assert not Path(f"/proc/{truth['pid']}").exists()


def test_an_error_in_the_guest_is_told_and_the_session_goes_on(link: Link) -> None:
    with pytest.raises(AgentError, match="in guest g1: no tracker 'nonsense'"):
        link.ask("probe", tracker="nonsense", settings={})
    with pytest.raises(AgentError, match="in guest g1: hotset: unknown parameter 'hors'"):
        link.ask("start", kind="hotset", parameters={"hors": 1})
    assert link.ask("hello")["machine"]["arch"] == os.uname().machine


def test_marks_are_where_the_guest_says(link: Link) -> None:
    """Here the physical addresses are this machine's; what counts is that there are some."""
    marks = link.ask("marks", count=3)
    assert len({gpa for gpa, _ in marks}) == 3
    assert all(
        gpa % 4096 == 0 and gpa > 0 and len(bytes.fromhex(said)) == 32 for gpa, said in marks
    )
    assert link.ask("marks", count=0) == []


def serving(link: Link) -> int:
    return link._child.pid


def test_an_agent_that_dies_fails_the_run_with_one_sentence(link: Link) -> None:
    work = GuestWorkload(link, "hotset", dict(WORK, updates=1 << 40))
    truth = work.start()
    child = serving(link)
    if os.fork() == 0:
        time.sleep(0.5)
        os.kill(child, signal.SIGKILL)
        os._exit(0)
    with pytest.raises(GuestGone, match=r"^guest g1: the connection to its agent was lost"):
        work.run()
    os.wait()
    began = time.monotonic()
    with pytest.raises(GuestGone):
        link.ask("counters")
    work.stop()  # a second time nothing waits, and nobody complains
    assert time.monotonic() - began < 5
    # Its workload does not outlive it.
    until = time.monotonic() + 10
    while Path(f"/proc/{truth['pid']}").exists() and time.monotonic() < until:
        time.sleep(0.1)
    assert not Path(f"/proc/{truth['pid']}").exists()


def test_an_agent_that_hangs_is_not_waited_for(link: Link) -> None:
    os.kill(serving(link), signal.SIGSTOP)
    try:
        with pytest.raises(GuestGone, match=r"guest g1 hangs: no answer to 'hello' within 1 s"):
            link.ask("hello", wait_s=1)
    finally:
        os.kill(serving(link), signal.SIGCONT)


def test_the_guests_agent_ends_with_the_line(link: Link) -> None:
    work = GuestWorkload(link, "hotset", dict(WORK, updates=1 << 40))
    truth = work.start()
    link.close()
    assert not Path(f"/proc/{truth['pid']}").exists()
