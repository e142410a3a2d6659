"""All facts of a host in one round trip, beside testinfra's own way: a command a question.

Both sides run in the same process on the same host, alternately, in an order that changes from
round to round; the figure to quote is the median of the ratios of the pairs.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import testinfra
from rich.console import Console
from rich.table import Table

from bench.machine import MACHINE, own_lab
from hotkit.checks.gathering import gather
from hotkit.host.labssh import ssh_config

ROUNDS = 8

# What `hotkit verify` needs to know, asked the way testinfra's own modules ask: a command a
# question over the same shared ssh connection.
QUESTIONS = (
    "cat /proc/cmdline", "uname -r", "cat /proc/iomem", "cat /proc/meminfo", "numactl -H",
    "cat /sys/devices/system/node/node0/meminfo", "cat /sys/devices/system/node/node1/meminfo",
    "cat /sys/devices/system/cpu/online", "cat /sys/devices/system/node/node0/cpulist",
    "cat /sys/devices/system/node/node1/cpulist", "grep -r . /sys/firmware/memmap",
    "base64 /sys/firmware/acpi/tables/SRAT",
)  # fmt: skip


def ask_each(host: Any) -> None:
    """The peer: plain testinfra, one round trip a question."""
    for question in QUESTIONS:
        assert host.run(question).rc == 0, question


def seconds(work: Callable[[Any], object], host: Any) -> float:
    start = time.perf_counter()
    work(host)
    return time.perf_counter() - start


def run(console: Console, write: bool) -> None:
    """Print the table; nothing of it is kept."""
    with own_lab():
        host = testinfra.get_host(f"ssh://{MACHINE}", ssh_config=str(ssh_config()))
        gather(host)
        ask_each(host)
        ours, peers = [], []
        for number in range(ROUNDS):
            pair = [(ours, gather), (peers, ask_each)]
            for kept, work in pair if number % 2 else reversed(pair):
                kept.append(seconds(work, host))
    ratios = sorted(b / a for a, b in zip(ours, peers, strict=True))
    table = Table("reading a host", "median", title=f"{MACHINE}, emulated; {ROUNDS} pairs")
    table.add_row("hotkit: one round trip, all facts", f"{statistics.median(ours):.2f} s")
    table.add_row(
        f"testinfra: {len(QUESTIONS)} questions, one command each",
        f"{statistics.median(peers):.2f} s",
    )
    console.print(table)
    console.print(
        f"hotkit takes 1/{statistics.median(ratios):.1f} of the peer's time "
        f"(pairs: 1/{ratios[0]:.1f} to 1/{ratios[-1]:.1f})"
    )
