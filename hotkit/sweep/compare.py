"""The story of `hotkit compare`: read several sweep directories, hold them against each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hotkit.core.comparison import Comparison, Session, compare
from hotkit.errors import HotkitError
from hotkit.sweep.folder import SweepResult
from hotkit.sweep.report import read_sweep


def compare_sweeps(folders: Sequence[Path]) -> tuple[Comparison, tuple[SweepResult, ...]]:
    """Compare at least two directories. Raises HotkitError for one that is no sweep (2), has no
    complete block (5), or is named twice or a copy of another (2): it would count twice."""
    if len(folders) < 2:
        raise HotkitError("a comparison needs two sweep directories", hint="hotkit compare A B")
    results = tuple(read_sweep(folder) for folder in folders)
    seen: dict[object, Path] = {}
    for folder, result in zip(folders, results, strict=True):
        times = tuple((run.name, run.duration) for run in result.runs)
        first = seen.setdefault(times, folder)
        if first is not folder:
            raise HotkitError(
                f"{folder}: has the very times of {first}: a session counts once",
                hint="name each session once",
            )
    return compare([session_of(result) for result in results]), results


def session_of(result: SweepResult) -> Session:
    """A sweep as the core compares it."""
    return Session(
        name=str(result.folder),
        manifest=result.manifest,
        analysis=result.analysis,
        work=_work(result),
    )


def _work(result: SweepResult) -> str | None:
    """The checksum of the work when all runs share it."""
    found = {run.checksum for run in result.runs}
    return found.pop() if len(found) == 1 else None
