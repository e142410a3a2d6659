"""What was changed on the machine, on disk before it is changed, so that it is always put back.

A tracker writes knobs through `Undo.write`. The value found goes to a file first, fsynced; `undo()`
puts all values back, the last one first. Three of us may do that: the agent when a run ends; a
guard, a child of the agent that wakes when the agent is gone (kill -9 included); and the next agent
on this machine, when guard and agent both were killed. A lock says who: the agent's, which its
guard inherits, so that a new agent begins only when the old one's knobs are back.

After a reboot there is nothing to put back: the file names the boot that it is about.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from hotkit.agent.protocol import AgentError

_WAIT_S = 20.0
_BUSY_S = 5.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def state_directory() -> Path:
    """Where the agent keeps its state: /var/lib/hotkit (DESIGN.md), of a user below /tmp."""
    if os.geteuid() == 0:
        return Path("/var/lib/hotkit/agent")
    return Path(tempfile.gettempdir()) / f"hotkit-agent-{os.geteuid()}"


class Undo:
    """The one writer of knobs on this machine; see the module. AgentError from most methods."""

    def __init__(self, directory: Path):
        self.directory = directory
        self._file = directory / "undo.jsonl"
        self._lock = -1
        self._life = -1

    def open(self, wait_s: float | None = None) -> list[str]:
        """Take the machine: wait for the lock, put back what a dead agent left, start the guard.

        Returns what was put back (or could not be), a sentence each. Must be called before any
        thread is started. AgentError when another agent has the machine for longer than `wait_s`
        (default: 20 s).
        """
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = os.open(
            str(self.directory / "measuring.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        self._take_lock(_WAIT_S if wait_s is None else wait_s)
        done, failed = self.undo()
        self._start_guard()
        return done + failed

    def something_to_undo(self) -> bool:
        """Whether an agent has left something changed, or changes something now."""
        return self._file.exists()

    def close(self) -> None:
        """Put everything back and let the machine go."""
        if self._lock < 0:
            return
        self.undo()
        os.close(self._life)
        os.close(self._lock)
        self._life = self._lock = -1

    def write(self, path: str, value: str, back: str | None = None) -> None:
        """Write `value` to a knob; `back` is what undoes it (default: what is read there now)."""
        found = back if back is not None else read_knob(path)
        if back is None and found == value:
            return
        self._note({"write": path, "text": found})
        write_knob(path, value)

    def later(self, path: str, text: str) -> None:
        """Write `text` to `path` when all is undone; it does not matter if that is refused."""
        self._note({"write": path, "text": text, "maybe": True})

    def make_directory(self, path: str) -> None:
        """Make a directory (of a cgroup, of a tracing instance) that is removed again."""
        self._note({"rmdir": path})
        try:
            Path(path).mkdir()
        except OSError as error:
            raise AgentError(f"{path}: {error.strerror}", "run as root") from error

    def undo(self) -> tuple[list[str], list[str]]:
        """Put everything back: what was done, and what could not be; a sentence each."""
        done: list[str] = []
        failed: list[str] = []
        if self._lock < 0:
            return done, failed  # the machine is not ours
        try:
            # A power cut leaves anything at the end, also what is not UTF-8.
            lines = self._file.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return done, failed
        entries = [entry for entry in map(_parsed, lines) if entry]
        same_boot = bool(entries) and entries[0].get("boot_id") == _BOOT_ID.read_text().strip()
        for entry in reversed(entries[1:]) if same_boot else []:
            _put_back(entry, done, failed)
        self._file.unlink()
        return done, failed

    def _note(self, entry: dict[str, Any]) -> None:
        lines = [entry]
        if not self._file.exists():
            lines.insert(0, {"schema_version": 1, "boot_id": _BOOT_ID.read_text().strip()})
        with self._file.open("a") as stream:
            for line in lines:
                stream.write(json.dumps(line) + "\n")
            stream.flush()
            os.fsync(stream.fileno())

    def _take_lock(self, wait_s: float) -> None:
        until = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError:
                if time.monotonic() > until:
                    os.close(self._lock)
                    self._lock = -1
                    raise AgentError(
                        "another agent of hotkit measures on this machine",
                        "wait until it has ended: two at a time would spoil each other's figures",
                    ) from None
                time.sleep(0.1)

    def _start_guard(self) -> None:
        """A child that only waits for our end. It holds the lock on until the knobs are back."""
        ours, self._life = os.pipe()
        if os.fork():
            os.close(ours)
            return
        try:
            os.setsid()
            for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 (numbers, not paths)
                if int(name) not in (ours, self._lock):
                    with suppress(OSError):  # the listing's own
                        os.close(int(name))
            while os.read(ours, 1):
                pass
            self.undo()
        finally:
            os._exit(0)


def read_knob(path: str) -> str:
    """A knob's value as it can be written back: of "always [madvise] never" the marked word."""
    try:
        text = Path(path).read_text().strip()
    except OSError as error:
        raise AgentError(f"{path}: {error.strerror}", "run as root") from error
    if "[" in text and "]" in text:
        return text[text.index("[") + 1 : text.index("]")]
    return text


def write_knob(path: str, value: str) -> None:
    """Write a knob at once, in one write. Raises AgentError."""
    try:
        handle = os.open(path, os.O_WRONLY)
        try:
            os.write(handle, value.encode())
        finally:
            os.close(handle)
    except OSError as error:
        raise AgentError(f"{path}: writing {value!r}: {error.strerror}", "run as root") from error


def _parsed(line: str) -> dict[str, Any] | None:
    """A line that a power cut tore is none: what it announces was not done."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    if not isinstance(entry, dict):
        return None
    whole = "boot_id" in entry or "rmdir" in entry or ("write" in entry and "text" in entry)
    return entry if whole else None


def _put_back(entry: dict[str, Any], done: list[str], failed: list[str]) -> None:
    path = str(entry.get("rmdir") or entry.get("write"))
    try:
        if "rmdir" in entry:
            _remove_directory(path)
            done.append(f"{path} removed")
        else:
            write_knob(path, entry["text"])
            done.append(f"{path} is {entry['text']} again")
    except (AgentError, OSError) as error:
        if not entry.get("maybe") and Path(path).exists():
            failed.append(f"{path} could not be put back: {error}")


def _remove_directory(path: str) -> None:
    """rmdir; a cgroup is busy until what was killed in it is gone."""
    until = time.monotonic() + _BUSY_S
    while True:
        try:
            return Path(path).rmdir()
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
