"""What a sweep shows while it runs and when it has ended."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console, Group
from rich.live import Live

from hotkit.report.group import group_dict, print_group
from hotkit.report.sweep import print_sweep, progress_line, progress_view, to_dict
from hotkit.sweep.group import load_group
from hotkit.sweep.progress import Progress


def show_result(folder: Path, *, as_json: bool) -> int:
    """The report of a sweep directory on stdout; returns the exit code."""
    group = load_group(folder)
    # A log file is as wide as it needs to be; a terminal is as wide as it is.
    width = None if sys.stdout.isatty() else 120
    console = Console(file=sys.stdout, highlight=False, width=width)
    if as_json:
        found = to_dict(group.only) if group.only else group_dict(group)
        click.echo(json.dumps(found, indent=2))
    elif group.only:
        print_sweep(group.only, console)
    else:
        print_group(group, console)
    return group.exit_code


@contextmanager
def live() -> Iterator[Callable[[Progress], None]]:
    """A live view on a terminal; in a log one line per step and block. Always on stderr.

    What it yields may be called from any thread: the hosts of a sweep have one each.
    """
    console = Console(stderr=True, highlight=False)
    began = time.monotonic()
    lock = threading.Lock()
    if not console.is_terminal:
        seen: set[object] = set()

        def tell(progress: Progress) -> None:
            key = (progress.host, progress.part, progress.step, progress.block, progress.gate)
            with lock:
                if key not in seen:
                    seen.add(key)
                    line = progress_line(progress, time.monotonic() - began)
                    console.print(line, soft_wrap=True)

        yield tell
        return
    latest: dict[str, Progress] = {}

    def draw() -> object:
        elapsed_s = time.monotonic() - began
        return Group(*(progress_view(one, elapsed_s) for one in list(latest.values())))

    def keep(progress: Progress) -> None:
        with lock:
            latest[progress.host] = progress

    # get_renderable is asked four times a second, so the clock runs while the agent is silent.
    with Live(
        console=console,
        get_renderable=draw,  # type: ignore[arg-type]
        refresh_per_second=4,
        transient=True,
    ):
        yield keep
