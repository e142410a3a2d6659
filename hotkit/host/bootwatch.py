"""Follows a machine's serial console while it boots.

A lab machine writes its console into a log; on metal `hotkit_console` names what shows it: {kind:
sol} (ipmitool, with the address and password of hotkit_power), {kind: conserver, console: NAME} or
{kind: command, command: [...]}. Such a program gets a terminal of its own (ipmitool insists) and
ends with the watch.
"""

from __future__ import annotations

import contextlib
import os
import pty
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hotkit.core.endings import last_line
from hotkit.errors import HotkitError
from hotkit.host.labpower import console_log
from hotkit.host.power import Ipmi, power_of
from hotkit.host.run import require, spawn

_READ_BYTES = 4 << 20
_TAIL_BYTES = 4096


class BootWatch:
    """What a console said since the watch began; the text is as it came: strip it before showing.

    `source` is the file that grows, `start` the byte where the watch began.
    """

    def __init__(self, source: Path, start: int = 0) -> None:
        self.source = source
        self.start = start

    def text(self) -> str:
        """All since the beginning; of more than 4 MiB the last 4 MiB."""
        return self._read(_READ_BYTES)

    def last_line(self) -> str:
        """The last line that says something, plain; empty when there is none."""
        return last_line(self._read(_TAIL_BYTES))

    def _read(self, limit: int) -> str:
        try:
            size = self.source.stat().st_size
            with self.source.open("rb") as stream:
                # A log that was cut (the machine was made anew) is read from its start.
                begin = self.start if self.start <= size else 0
                stream.seek(max(begin, size - limit))
                return stream.read(limit).decode(errors="replace")
        except OSError:
            return ""


@contextlib.contextmanager
def watching(name: str, variables: Mapping[str, Any], copy: Path) -> Iterator[BootWatch | None]:
    """Watch the console of host `name` from now on; None when it has none that we know of.

    What was said is in the file `copy` afterwards. Raises HotkitError for a setting that lacks
    something; a program that ends early is no error: what it said is kept.
    """
    copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    wish = variables.get("hotkit_console")
    if wish is not None:
        with _program(_argv(name, wish, variables), copy):
            yield BootWatch(copy)
        return
    log = console_log(name) if variables.get("hotkit_machine") is not None else None
    if log is None:
        yield None
        return
    watch = BootWatch(log, log.stat().st_size)
    try:
        yield watch
    finally:
        copy.write_text(watch.text())


def _argv(
    name: str, wish: Mapping[str, Any], variables: Mapping[str, Any]
) -> tuple[list[str], dict[str, str]]:
    """The program that shows the console, and what its environment carries (a password)."""
    kind = wish.get("kind")
    if kind == "command" and wish.get("command"):
        return [str(word) for word in wish["command"]], {}
    if kind == "conserver":
        server = ["-M", str(wish["server"])] if wish.get("server") else []
        # -s: spy, so that nobody who types there is thrown out.
        console = str(wish.get("console", name))
        return [str(require("console", "conserver-client")), *server, "-s", console], {}
    if kind == "sol":
        power = power_of(name, variables)
        if not isinstance(power, Ipmi):
            raise HotkitError(
                f"host {name}: hotkit_console of kind sol needs hotkit_power of kind ipmi",
                hint="its address, user and password are used for both",
            )
        return power.argv("sol", "activate"), power.environment
    raise HotkitError(
        f"host {name}: hotkit_console of kind {kind!r} is not complete",
        hint="docs/power.md has an example of each kind: sol, conserver, command",
    )


@contextlib.contextmanager
def _program(what: tuple[Sequence[str], Mapping[str, str]], copy: Path) -> Iterator[None]:
    argv, environment = what
    ours, theirs = pty.openpty()
    try:
        with (
            copy.open("wb", buffering=0) as log,
            spawn(argv, env=environment, stdin=theirs, stdout=theirs, stderr=theirs,
                  start_new_session=True),
        ):  # fmt: skip
            os.close(theirs)
            theirs = -1
            reader = threading.Thread(target=_copy, args=(ours, log), daemon=True)
            reader.start()
            yield
        reader.join(5)
    finally:
        for handle in (ours, theirs):
            if handle >= 0:
                os.close(handle)


def _copy(source: int, log: Any) -> None:
    # EIO is how a terminal says that its last user has gone; a closed log ends it as well.
    with contextlib.suppress(OSError, ValueError):
        while data := os.read(source, 4096):
            log.write(data)
