"""Consoles that are programs, and a log that is cut."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from hotkit.errors import HotkitError
from hotkit.host.bootwatch import BootWatch, watching

# Says something and stays, as a console does; its child process must go with it.
_CONSOLE = "import sys, time; print('isatty', sys.stdin.isatty(), flush=True); time.sleep(60)"


def test_a_program_gets_a_terminal_and_ends_with_the_watch(tmp_path: Path) -> None:
    console = {"kind": "command", "command": [sys.executable, "-c", _CONSOLE]}
    began = time.monotonic()
    with watching("m1", {"hotkit_console": console}, tmp_path / "c" / "m1.log") as watch:
        assert watch is not None
        while not watch.last_line() and time.monotonic() - began < 20:
            time.sleep(0.05)
        assert watch.last_line() == "isatty True"
    assert time.monotonic() - began < 25
    assert "isatty True" in (tmp_path / "c" / "m1.log").read_text()


def test_a_program_that_ends_at_once_is_no_error(tmp_path: Path) -> None:
    console = {"kind": "command", "command": [sys.executable, "-c", "print('bye')"]}
    with watching("m1", {"hotkit_console": console}, tmp_path / "m1.log") as watch:
        assert watch is not None
        time.sleep(0.5)
    assert watch.last_line() == "bye"


def test_a_log_that_was_cut_is_read_from_its_start(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_text("a" * 100)
    watch = BootWatch(log, 100)
    assert watch.text() == ""
    log.write_text("new\n")
    assert watch.text() == "new\n"


@pytest.mark.parametrize("console", [{"kind": "sol"}, {"kind": "command"}, {"kind": "tea"}])
def test_a_setting_that_lacks_something(tmp_path: Path, console: dict[str, str]) -> None:
    with (
        pytest.raises(HotkitError, match="host m1: hotkit_console"),
        watching("m1", {"hotkit_console": console}, tmp_path / "m1.log"),
    ):
        pass


def test_no_console_is_none(tmp_path: Path) -> None:
    with watching("m1", {}, tmp_path / "m1.log") as watch:
        assert watch is None
