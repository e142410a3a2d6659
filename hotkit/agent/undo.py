"""What was changed on the machine, on disk before it is changed, so that it is always put back.

A tracker writes knobs through `Undo.write`. The value found goes to a file first, fsynced; `undo()`
puts all values back, the last one first. Three of us may do that: the agent when a run ends; a
guard, a child of the agent that wakes when the agent is gone (kill -9 included); and the next agent
on this machine, when guard and agent both were killed. A lock says who: the agent's, which its
guard inherits, so that a new agent begins only when the old one's knobs are back.

There are three files, by how long a change is to last:

| file          | is put back                                                                    |
|---------------|----------------------------------------------------------------------------------|
| undo.jsonl    | when the run ends (`Undo` itself)                                              |
| quiesce.jsonl | when the session ends (`Undo.session`), after what its runs changed             |
| kept.jsonl    | when somebody says so (`Undo.kept`): no guard and no next agent touches it      |

After a reboot there is nothing to put back: each file names the boot that it is about.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hotkit.agent.protocol import AgentError
from hotkit.agent.putback import parsed, put_back, read_knob, write_knob

__all__ = ["Notes", "Undo", "read_knob", "state_directory", "write_knob"]

_WAIT_S = 20.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def state_directory() -> Path:
    """Where the agent keeps its state: /var/lib/hotkit (DESIGN.md), of a user below /tmp."""
    if os.geteuid() == 0:
        return Path("/var/lib/hotkit/agent")
    return Path(tempfile.gettempdir()) / f"hotkit-agent-{os.geteuid()}"


class Notes:
    """What was changed, one file; `ours` says whether the machine is. AgentError from most."""

    def __init__(self, file: Path, ours: Callable[[], bool]):
        self._file = file
        self._ours = ours

    def header(self) -> dict[str, Any] | None:
        """The first line, if it is of this boot: `boot_id`, and what `begin` was told."""
        lines = self._entries()
        same = bool(lines) and lines[0].get("boot_id") == _BOOT_ID.read_text().strip()
        return lines[0] if same else None

    def count(self) -> int:
        """How many changes there are to put back."""
        return len(self._entries()) - 1 if self.header() else 0

    def exists(self) -> bool:
        """Whether there is such a file, of this boot or another."""
        return self._file.exists()

    def begin(self, **about: Any) -> None:
        """Write the first line with these fields, unless it is there; one of another boot goes."""
        if self.header() is None:
            with suppress(FileNotFoundError):
                self._file.unlink()
            self._append([self._first_line(about)])

    def note(self, entries: list[dict[str, Any]]) -> None:
        """Say how changes are undone (putback.py), all at once, before they are made."""
        self._append(entries if self._file.exists() else [self._first_line({}), *entries])

    def write(self, path: str, value: str, back: str | None = None) -> None:
        """Write `value` to a knob; `back` is what undoes it (default: what is read there now)."""
        found = back if back is not None else read_knob(path)
        if back is None and found == value:
            return
        self.note([{"write": path, "text": found}])
        write_knob(path, value)

    def later(self, path: str, text: str) -> None:
        """Write `text` to `path` when all is undone; it does not matter if that is refused."""
        self.note([{"write": path, "text": text, "maybe": True}])

    def make_directory(self, path: str) -> None:
        """Make a directory (of a cgroup, of a tracing instance) that is removed again."""
        self.note([{"rmdir": path}])
        try:
            Path(path).mkdir()
        except OSError as error:
            raise AgentError(f"{path}: {error.strerror}", "run as root") from error

    def undo(self) -> tuple[list[str], list[str]]:
        """Put everything back: what was done, and what could not be; a sentence each."""
        done: list[str] = []
        failed: list[str] = []
        if not self._ours() or not self._file.exists():
            return done, failed
        for entry in reversed(self._entries()[1:]) if self.header() else []:
            put_back(entry, done, failed)
        self._file.unlink()
        return done, failed

    def _entries(self) -> list[dict[str, Any]]:
        try:
            # A power cut leaves anything at the end, also what is not UTF-8.
            lines = self._file.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return []
        return [entry for entry in map(parsed, lines) if entry]

    def _first_line(self, about: dict[str, Any]) -> dict[str, Any]:
        return {"schema_version": 1, "boot_id": _BOOT_ID.read_text().strip(), **about}

    def _append(self, lines: list[dict[str, Any]]) -> None:
        with self._file.open("a") as stream:
            for line in lines:
                stream.write(json.dumps(line) + "\n")
            stream.flush()
            os.fsync(stream.fileno())


class Undo(Notes):
    """The one writer of knobs on this machine; see the module. AgentError from most methods."""

    def __init__(self, directory: Path):
        super().__init__(directory / "undo.jsonl", self._is_ours)
        self.directory = directory
        self.session = Notes(directory / "quiesce.jsonl", self._is_ours)
        self.kept = Notes(directory / "kept.jsonl", self._is_ours)
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
        done, failed = self._undo_all()
        self._start_guard()
        return done + failed

    def something_to_undo(self) -> bool:
        """Whether an agent has left something changed, or changes something now."""
        return self.exists() or self.session.exists()

    def close(self) -> None:
        """Put everything back (but what is kept) and let the machine go."""
        if self._lock < 0:
            return
        self._undo_all()
        os.close(self._life)
        os.close(self._lock)
        self._life = self._lock = -1

    def _is_ours(self) -> bool:
        return self._lock >= 0

    def _undo_all(self) -> tuple[list[str], list[str]]:
        """What the runs changed lies over what the session changed."""
        done, failed = self.undo()
        more_done, more_failed = self.session.undo()
        return done + more_done, failed + more_failed

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
            self._undo_all()
        finally:
            os._exit(0)
