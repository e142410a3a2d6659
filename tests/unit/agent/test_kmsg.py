"""The kernel's log: records that were written over, and that are no records."""

from __future__ import annotations

import errno
import os

from hotkit.agent.kmsg import KernelLog, Message


def test_records_are_read_and_their_further_keys_are_not(tmp_path):
    log = tmp_path / "kmsg"
    log.write_text("6,339,5140900,-;NET: Registered\n SUBSYSTEM=acpi\n DEVICE=+acpi:PNP0A03;x\n")
    found = KernelLog(log)
    with log.open("a") as more:
        more.write("30,340,5690716,c,caller=T1;udevd; starting\nno record\n")
    assert found.since(-1) == ([Message(340, 6, False, "udevd; starting")], False)
    assert found.since(340) == ([], False)
    assert found.mark() == 340 and found.since(-1) == ([], False)
    found.close()
    found.close()


def test_what_was_written_over_is_told_until_the_next_mark(tmp_path, monkeypatch):
    """The real thing would take a flood that drives everybody's messages out of the log."""
    (tmp_path / "kmsg").write_text("")
    found = KernelLog(tmp_path / "kmsg")
    answers = [OSError(errno.EPIPE, "Broken pipe"), b"4,900,1,-;behind it\n",
               OSError(errno.EAGAIN, "again")]  # fmt: skip

    def read(handle, size):
        answer = answers.pop(0) if answers else b""
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(os, "read", read)
    assert found.since(-1) == ([Message(900, 4, True, "behind it")], True)
    found.mark()
    assert found.since(-1) == ([], False)


def test_a_log_that_cannot_be_read(tmp_path):
    found = KernelLog(tmp_path / "kmsg")
    assert found.refused and "No such file" in found.refused
    assert found.since(found.mark()) == ([], False)
