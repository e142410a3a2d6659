"""`hotkit record`: heat over address and time, live and from a recording."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live

from hotkit.cli.options import on_hosts
from hotkit.core.record import HOT_SHARE
from hotkit.errors import HotkitError
from hotkit.host.recordspec import tracker_settings
from hotkit.record import (
    BINS,
    EVERY_MS,
    RecordResult,
    Scene,
    load_recording,
    record,
    replay,
)
from hotkit.report.record import print_recording, scene_line, scene_view, to_dict

_FIGURES = (".png", ".svg")


@click.group("record")
def command() -> None:
    """Watch what a tracker sees: a heat map of memory over time, live or from a recording.

    `watch` runs a workload once under one tracker and draws the map as it comes; `report` reads a
    recording again and writes PNG or SVG. Where the workload's hot memory is known, that truth
    stands beside the map: it shows at a glance whether a tracker finds it.

    A recorded run costs more than an unrecorded one. What a tracker costs is for `hotkit sweep`.
    """


def _hot(function: Callable[..., int]) -> Callable[..., int]:
    return click.option(
        "--hot",
        metavar="PERCENT",
        type=click.FloatRange(0, 100, min_open=True),
        default=100 * HOT_SHARE,
        show_default=True,
        help="Call a bin hot from this mean share accessed on.",
    )(function)


@command.command("watch")
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
@_hot
def watch_command(
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
            result = load_recording(source)
            if show.live:
                for scene in replay(result, speed or 1):
                    show(scene)
        else:
            if speed:
                raise HotkitError("--speed replays a recording", hint="name its directory")
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
    _print(result, hot)
    return 0


@command.command("report")
@click.argument(
    "folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@click.option(
    "--png",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the map into this file too.",
)
@click.option(
    "--svg",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The same as SVG, with its text as text.",
)
@_hot
def report_command(
    folder: Path, as_json: bool, png: Path | None, svg: Path | None, hot: float
) -> int:
    """Show a recording: heat map, working set, hot ranges, and what the ground truth says.

    The working set is what was found accessed in one step, in bytes; its percentiles are over the
    steps. A hot range is made of adjacent bins whose mean share is at least --hot. A figure carries
    label and tracker in its title: emulated shows what a tracker sees, never what it costs.

    \b
    Examples:
      hotkit record report results/seen
      hotkit record report results/seen --hot 80 --png seen.png --svg seen.svg
      hotkit record report results/seen --json | jq .working_set_bytes

    Exit codes: 0 ok; 1 the journal does not hold what an agent sends; 2 no recording; 5 one
    without heat.
    """
    for path, ending in zip((png, svg), _FIGURES, strict=True):
        if path is not None and path.suffix.lower() != ending:
            raise HotkitError(f"{path}: does not end in {ending}", hint=f"like {folder}{ending}")
    result = load_recording(folder)
    for path in (png, svg):
        if path is not None:
            # matplotlib takes a second to import: only who wants a figure pays for it.
            from hotkit.report.recordfigure import write_figure

            write_figure(result, path)
    if as_json:
        click.echo(json.dumps(to_dict(result, hot / 100), indent=2, allow_nan=False))
    else:
        _print(result, hot)
    return 0


def _print(result: RecordResult, hot: float) -> None:
    # A log file is as wide as it needs to be; a terminal is as wide as it is.
    width = None if sys.stdout.isatty() else 120
    print_recording(result, Console(file=sys.stdout, highlight=False, width=width), hot / 100)


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
