"""What the kernel said since a moment: its log by sequence number (ABI/testing/dev-kmsg).

Each read of /dev/kmsg gives one record, "priority,sequence,microseconds,flags;text", with lines of
further keys behind it that begin with a space. Any handle sees every record once, so a reader that
comes last takes nothing from the others.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import NamedTuple

# syslog(2): the number of a level is its place.
LEVELS = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
# More than the longest record (CONSOLE_EXT_LOG_MAX, include/linux/printk.h), or the read fails.
_MOST_BYTES = 1 << 16


class Message(NamedTuple):
    """One record; `level` is a place in LEVELS. Who wrote it: the kernel, or else user space."""

    sequence: int
    level: int
    by_kernel: bool
    text: str


class KernelLog:
    """The log from now on. `refused` says why it cannot be read, None when it can."""

    def __init__(self, path: Path = Path("/dev/kmsg")):
        self.refused: str | None = None
        self._handle = -1
        self._last = -1
        self._overrun = False
        self._kept: list[Message] = []
        try:
            self._handle = os.open(str(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            self.mark()
        except OSError as error:
            self.refused = f"{path}: {error.strerror}"
            self.close()

    def mark(self) -> int:
        """Forget what was said so far; returns the sequence number of the last record, or -1."""
        self._drain()
        self._kept.clear()
        self._overrun = False
        return self._last

    def since(self, sequence: int) -> tuple[list[Message], bool]:
        """What was said after that record, and after the last mark.

        True when the kernel wrote over records before they could be read.
        """
        self._drain()
        return [message for message in self._kept if message.sequence > sequence], self._overrun

    def close(self) -> None:
        """Let the log go; it may be called twice."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _drain(self) -> None:
        while self._handle >= 0:
            try:
                got = os.read(self._handle, _MOST_BYTES)
            except OSError as error:
                if error.errno == errno.EPIPE:
                    # The next record was written over; the read after this one goes on behind it.
                    self._overrun = True
                    continue
                if error.errno == errno.EAGAIN:
                    return
                raise
            if not got:
                return
            for row in got.decode(errors="replace").splitlines():
                message = _parsed(row)
                if message is not None:
                    self._kept.append(message)
                    self._last = message.sequence


def _parsed(row: str) -> Message | None:
    """None for a line with further keys of a record."""
    head, there, text = row.partition(";")
    fields = head.split(",")
    if not there or len(fields) < 3 or not (fields[0].isdigit() and fields[1].isdigit()):
        return None
    # The low three bits are the level, the others who wrote it: 0 is the kernel (syslog(2)).
    priority = int(fields[0])
    return Message(int(fields[1]), priority & 7, priority >> 3 == 0, text)
