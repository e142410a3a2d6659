"""The story of `hotkit sweep plan`: what a description would do, told without asking a machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hotkit.core.design import schedule
from hotkit.core.planned import PlannedPart, SweepPlan, WorkloadPlan
from hotkit.core.sweepplan import Wishes, lasts, sight
from hotkit.core.units import GIB
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.guestspec import guest_named
from hotkit.host.inventory import load_inventory
from hotkit.host.sweepspec import SweepSpec, load_sweep_spec
from hotkit.host.workloadspec import CommandSpec
from hotkit.sweep.begin import parts_of
from hotkit.sweep.folder import SweepResult
from hotkit.sweep.layout import layout_name
from hotkit.sweep.pilot import pilot_for, read_pilot

# Without a pilot: what the harness takes around each run (found: 0.02 s on a quiet machine, 0.4 s
# in the emulated lab), and how fast one thread populates memory page by page. Both are guesses.
ROUGH_AROUND_S = 0.5
ROUGH_POPULATE_BYTES_PER_S = GIB
# Finding the amount of work ends with two runs of half to the whole length; the tries before it
# grow to that.
_RUNS_TO_CALIBRATE = 3


def plan_sweep(
    description: Path | None = None,
    *,
    inventory: str | Path = "lab",
    limit: str | None = None,
    local: bool = False,
    pilot: Path | None = None,
) -> SweepPlan:
    """Plan a description; None is the one that comes with hotkit. No machine is asked.

    Raises HotkitError for a description, an inventory or a pilot that cannot be read.
    """
    spec = load_sweep_spec(description)
    known = None if local else load_inventory(inventory, limit)
    hosts = tuple(host.name for host in known.hosts) if known else ("localhost",)
    if spec.guest is not None:
        for host in known.hosts if known else (None,):
            guest_named(spec.guest, host, known)
    measured: tuple[SweepResult, ...] = ()
    if pilot is not None:
        measured = read_pilot(pilot)
        if not measured:
            raise HotkitError(
                f"{pilot}: no part of it has a complete block",
                hint=f"hotkit sweep resume {pilot} goes on with it",
                exit_code=ExitCode.NOT_TRUSTWORTHY,
            )
    return SweepPlan(
        description=str(description) if description else "sweep-default.yml (shipped)",
        seed=spec.seed,
        hosts=hosts,
        layouts=tuple(map(layout_name, spec.layouts)),
        boots=spec.boots,
        parts=tuple(PlannedPart(**part.to_dict()) for part in parts_of(spec, hosts)),
        workloads=tuple(
            _workload(name, spec.of_workload(name), hosts, measured)
            for name in spec.named_workloads
        ),
        pilot=str(pilot) if pilot else None,
        guest=spec.guest,
    )


def _workload(
    name: str, spec: SweepSpec, hosts: Sequence[str], measured: Sequence[SweepResult]
) -> WorkloadPlan:
    work, arms = spec.only_workload, spec.named_arms()
    wishes = _wishes(spec, len(arms))
    pilot = pilot_for(measured, work.model_dump(mode="json"), arms, hosts,
                      [*map(layout_name, spec.layouts)])  # fmt: skip
    seen = sight(pilot.noise, wishes) if pilot and pilot.noise and pilot.noise.off_off > 0 else None
    names = [arm.name for arm in arms]
    unknown = rough = None
    if pilot and pilot.pace:
        time = pilot.pace.block_s(names), pilot.pace.start_s
    elif isinstance(work, CommandSpec):
        time, unknown = None, "how long a command takes is known once it has run"
    elif work.seconds is None:
        time, unknown = None, "how long so many updates take depends on the machine"
    else:
        time, rough = _guessed(work.seconds, work.size, len(arms))
    return WorkloadPlan(
        name=name,
        kind=work.kind,
        arms=arms,
        wishes=wishes,
        runs=schedule(arms, spec.most_blocks, spec.seed),
        lasts=lasts(*time, wishes, seen) if time else None,
        unknown=unknown,
        rough=rough,
        pilot=pilot,
        sight=seen,
    )


def _wishes(spec: SweepSpec, arms: int) -> Wishes:
    until = spec.until
    half = until.half_width_percent if until else None
    minutes = until.minutes if until else None
    return Wishes(
        blocks=spec.blocks,
        most_blocks=spec.most_blocks,
        arms=arms,
        smallest_effect=spec.smallest_effect_percent / 100,
        half_width=None if half is None else half / 100,
        verdict=bool(until and until.verdict),
        seconds=None if minutes is None else 60 * minutes,
    )


def _guessed(seconds: float, size: int, arms: int) -> tuple[tuple[float, float], str]:
    """Guessed seconds of a block and before the first one, and what they are guessed from."""
    around = ROUGH_AROUND_S + size / ROUGH_POPULATE_BYTES_PER_S
    words = f"{seconds:g} s a run and {around:.1f} s around it, as if a tracker cost nothing"
    run = seconds + around
    return ((2 + arms) * run, _RUNS_TO_CALIBRATE * run), words
