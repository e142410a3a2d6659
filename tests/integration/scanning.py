"""What the tests of the scanner share: builds of it, C programs beside them, and what it told."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

import hotkit.agent
from hotkit.agent.samples import Recorder
from hotkit.host.workload import build_scan

PAGE = 4096
SOURCES = Path(hotkit.agent.__file__).parent / "trackers" / "src"


def built(how, folder):
    """The scanner "as shipped", or "sanitized": a finding of ASAN or UBSAN ends it with not 0."""
    if how == "as shipped":
        return str(build_scan().path)
    if not _sanitizers_there(folder):
        pytest.skip("gcc here has no libasan and libubsan (libgcc-*-dev)")
    flags = ["-O1", "-g", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-pthread"]
    flags += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    program = folder / "scan"
    subprocess.run(["gcc", *flags, "-o", program, *SOURCES.glob("*.c")], check=True)
    return str(program)


def compiled(name: str, folder: Path) -> Path:
    """A program of one C file that lies here."""
    program = folder / name
    source = Path(__file__).with_name(f"{name}.c")
    flags = ["-O1", "-Wall", "-Wextra", "-Werror", "-pthread", "-static"]
    subprocess.run(["gcc", *flags, "-o", program, source], check=True)
    return program


def _sanitizers_there(folder: Path) -> bool:
    source = folder / "empty.c"
    source.write_text("int main(void) { return 0; }\n")
    argv = ["gcc", "-fsanitize=address,undefined", "-o", folder / "empty", source]
    return subprocess.run(argv, capture_output=True).returncode == 0


class Rounds(Recorder):
    """All rounds that a scanner told."""

    def __init__(self):
        self.flags = []
        self.ended = []

    def pages(self, start, page_bytes, flags):
        self.flags.append(flags)

    def round_ended(self, at_ns):
        self.ended.append(at_ns)

    def more(self) -> None:
        """Wait until what was written before this call is told: the round after the next began."""
        wanted, until = len(self.ended) + 2, time.monotonic() + 30
        while len(self.ended) < wanted:
            assert time.monotonic() < until, "no rounds come"
            time.sleep(0.005)


def written(scan):
    """Per range the numbers of the pages found written."""
    return [{i for i, heat in enumerate(part.heat) if heat} for part in scan.hot()]


def descriptors(pid):
    return {int(entry.name): str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()}


def keepers(pid):
    """Processes of a scanner of ours that make calls in that one."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"--pid" in words and str(pid).encode() in words:
            found.append(int(entry.parent.name))
    return found


def wait_for(condition, what, within_s=20.0):
    until = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until, what
        time.sleep(0.01)
