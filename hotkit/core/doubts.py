"""Why the figures of a session may not be believed: a sentence for each reason."""

from __future__ import annotations

from collections.abc import Sequence

from hotkit.core.design import MIN_BLOCKS, OFF
from hotkit.core.reruns import Rerun, rerun_doubt
from hotkit.core.runresult import RunResult
from hotkit.core.stats import Difference

# Below this p-value the two off runs of the blocks differ, and the session is not trusted.
A_A_LEVEL = 0.05


def _differing_work(runs: Sequence[RunResult]) -> bool:
    """Whether runs that should do the same have several checksums."""
    work: dict[str, set[str]] = {}
    for run in runs:
        work.setdefault(run.arm if run.own_work else OFF, set()).add(run.checksum)
    return any(len(checksums) > 1 for checksums in work.values())


def doubts(
    runs: Sequence[RunResult],
    blocks: int,
    incomplete: Sequence[int],
    a_a: Difference,
    reruns: Sequence[Rerun],
) -> tuple[str, ...]:
    """Every reason why the figures may not be believed, the gravest first."""
    found = []
    if a_a.undefined:
        found.append(f"the A/A pairs say nothing: {a_a.undefined}")
    elif a_a.p_t is not None and a_a.p_t < A_A_LEVEL:
        found.append(
            f"the two off runs of the blocks differ by {a_a.mean:+.4g} s on average"
            f" (p = {a_a.p_t:.3g}): identical runs must not"
        )
    if _differing_work(runs):
        found.append("the workload did not do the same work in every run (checksums differ)")
    if blocks < MIN_BLOCKS:
        found.append(f"only {blocks} complete blocks, {MIN_BLOCKS} are the least")
    elif incomplete:
        shown = ", ".join(str(number) for number in incomplete[:8])
        found.append(f"block(s) {shown} are not complete and were left out")
    if often := rerun_doubt(reruns, {run.block for run in runs}):
        found.append(often)
    for whose, name in (("machine", "swap"), ("guest", "guest.swap")):
        if swapped := sum(run.deltas.get(name, 0) for run in runs):
            found.append(f"the {whose} swapped {swapped} page(s) during the runs")
    off = dict.fromkeys(error for run in runs if run.arm == OFF for error in run.errors)
    found += [f"off: {error}" for error in off]
    steal = sum(run.deltas.get("steal_ns", 0) for run in runs) / 1e9
    total = sum(run.duration for run in runs)
    if total and steal > 0.05 * total:
        found.append(f"a hypervisor took {steal:.2f} s of CPU time from the machine (steal)")
    lost = sum(run.lost for run in runs)
    seen = sum(run.examined for run in runs)
    if lost > 0.01 * seen:
        found.append(f"{lost} of {seen + lost} samples were lost")
    return tuple(found)
