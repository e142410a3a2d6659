"""A schedule that goes on without its controller: its events are kept here until they are fetched.

<state>/sweeps/<id>/ holds, for each start k of an agent (0, 1, ... by the controller's count):

  k.jsonl     its events, each on disk before anybody hears of it; locked while the agent lives
  k.pid       the agent
  k.stop      what is asked of it: "run" or "block", to stop after the current one, or "now"
  k.log       what it said besides (tracebacks)
  k.reserve   space that is given back when the disk is full, so that the agent can still say so

A follower sends the events on and sleeps in inotify(7) in between: a reader that polls would wake
the measured machine.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import select
import shutil
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from hotkit.agent.protocol import AgentError

_RESERVE_BYTES = 64 << 10
_ENDING_S = 10.0
_LOOK_S = 60.0
# <sys/inotify.h>
_IN_MODIFY, _IN_CLOSE_WRITE = 0x2, 0x8
_EVENT = struct.Struct("iIII")

ENDED, GONE = 0, 4  # exit statuses of a follower: the session is over; the agent died before that


def is_locked(file: Path) -> bool:
    """Whether somebody holds the lock (flock) on a file; False where there is no such file."""
    try:
        handle = os.open(str(file), os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except OSError:
        return True
    finally:
        os.close(handle)


class Session:
    """One start of an agent for one sweep; the paths of its files."""

    def __init__(self, state: Path, sweep: str, number: int):
        if not sweep or "/" in sweep or sweep.startswith("."):
            raise AgentError(f"{sweep!r} is no name of a sweep")
        self.folder = state / "sweeps" / sweep
        self.events = self.folder / f"{number}.jsonl"
        self.pid = self.folder / f"{number}.pid"
        self.stop = self.folder / f"{number}.stop"
        self.log = self.folder / f"{number}.log"
        self.reserve = self.folder / f"{number}.reserve"

    def stop_wanted(self) -> str:
        """What was asked: "run", "block", "now" or "" for nothing."""
        try:
            return self.stop.read_text().strip()
        except OSError:
            return ""

    def alive(self) -> bool:
        """Whether the agent of this session lives: it holds the lock on its events."""
        return is_locked(self.events)

    def ends(self) -> bool:
        """As `alive`, of an agent whose file was closed just now.

        The kernel says so before it lets the lock go (fs/file_table.c, __fput()), so an agent that
        is dead may look alive for a moment, and nothing would wake us again.
        """
        until = time.monotonic() + _ENDING_S
        while self.alive() and time.monotonic() < until:
            time.sleep(0.01)
        return self.alive()

    def ask_to_stop(self, when: str) -> None:
        """After the current run or block, or now. Nothing where no agent lives."""
        if not self.alive():
            return
        partial = self.stop.with_suffix(".part")
        partial.write_text(when)
        partial.rename(self.stop)
        if when != "now":
            return
        with suppress(OSError, ValueError):
            os.kill(int(self.pid.read_text()), signal.SIGTERM)

    def forget(self) -> None:
        """Remove everything of the sweep; refused while an agent lives, which may be ending."""
        if self.ends():
            raise AgentError("the agent of this sweep still runs", "stop it first")
        shutil.rmtree(self.folder, ignore_errors=True)


class EventFile:
    """The sink of an Emitter: a line counts when the disk has it."""

    def __init__(self, session: Session):
        self._reserve = session.reserve
        try:
            session.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            self._handle = os.open(str(session.events), flags, 0o600)
            fcntl.flock(self._handle, fcntl.LOCK_EX)
            # Real bytes: a hole would have no space behind it.
            self._reserve.write_bytes(b"\n" * _RESERVE_BYTES)
        except FileExistsError:
            raise AgentError("this session of the sweep was begun before") from None
        except OSError as error:
            raise AgentError(f"{session.folder}: {error.strerror}") from error
        self._good = 0

    def write(self, line: str) -> int:
        """One whole line. An OSError leaves only whole lines, and makes room for one about it."""
        data = line.encode()
        try:
            rest = data
            while rest:
                rest = rest[os.write(self._handle, rest) :]
            os.fsync(self._handle)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._handle, self._good)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                with suppress(OSError):
                    self._reserve.unlink()
            raise
        self._good += len(data)
        return len(line)

    def flush(self) -> None:
        """Nothing is ever held back."""


def detach(session: Session, work: Callable[[EventFile], int]) -> None:
    """Start `work` as a process of its own that no hang-up and no closed session reaches.

    Returns when its event file is there and locked, so that a follower finds it. AgentError when
    it cannot be made.
    """
    ours, theirs = os.pipe()
    if os.fork():
        os.close(theirs)
        with os.fdopen(ours) as stream:
            said = stream.read()
        os.wait()
        if said != "ready":
            raise AgentError(said or "the agent did not start")
        return
    status = 1
    try:
        os.close(ours)
        os.setsid()
        if os.fork():
            os._exit(0)  # the grandchild is nobody's child: no session leader, no terminal
        try:
            sink = EventFile(session)
            session.pid.write_text(str(os.getpid()))
            _redirect(session.log)
        except (AgentError, OSError) as error:
            os.write(theirs, getattr(error, "message", str(error)).encode())
            os._exit(1)
        os.write(theirs, b"ready")
        os.close(theirs)
        status = work(sink)
        session.reserve.unlink()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _redirect(log: Path) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    said = os.open(str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.dup2(said, 2)
    os.close(nothing)
    os.close(said)


def follow(session: Session, first: int, out: Any, life: int = 0) -> int:
    """Write the events from number `first` on to `out` until the session is over, or `life` ends.

    `life` is a file descriptor whose end of file says that nobody listens any more. Returns ENDED
    or GONE.
    """
    if not session.events.exists():
        return GONE
    over = False
    number = 0
    place = 0
    with session.events.open("rb") as stream:
        for closed in _changes(session.events, life):
            # Looked at before reading: what is read after the agent's end is all there is.
            alive = session.ends() if closed else session.alive()
            # Whole lines only, each time from the last one's end: what a full disk leaves of a
            # line is taken back, and another line stands in its place then.
            stream.seek(place)
            data = stream.read()
            whole = data[: data.rfind(b"\n") + 1]
            place += len(whole)
            for line in whole.splitlines(keepends=True):
                if number >= first:
                    out.write(line)
                number += 1
                over = over or _is_last(line)
            out.flush()
            if over:
                return ENDED
            if not alive:
                return GONE
    return ENDED


def _is_last(line: bytes) -> bool:
    """Whether a line is the end, or the failure, of the whole schedule."""
    return b'"run":null' in line and (b'"type":"end"' in line or b'"type":"error"' in line)


def _changes(path: Path, life: int) -> Iterator[bool]:
    """Once at first, then whenever the file was written to or closed by its last writer (True).

    And once a minute, in case that a word of the kernel was missed.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_CLOEXEC)
    if watch < 0 or libc.inotify_add_watch(
        watch, os.fsencode(str(path)), _IN_MODIFY | _IN_CLOSE_WRITE
    ) < 0:  # fmt: skip
        raise AgentError(f"inotify: {os.strerror(ctypes.get_errno())}")
    try:
        yield False
        while True:
            ready = select.select([watch, life], [], [], _LOOK_S)[0]
            if life in ready and not os.read(life, 4096):
                return
            closed = False
            if watch in ready:
                data = os.read(watch, 64 * (_EVENT.size + 256))
                closed = any(mask & _IN_CLOSE_WRITE for mask in _masks(data))
            yield closed
    finally:
        os.close(watch)


def _masks(data: bytes) -> Iterator[int]:
    """Of the inotify events in a read: each is a header and a name of `length` bytes."""
    place = 0
    while place < len(data):
        _, mask, _, length = _EVENT.unpack_from(data, place)
        yield mask
        place += _EVENT.size + length
