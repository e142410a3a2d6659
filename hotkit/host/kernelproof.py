"""Boots a kernel with kernel/proof as its init, and brings back what it measured, line by line."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hotkit.assets import asset
from hotkit.errors import ExitCode, HotkitError
from hotkit.host import cpio
from hotkit.host.qemu import QEMU, accelerator_words
from hotkit.host.run import require, run, spawn

_FLAGS = ("-O2", "-static", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-s")
# Two nodes; both CPUs are node 0's, so that node 1 is what maxcpus= makes of a second socket.
_MACHINE = (
    "-machine", "q35", "-m", "1G", "-smp", "2",
    "-object", "memory-backend-ram,id=ram0,size=512M",
    "-object", "memory-backend-ram,id=ram1,size=512M",
    "-numa", "node,nodeid=0,memdev=ram0,cpus=0-1", "-numa", "node,nodeid=1,memdev=ram1",
)  # fmt: skip
# Warnings are to be seen (a splat of lockdep's is one), what a boot says beside them is not.
_CMDLINE = "console=ttyS0 panic=-1 loglevel=5"
# Kernel threads stay away from CPU 1, where the hot program runs: each would flush its TLB.
_ARGUMENTS = "isolcpus=1 hotkit.cpuless_lower_tier=1"
# How the kernel's own checkers begin what they found.
_SPLAT = re.compile(r"(?:BUG|WARNING|KASAN|Oops|INFO: possible|general protection fault)[: ].*")
_TIMEOUT_S = 600
# Linux compares the APIC's timer with another for 100 ms of its boot. When this host stands still
# just then, CPUs get their ticks from each other: coarse ones, and none can do without.
_NO_TIMER = "APIC timer disabled due to verification failure"
_BOOTS = 3


def boot_proof(
    kernel: Path,
    *,
    accel: str,
    seen: Callable[[str], None],
    witnesses: Mapping[str, Path] | None = None,
) -> list[dict[str, Any]]:
    """All lines of the proof, and what the kernel's own checkers found ("console", at the end).

    `seen` hears the name of each line as it comes. `witnesses` are static programs that
    kernel/proof/witness.c runs, by their names there.

    Raises HotkitError, with the console's last lines, when the kernel did not come through.
    """
    machine = (*accelerator_words(accel), *_MACHINE)
    for _ in range(_BOOTS - 1):
        lines = _boot(kernel, machine, _ARGUMENTS, seen, witnesses or {}, unless=_NO_TIMER)
        if lines:
            return lines
        seen("once more: this host stood still while Linux looked at its timer")
    return _boot(kernel, machine, _ARGUMENTS, seen, witnesses or {})


def boot_cost(kernel: Path, seen: Callable[[str], None]) -> list[dict[str, Any]]:
    """The lines of kernel/proof/cost.c, in a machine whose clock counts instructions.

    A nanosecond of the guest is an instruction there (QEMU's icount with shift=0): two kernels
    differ by what they execute, and not by what else the host does. It has one CPU: Linux gives the
    APIC timer up there, and a second CPU would wait for it for ever. Raises as `boot_proof`.
    """
    words = (
        "-accel", "tcg,thread=single", "-cpu", "max", "-icount", "shift=0,sleep=off",
        "-machine", "q35", "-m", "1G", "-smp", "1",
    )  # fmt: skip
    return _boot(kernel, words, "hotkit_cost=1", seen, {})


def _boot(
    kernel: Path,
    machine: Sequence[str],
    arguments: str,
    seen: Callable[[str], None],
    witnesses: Mapping[str, Path],
    *,
    unless: str | None = None,
) -> list[dict[str, Any]]:
    """All lines; none, and at once, when the kernel said `unless` before the first.

    Raises HotkitError, with the console's last lines, when the kernel did not come through.
    """
    with tempfile.TemporaryDirectory(prefix="hotkit-proof-") as name:
        folder = Path(name)
        console, facts = folder / "console.log", folder / "facts.txt"
        facts.touch()
        (folder / "initramfs").write_bytes(_initramfs(folder, witnesses))
        words: list[str | Path] = [
            QEMU, "-no-user-config", "-nodefaults", "-display", "none", "-no-reboot",
            *machine,
            "-serial", f"file:{console}", "-serial", f"file:{facts}",
            "-kernel", kernel, "-initrd", folder / "initramfs",
            "-append", f"{_CMDLINE} {arguments}",
        ]  # fmt: skip

        def given_up() -> bool:
            said = console.read_text(errors="replace") if console.exists() else ""
            return unless is not None and unless in said

        lines = _follow(words, facts, seen, given_up)
        if not lines and given_up():
            return []
        if lines and lines[-1]["proof"] == "end":
            splats = _SPLAT.findall(console.read_text(errors="replace"))
            return [*lines[:-1], {"proof": "console", "splats": splats}]
        said = console.read_text(errors="replace").strip() if console.exists() else ""
        tail = "\n".join(said.replace("\r", "").splitlines()[-15:])
        raise HotkitError(
            f"the kernel did not come through its proof; its console's last lines:\n{tail}",
            exit_code=ExitCode.VERDICT_FAILED,
        )


def _follow(
    words: Sequence[str | Path],
    facts: Path,
    seen: Callable[[str], None],
    given_up: Callable[[], bool],
) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    deadline = time.monotonic() + _TIMEOUT_S
    with (
        facts.open() as stream,
        spawn(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as child,
    ):
        rest = ""
        while True:
            ended = child.poll() is not None
            rest += stream.read()
            *whole, rest = rest.split("\n")
            for line in whole:
                lines.append(json.loads(line))
                seen(str(lines[-1]["proof"]))
            if ended or time.monotonic() > deadline or (not lines and given_up()):
                return lines
            time.sleep(0.2)


def _initramfs(folder: Path, witnesses: Mapping[str, Path]) -> bytes:
    """Static programs, and the two devices that init needs before it has mounted anything."""
    program = folder / "init"
    sources = sorted((asset("kernel") / "proof").glob("*.c"))
    run([require("gcc", "gcc libc6-dev"), *_FLAGS, "-o", program, *sources], timeout=120)
    return cpio.pack(
        [
            cpio.Item("dev", cpio.DIRECTORY),
            cpio.Item("dev/console", cpio.DEVICE, major=5, minor=1),
            cpio.Item("init", cpio.PROGRAM, program.read_bytes()),
            cpio.Item("witness", cpio.DIRECTORY),
            *(
                cpio.Item(f"witness/{name}", cpio.PROGRAM, path.read_bytes())
                for name, path in witnesses.items()
            ),
        ]
    )
