"""What `hotkit sweep plan` prints: parts, schedule, duration, what it will be able to see."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hotkit.core.design import OFF, PlannedRun
from hotkit.core.planned import Pilot, SweepPlan, WorkloadPlan
from hotkit.core.sweepplan import MOST_BLOCKS, Lasts, Sight, Spread, Wishes

FIRST_BLOCKS, FIRST_PARTS = 4, 12


def print_plan(plan: SweepPlan, console: Console, *, full: bool = False) -> None:
    """The whole plan; of each schedule the first blocks, or all of them when `full`."""
    for line in _head(plan):
        console.print(Text(line), soft_wrap=True)
    console.print(_parts_table(plan, full))
    for works in _of_one_schedule(plan.workloads):
        console.print(_schedule_table(plan, works, full))
    if not full:
        console.print(Text("  --full shows every part and every block", style="dim"))
    console.print(Text("Duration", style="bold"))
    _print_lines(_duration_lines(plan), console)
    console.print(Text("What it will be able to see", style="bold"))
    _print_lines([line for work in plan.workloads for line in _sight_lines(work)], console)


def _print_lines(lines: Sequence[str], console: Console) -> None:
    """Indented by two and by their own leading blanks, also where they are folded."""
    for line in lines:
        own = line.lstrip()
        console.print(Padding(Text(own), (0, 0, 0, 2 + len(line) - len(own))))


def _head(plan: SweepPlan) -> list[str]:
    each = len(plan.parts_of_a_host)
    several = f": {len(plan.hosts)} hosts side by side, {_count(each, 'part')} on each"
    lines = [
        f"Plan of {plan.description}: {_count(len(plan.parts), 'part')}"
        + (several if len(plan.hosts) > 1 else ""),
        f"  hosts      {', '.join(plan.hosts)}",
    ]
    if plan.layouts:
        times = f", each booted {plan.boots} times" if plan.boots > 1 else ""
        lines.append(
            f"  layouts    {', '.join(plan.layouts)}{times}: {_count(plan.boots_of_a_host, 'boot')}"
            " of each host, a provision and a reboot each"
        )
    works = [f"{one.name} ({one.kind})" if one.name != one.kind else one.name
             for one in plan.workloads]  # fmt: skip
    # Names as they are in the schedule; where they look from is said beside them.
    arms = dict.fromkeys(
        arm.name + (f" (in the {arm.scope})" if arm.scope else "")
        for one in plan.workloads
        for arm in one.arms
    )
    if plan.guest is not None:
        lines.append(f"  guest      {plan.guest} of each host: the workload runs in it")
    lines.append(f"  workloads  {', '.join(works)}")
    lines.append(f"  arms       {', '.join(arms)}; and off twice in each block")
    return lines


def _parts_table(plan: SweepPlan, full: bool) -> Table:
    """One row per part of a host."""
    of = "each host" if len(plan.hosts) > 1 else plan.hosts[0]
    parts = plan.parts_of_a_host
    shown = parts if full else parts[:FIRST_PARTS]
    table = Table(title=f"Parts of {of}{_first(len(shown), len(parts))}", title_justify="left")
    names = ["", *(["layout", "boot"] if plan.layouts else []), "workload"]
    for name in names:
        table.add_column(name)
    for name in ("blocks", "runs", "duration"):
        table.add_column(name, justify="right")
    for number, part in enumerate(shown, start=1):
        work = plan.workload(part.workload)
        wishes, size = work.wishes, 2 + len(work.arms)
        place = [str(part.layout), str(part.boot + 1)] if plan.layouts else []
        table.add_row(
            str(number),
            *place,
            part.workload,
            _from_to(wishes.blocks, wishes.most_blocks),
            _from_to(size * wishes.blocks, size * wishes.most_blocks),
            _lasting(work.lasts) if work.lasts else "unknown",
        )
    return table


def _of_one_schedule(works: Sequence[WorkloadPlan]) -> list[list[WorkloadPlan]]:
    """The workloads by their orders of runs, which are the same unless their arms differ."""
    found: dict[tuple[str, ...], list[WorkloadPlan]] = {}
    for work in works:
        found.setdefault(tuple(run.name for run in work.runs), []).append(work)
    return list(found.values())


def _schedule_table(plan: SweepPlan, works: Sequence[WorkloadPlan], full: bool) -> Table:
    blocks = _by_block(works[0].runs)
    shown = len(blocks) if full else min(FIRST_BLOCKS, len(blocks))
    names = [work.name for work in works]
    parts = [part for part in plan.parts if part.workload in names]
    where = f"Schedule of {', '.join(names)}, seed {plan.seed}"
    where += f", the same in each of {len(parts)} parts" if len(parts) > 1 else ""
    table = Table(title=where + _first(shown, len(blocks)), title_justify="left")
    table.add_column("block", justify="right")
    table.add_column("order of the runs", overflow="fold")
    for number, runs in enumerate(blocks[:shown]):
        turned = " (the one before, turned round)" if number % 2 else ""
        order = ", ".join(run.arm.name for run in runs)
        table.add_row(str(number), Text(order + turned))
    return table


def _first(shown: int, there: int) -> str:
    return f": the first {shown} of {there}" if shown < there else ""


def _by_block(runs: Sequence[PlannedRun]) -> list[list[PlannedRun]]:
    blocks: list[list[PlannedRun]] = []
    for run in runs:
        if run.block == len(blocks):
            blocks.append([])
        blocks[run.block].append(run)
    return blocks


def _duration_lines(plan: SweepPlan) -> list[str]:
    lines = []
    for work in plan.workloads:
        if work.lasts is None:
            lines.append(f"{work.name}: unknown: {work.unknown}; --pilot DIR tells")
        elif work.rough:
            lines.append(
                f"{work.name}: {_lasting(work.lasts)} a part, a rough estimate:"
                f" {work.rough}; --pilot DIR tells"
            )
        elif work.pilot and work.pilot.pace:
            pace, names = work.pilot.pace, [arm.name for arm in work.arms]
            off, between = pace.harness_s[OFF], pace.between_s
            lines.append(
                f"{work.name}: {_lasting(work.lasts)} a part, by the pilot's pace: a block"
                f" {_time(pace.block_s(names))}; {pace.work_s[OFF]:.3g} s of an off run are timed,"
                f" {off - pace.work_s[OFF]:.2g} s are the harness's, {between:.2g} s lie between"
                " two runs"
            )
        if work.lasts and (why := _why_so_long(work.lasts, work.wishes)):
            lines.append(f"  {why}")
    total = plan.total
    if total is not None and len(plan.parts_of_a_host) > 1:
        whole = Lasts(least_s=total.least_s, likely_s=total.likely_s, most_s=total.most_s,
                      likely_blocks=None)  # fmt: skip
        lines.append(f"all parts: {_lasting(whole)}")
    if plan.layouts:
        lines.append(f"not counted: {_count(plan.boots_of_a_host, 'boot')} of each host")
    return [*lines, "not counted: blocks that run again because a gate failed"]


def _why_so_long(found: Lasts, wishes: Wishes) -> str | None:
    """Where `until` decides how long it takes."""
    if wishes.most_blocks == wishes.blocks:
        return None
    if found.likely_blocks is None:
        return "where between the two until ends it cannot be told without a pilot"
    if wishes.seconds is not None and wishes.half_width is None and not wishes.verdict:
        return f"until: time for {found.likely_blocks} blocks"
    as_if = ", as if no arm cost anything" if wishes.verdict else ""
    return f"until: {found.likely_blocks} blocks expected{as_if}"


def _sight_lines(work: WorkloadPlan) -> list[str]:
    pilot = work.pilot
    if pilot is None:
        return [f"{work.name}: unknown without a pilot: measure a few blocks, then --pilot DIR"]
    if pilot.refused:
        return [f"{work.name}: {pilot.name} is no pilot for it: {'; '.join(pilot.refused)}"]
    marks = [f"  note: {mark}" for mark in pilot.marks]
    if work.sight is None:
        return [f"{work.name}: {_of_pilot(pilot)} shows no noise to tell it from", *marks]
    return [*_seen(work, work.sight, pilot), *marks]


def _of_pilot(pilot: Pilot) -> str:
    return f"pilot {pilot.name} on {pilot.host} [{pilot.label}], {_count(pilot.blocks, 'block')}"


def _seen(work: WorkloadPlan, seen: Sight, pilot: Pilot) -> list[str]:
    wishes, pairs = work.wishes, seen.noise.pairs
    wanted = f"{100 * wishes.smallest_effect:g} %"
    lines = [
        f"{work.name}: {_of_pilot(pilot)}",
        f"  noise of a block's slow-down {_percent(seen.off_off)}, from {pairs} off/off pairs; in"
        " brackets what the 95 % interval of that sd makes of each figure"
        f" (chi-square, {pairs - 1} degrees of freedom)",
        f"  smallest effect: {wishes.blocks} blocks show a slow-down of {_percent(seen.mde)} with"
        " 80 % power",
    ]
    if seen.mde_most:
        lines.append(f"  with {wishes.most_blocks} blocks, the most: {_percent(seen.mde_most)}")
    lines.append(f"  to show {wanted} (smallest_effect_percent): {_blocks(seen.needed)}")
    if wishes.half_width is not None or wishes.verdict:
        arm, sd = seen.noise.widest
        what = "that of off/off pairs" if arm == OFF else f"arm {arm}"
        lines.append(f"  until waits for the noisiest arm: sd {_two(100 * sd)} % ({what})")
    for found, words in (
        (seen.half_width, f"half width {100 * (wishes.half_width or 0):g} %"),
        (seen.equivalent, f"equivalent (if it costs nothing, against {wanted})"),
        (seen.different, f"different (if it costs {wanted})"),
    ):
        if found is not None:
            late = " (not before the last look)" if _after(found, wishes.most_blocks) else ""
            lines.append(f"  until: {words}: {_blocks(found)}{late}")
    if not pilot.label.costs_hold_for_hardware:
        lines.append(f"  {pilot.label}: neither pace nor noise says anything about hardware")
    return lines


def _after(found: Spread, most: int) -> bool:
    return found.value is None or found.value > most


def _percent(found: Spread) -> str:
    low, value, high = (_two(100 * (one or 0.0)) for one in (found.low, found.value, found.high))
    return f"{value} % ({low} to {high})"


def _two(value: float) -> str:
    """Two digits, without an exponent."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.2g}"


def _blocks(found: Spread) -> str:
    low, value, high = (
        f"more than {MOST_BLOCKS:,}" if one is None else f"{one:,.0f}"
        for one in (found.low, found.value, found.high)
    )
    return f"{value} blocks ({low} to {high})"


def _lasting(found: Lasts) -> str:
    """The expected duration, or what it lies between."""
    if found.least_s == found.most_s:
        return _time(found.most_s)
    ends = f"{_time(found.least_s)} to {_time(found.most_s)}"
    return ends if found.likely_s is None else f"{_time(found.likely_s)} ({ends})"


def _time(seconds: float) -> str:
    """Two units are enough for a plan."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    days, minutes = divmod(minutes, 24 * 60)
    return (f"{days} d " if days else "") + f"{minutes // 60} h {minutes % 60:02d} min"


def _from_to(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
