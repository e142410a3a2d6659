"""What undoes one change: the kinds of entry in an undo file, and how each is put back.

| entry                                        | put back by                                     |
|----------------------------------------------|-------------------------------------------------|
| {"write": path, "text", "maybe"}             | writing the text; `maybe`: a refusal is fine    |
| {"rmdir": path}                              | removing the directory                          |
| {"swapon": path, "flags"}                    | swapon(2); one that is on already stays as it is |
| {"start": unit}                              | systemctl start                                 |
| {"msr": device, "register", "value"}         | writing the 8 bytes of that register            |

No kind runs a program of the file's choosing. All may be done twice: a guard that was killed half
way leaves the rest to the next agent, which begins at the end again.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from hotkit.agent.gather import which
from hotkit.agent.protocol import AgentError

_BUSY_S = 5.0
_SYSTEMCTL_S = 90.0
# What must be there for a line to be whole.
_PARTS = (
    ("boot_id",),
    ("rmdir",),
    ("write", "text"),
    ("swapon", "flags"),
    ("start",),
    ("msr", "register", "value"),
)
_PATHS = ("rmdir", "write", "swapon", "msr")


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
        said = f"{path}: writing {value.strip()!r}: {error.strerror}"
        raise AgentError(said, "run as root") from error


def read_msr(device: str, register: int) -> int:
    """The 64 bits of a model-specific register; `device` is /dev/cpu/N/msr. Raises AgentError."""
    try:
        handle = os.open(device, os.O_RDONLY)
        try:
            return int.from_bytes(os.pread(handle, 8, register), "little")
        finally:
            os.close(handle)
    except OSError as error:
        raise AgentError(f"{device}: register {register:#x}: {error.strerror}") from error


def write_msr(device: str, register: int, value: int) -> None:
    """Write such a register. AgentError: a kernel that is locked down forbids it."""
    try:
        handle = os.open(device, os.O_WRONLY)
        try:
            os.pwrite(handle, value.to_bytes(8, "little"), register)
        finally:
            os.close(handle)
    except OSError as error:
        said = f"{device}: writing {value:#x} to register {register:#x}: {error.strerror}"
        raise AgentError(said, "boot without lockdown= and without msr.allow_writes=off") from error


def swap_on(path: str, flags: int) -> bool:
    """swapon(2); False when that area is on already. Raises AgentError."""
    if _libc().swapon(os.fsencode(path), flags) == 0:
        return True
    if ctypes.get_errno() == errno.EBUSY:
        return False
    raise AgentError(f"{path}: swapon: {os.strerror(ctypes.get_errno())}")


def swap_off(path: str) -> None:
    """swapoff(2), which brings in what lies there. Raises AgentError.

    A call and no program: killed in the midst of it, the area stays on, and there is nobody who
    would switch it off behind the back of whoever puts it back.
    """
    if _libc().swapoff(os.fsencode(path)) != 0:
        raise AgentError(f"{path}: swapoff: {os.strerror(ctypes.get_errno())}", "run as root")


def systemctl(*words: str) -> str:
    """What systemctl says. AgentError when it fails or is not there."""
    program = which("systemctl")
    if program is None:
        raise AgentError("there is no systemctl")
    try:
        done = subprocess.run(
            [program, *words], stdin=subprocess.DEVNULL, capture_output=True,
            timeout=_SYSTEMCTL_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        words_said = " ".join(words)
        raise AgentError(f"systemctl {words_said}: no end within {_SYSTEMCTL_S:.0f} s") from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().replace("\n", "; ")
        raise AgentError("systemctl {}: {}".format(" ".join(words), said or done.returncode))
    return done.stdout.decode(errors="replace")


def parsed(line: str) -> dict[str, Any] | None:
    """A line that a power cut tore is none: what it announces was not done."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    if not isinstance(entry, dict):
        return None
    return entry if any(all(part in entry for part in parts) for parts in _PARTS) else None


def put_back(entry: dict[str, Any], done: list[str], failed: list[str]) -> None:
    """Undo one change; adds a sentence to `done`, or to `failed` if what it is about is there."""
    path = next((str(entry[kind]) for kind in _PATHS if kind in entry), "")
    try:
        if "rmdir" in entry:
            _remove_directory(path)
            done.append(f"{path} removed")
        elif "write" in entry:
            write_knob(path, entry["text"])
            done.append("{} is {} again".format(path, entry["text"].rstrip("\n")))
        elif "swapon" in entry:
            if swap_on(path, entry["flags"]):
                done.append(f"{path} is swap space again")
        elif "start" in entry:
            systemctl("start", entry["start"])
            done.append("{} runs again".format(entry["start"]))
        elif "msr" in entry:
            write_msr(path, entry["register"], entry["value"])
            done.append("{}: register {register:#x} is {value:#x} again".format(path, **entry))
    except (AgentError, OSError) as error:
        if not entry.get("maybe") and (not path or Path(path).exists()):
            failed.append("{} could not be put back: {}".format(path or entry.get("start"), error))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


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
