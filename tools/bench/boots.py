"""From a layout to the verdict whether it boots as planned: hotkit's simulator beside virtme-ng.

Both boot the patched lab kernel of the cache in QEMU with the same memory, nodes and arguments,
under emulation (this benchmark leaves KVM to neither), and look at System RAM. virtme-ng brings
up a snapshot of this machine's own system; hotkit an initramfs that says what the kernel sees. A
side is a process from its start to its exit. The cost grows with the memory of the machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from time import perf_counter

from rich.console import Console

from bench.here import about_here
from bench.results import Figure, keep, load_average
from hotkit.errors import HotkitError
from hotkit.host.kernelbuild import built_kernels

NAME = "simulate-boot"
ROUNDS = 3
PLAIN = Path(__file__).parent / "plain"


def run(console: Console, write: bool) -> None:
    """Print the figures; `write` keeps them. Raises HotkitError where a side is not there."""
    program = shutil.which("vng", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        raise HotkitError("virtme-ng is not here", hint="run tools/setup")
    known = [one for one in built_kernels() if one.record["flavour"] == "lab"]
    known = [one for one in known if one.record["variant"] is None]
    if not known:
        raise HotkitError("no patched lab kernel in the cache", hint="hotkit kernel build")
    kernel = known[-1].path / "vmlinuz"
    sides = {
        "hotkit": [PLAIN / "simulate_once.py", kernel],
        "virtme-ng": [PLAIN / "vng_once.py", kernel, program],
    }
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(ROUNDS):
        for name in list(sides) if number % 2 else reversed(sides):
            taken[name].append(_seconds([sys.executable, *sides[name]], Path(program).parent))
        said = ", ".join(f"{name} {taken[name][-1]:.1f} s" for name in sides)
        console.print(f"round {number + 1} of {ROUNDS}: {said}")
    figure = Figure(
        what="boot to verdict, 2.75 GiB (emulated)", unit="s", hotkit=taken["hotkit"],
        peer="virtme-ng", theirs=taken["virtme-ng"], load=load_average(),
    )  # fmt: skip
    keep(console, NAME, about_here(), [figure], write=write)


def _seconds(argv: list[str | Path], beside: Path) -> float:
    began = perf_counter()
    env = os.environ | {"PATH": f"{beside}:{os.environ['PATH']}"}
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, env=env)
    if done.returncode:
        raise AssertionError(f"{argv}: {done.stdout[-500:]}{done.stderr[-1500:]}")
    return perf_counter() - began
