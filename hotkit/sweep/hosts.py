"""The hosts of a sweep side by side, each with one part after the other; hears Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hotkit.agentplace import Place
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.store import GROUP, MANIFEST, PARTS, part_folders, read_journal, read_manifest
from hotkit.sweep.begin import PartKey, Whole, begin
from hotkit.sweep.layout import boot_into
from hotkit.sweep.part import Part
from hotkit.sweep.progress import Progress, StopSign, Watch

# What Ctrl-C asks for, the first, second and third time.
_STOPS = ("run", "now", "leave")


@dataclass(slots=True)
class Job:
    """A sweep that is under way on its hosts."""

    whole: Whole
    watch: Watch
    stop: StopSign = field(default_factory=StopSign)
    active: dict[str, Part] = field(default_factory=dict)
    failures: dict[str, HotkitError] = field(default_factory=dict)
    bug: Exception | None = None


def carry_out(job: Job, work: Mapping[Place, Sequence[PartKey]]) -> None:
    """Every host in a thread of its own; Ctrl-C is heard here."""
    # Not Thread.join: interrupted, it takes a thread that lives for one that has ended
    # (bpo-45274 and what it left, Python 3.11).
    ended = {place.name: threading.Event() for place in work}
    for place, keys in work.items():
        threading.Thread(
            target=_host, args=(job, place, keys, ended[place.name]), daemon=True
        ).start()
    told = ""
    with _ctrl_c_is_heard(job.stop):
        while not all(event.is_set() for event in ended.values()) and job.stop.when != "leave":
            for event in ended.values():
                event.wait(0.1)
            if job.stop.when != told:
                told = job.stop.when
                _tell(job, told)
    _report_failures(job, len(work))


@contextmanager
def _ctrl_c_is_heard(stop: StopSign) -> Iterator[None]:
    """Each Ctrl-C raises the stop sign a step, instead of breaking into whatever runs now."""
    if threading.current_thread() is not threading.main_thread():
        yield  # a program that uses us has its own way with signals
        return
    steps = iter(_STOPS)
    before = signal.signal(
        signal.SIGINT, lambda number, frame: stop.raise_to(next(steps, _STOPS[-1]))
    )
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _tell(job: Job, when: str) -> None:
    """Pass the stop sign on to all agents, side by side: one may be slow to reach."""
    for name, part in list(job.active.items()):
        job.watch(Progress(host=name, step=_STOPPING.get(when, when)))
        threading.Thread(target=part.heed_stop, daemon=True).start()


_STOPPING = {
    "run": "stopping after this run (Ctrl-C again: now)",
    "now": "stopping now (Ctrl-C again: leave the agent to itself)",
}


def _report_failures(job: Job, hosts: int) -> None:
    if job.bug is not None:
        raise job.bug
    again = f"hotkit sweep resume {job.whole.folder}"
    if job.stop.when:
        left = job.stop.when == "leave"
        raise HotkitError(
            "interrupted; " + ("agents still running go on by themselves" if left else
            "agent and workload have ended, all knobs are back"),
            hint=f"what was measured is kept; to go on: {again}",
            exit_code=ExitCode.INTERRUPTED,
        )  # fmt: skip
    if not job.failures:
        return
    first = next(iter(job.failures.values()))
    others = f" ({len(job.failures)} of {hosts} hosts failed)" if hosts > 1 else ""
    raise HotkitError(
        f"{first.message}{others}",
        hint=first.hint or f"what was measured is kept; to go on: {again}",
        exit_code=first.exit_code,
    )


def _host(job: Job, place: Place, keys: Sequence[PartKey], ended: threading.Event) -> None:
    """The parts of one host, one after the other; a part that fails ends the host's sweep."""
    single = not (job.whole.folder / GROUP).exists()
    try:
        for key in keys:
            if job.stop.when:
                return
            folder = job.whole.folder if single else job.whole.folder / PARTS / key.name
            _part(job, place, key, folder)
    except HotkitError as error:
        job.failures[place.name] = error
    except Exception as error:
        job.bug = error  # raised again in the main thread: a thread's own traceback ends nothing
    finally:
        job.active.pop(place.name, None)
        ended.set()


def _part(job: Job, place: Place, key: PartKey, folder: Path) -> None:
    def prepare() -> None:
        if key.layout is not None:
            others = _boots_of_others(job, key)
            boot_into(
                place, job.whole.layout(key.layout), others,
                lambda step: job.watch(Progress(host=place.name, part=key.name, step=step)),
            )  # fmt: skip

    if not (folder / MANIFEST).exists():
        prepare()
        begin(job.whole, place, key, folder, job.watch)
    part = Part(folder, place, job.watch, job.stop, prepare)
    job.active[place.name] = part
    if not part.carry_out() and not job.stop.when:
        raise HotkitError(
            f"{place.name}: stopped by hotkit sweep stop",
            hint=f"what was measured is kept; to go on: hotkit sweep resume {job.whole.folder}",
            exit_code=ExitCode.INTERRUPTED,
        )


def _boots_of_others(job: Job, key: PartKey) -> set[str]:
    """The boots of the host in which this layout was measured as another boot.

    A boot of another layout cannot be meant: it is left by booting this one.
    """
    found: set[str] = set()
    for folder in part_folders(job.whole.folder):
        part = read_manifest(folder)["part"]
        other = part["layout"] == key.layout and part["boot"] != key.boot
        if part["host"] == key.host and other:
            found |= {
                event["machine"]["boot_id"]
                for event in read_journal(folder)
                if event["type"] == "hello"
            }
    return found
