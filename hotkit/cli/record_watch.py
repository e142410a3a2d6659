"""`hotkit record watch`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live

from hotkit.cli.options import on_hosts
from hotkit.cli.recordoptions import hot_option, print_result, target_option
from hotkit.errors import HotkitError
from hotkit.host.recordspec import tracker_settings
from hotkit.record import BINS, EVERY_MS, Scene, record, replay
from hotkit.recordreading import load_recording
from hotkit.report.record import scene_line, scene_view


@click.command("watch")
@click.argument(
    "source",
    metavar="[WORKLOAD.yml|DIR]",
    required=False,
    type=click.Path(exists=True, path_type=Path),
)
@on_hosts(
    "Record on this host (default: the first running).",
    "Record on this machine: no inventory, no ssh.",
)
@click.option("--tracker", metavar="NAME", help="How to look (default: softdirty).")
@click.option(
    "--set",
    "assignments",
    metavar="KEY=VALUE",
    multiple=True,
    help="A setting of the tracker, like interval_ms=50. May be repeated.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, 3600, min_open=True),
    help="How long the work takes without the tracker (default: as the workload's file says).",
)
@click.option(
    "--bins",
    type=click.IntRange(1, 4096),
    default=BINS,
    show_default=True,
    help="Cut the memory into at most so many equal parts.",
)
@click.option(
    "--every",
    "every_ms",
    metavar="MS",
    type=click.IntRange(10, 60_000),
    default=EVERY_MS,
    show_default=True,
    help="Put rounds of the tracker together that end within this time.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep everything in this new directory (default: a new one below the state directory).",
)
@click.option(
    "--speed",
    type=click.FloatRange(0, min_open=True),
    help="With DIR: replay so many times as fast (default: 1).",
)
@hot_option
@target_option
def command(
    source: Path | None,
    inventory: str,
    limit: str | None,
    local: bool,
    tracker: str | None,
    assignments: tuple[str, ...],
    seconds: float | None,
    bins: int,
    every_ms: int,
    out: Path | None,
    speed: float | None,
    hot: float,
    target: int | None,
) -> int:
    """Run a workload under one tracker and draw its memory's heat while it runs.

    WORKLOAD.yml is a sweep's description (its arms are not used) or holds `schema_version` and
    `workload` alone; without it the workload of the shipped sweep runs. DIR is a recording, which
    is then played again.

    Down the map goes address, across goes time; a cell's colour is the part of it that the tracker
    found accessed, and grey means that nobody looked, which is not cold. The band on the right is
    the truth: the memory that the workload makes hot. In a log, without a terminal, the map is
    printed once at the end. Ctrl-C ends the run on the host too and keeps what was recorded.

    \b
    Examples:
      hotkit record watch                              soft-dirty on the lab's first machine
      hotkit record watch --tracker damon --set sample_us=1000 --seconds 20
      hotkit record watch my.yml -i my-lab --limit tier1 --out results/seen
      hotkit record watch results/seen --speed 4       play it again

    What each tracker can show, and the files of a recording: docs/record.md.

    Exit codes: 0 ok; 1 the run failed or the tracker cannot be used there; 2 bad input; 3
    unreachable; 5 the tracker reports no heat; 130 interrupted (what was recorded stays).
    """
    with _live() as show:
        if source is not None and source.is_dir():
            if tracker or assignments or local or limit or seconds or out:
                raise HotkitError(
                    f"{source}: a recording is played as it is",
                    hint="only --speed and --hot go with it",
                )
            result = load_recording(source, target)
            if show.live:
                for scene in replay(result, speed or 1):
                    show(scene)
        else:
            if speed:
                raise HotkitError("--speed replays a recording", hint="name its directory")
            if target:
                raise HotkitError(
                    "--target chooses from an imported recording", hint="name its directory"
                )
            name = tracker or "softdirty"
            result = record(
                source,
                tracker=name,
                settings=tracker_settings(name, assignments),
                inventory=inventory,
                limit=limit,
                local=local,
                seconds=seconds,
                bins=bins,
                every_ms=every_ms,
                out=out,
                show=show,
            )
    print_result(result, hot)
    return 0


class _Shower:
    """Takes scenes. `live`: they are drawn; else each step is told once, on stderr."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._told: set[str] = set()
        self._scene: Scene | None = None
        self.live = console.is_terminal

    def __call__(self, scene: Scene) -> None:
        self._scene = scene
        if not self.live and scene.step not in self._told:
            self._told.add(scene.step)
            self._console.print(scene_line(scene, self._elapsed()), soft_wrap=True)

    def draw(self) -> object:
        if self._scene is None:
            return ""
        return scene_view(self._scene, self._elapsed(), self._console.size.height)

    def _elapsed(self) -> float:
        return time.monotonic() - self._began


@contextmanager
def _live() -> Iterator[_Shower]:
    """A live view on a terminal; in a log one line per step. Always on stderr."""
    shower = _Shower(Console(stderr=True, highlight=False))
    if not shower.live:
        yield shower
        return
    # get_renderable is asked four times a second, so the clock runs while the agent is silent.
    with Live(
        console=shower._console,
        get_renderable=shower.draw,  # type: ignore[arg-type]
        refresh_per_second=4,
        transient=True,
    ):
        yield shower
