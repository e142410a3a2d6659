"""Join this terminal to a machine's serial console."""

from __future__ import annotations

import os
import select
import socket
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hotkit.errors import ExitCode, HotkitError

LEAVE = b"\x1d"  # Ctrl-], as telnet and virsh have it


def attach(path: Path) -> None:
    """Copy between terminal and console until Ctrl-] or either end closes.

    One at a time: QEMU's socket serves one reader, a second one waits.
    """
    # A socket's path may have 107 characters: go through the directory's file descriptor.
    handle = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as link, _raw_terminal():
            try:
                link.connect(f"/proc/self/fd/{handle}/{path.name}")
            except OSError as error:
                raise HotkitError(
                    f"{path.parent.name}: its console does not answer: {error}",
                    hint=f"what it said so far: hotkit lab logs {path.parent.name}",
                    exit_code=ExitCode.UNREACHABLE,
                ) from error
            _copy(link)
    finally:
        os.close(handle)


def _copy(link: socket.socket) -> None:
    stdin, stdout = sys.stdin.fileno(), sys.stdout.fileno()
    sources = [link.fileno(), stdin]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if link.fileno() in ready:
            data = link.recv(4096)
            if not data:
                return
            os.write(stdout, data)
        if stdin in ready:
            typed = os.read(stdin, 4096)
            before, found, _ = typed.partition(LEAVE)
            link.sendall(before)
            if found:
                return
            if not typed:  # a pipe came to its end: only listen from now on
                sources.remove(stdin)


@contextmanager
def _raw_terminal() -> Iterator[None]:
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setraw(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
