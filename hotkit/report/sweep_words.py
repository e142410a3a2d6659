"""The sentences of a sweep's report: what cannot be told, what is assumed, what went on."""

from __future__ import annotations

from collections.abc import Sequence

from hotkit.core.analysis import Analysis, ArmResult, PerSample, TrackerDose, WithoutFar
from hotkit.core.stats import Interval
from hotkit.core.stats_compare import Answer, Equivalence
from hotkit.core.stats_session import OUTLIER_RULE, Drift
from hotkit.report.sweep_tables import nanoseconds, p_value, percent, span


def statements(arm: ArmResult, analysis: Analysis) -> list[str]:
    """The sentences below the table: what cannot be told, cross-checks, ground truth."""
    if arm.errors:
        return [f"{arm.arm}: no result: {error}" for error in arm.errors]
    said = []
    per = arm.per_examined
    interval = per.differential.interval
    if per.undefined:
        said.append(f"{arm.arm}: undefined: {per.undefined}")
    elif interval is not None and interval.holds_zero:
        said.append(_not_distinguishable(arm, per, interval, analysis))
    if arm.per_positive.undefined and not per.undefined:
        said.append(
            f"{arm.arm}: per {arm.per_positive.unit}: undefined: {arm.per_positive.undefined}"
        )
    if per.differential.bootstrap:
        said.append(
            f"{arm.arm}: cross-check, studentised bootstrap:"
            f" {span(per.differential.bootstrap, nanoseconds)} ns per {per.unit}"
        )
    if arm.unseen_blocks:
        said.append(_unseen(arm))
    if arm.equivalence and arm.equivalence.answer:
        said.append(f"{arm.arm}: {_answer(arm.equivalence, arm.p_holm)}")
    if arm.without_far:
        said.append(_far(arm, arm.without_far))
    said.append(f"{arm.arm}: the average includes the fixed cost of tracking, if there is any")
    return said


def _not_distinguishable(
    arm: ArmResult, per: PerSample, interval: Interval, analysis: Analysis
) -> str:
    smallest = 100 * analysis.sesoi_fraction
    words = [
        f"{arm.arm}: not distinguishable from 0 (95 % {span(interval, nanoseconds)} ns"
        f" per {per.unit}); upper bound {nanoseconds(interval.high)} ns"
    ]
    if per.mde is not None:
        words.append(
            f"the smallest effect that this sweep could see is {nanoseconds(per.mde)} ns"
            f" ({percent(arm.mde_fraction)})"
        )
    if arm.blocks_needed is not None:
        words.append(f"{arm.blocks_needed} blocks would show {smallest:g} %")
    else:
        words.append(f"more blocks than can be run would be needed to show {smallest:g} %")
    return "; ".join(words)


def _answer(found: Equivalence, p_holm: float | None) -> str:
    """The word against the smallest effect of interest, with the test that it comes from."""
    margin = f"{100 * found.margin:g} %"
    ninety = f"90 % interval {span(found.interval, percent)}, TOST p {p_value(found.p or 0.0)}"
    if found.answer is Answer.EQUIVALENT:
        return f"equivalent: the slow-down is smaller than {margin} either way ({ninety})"
    if found.answer is Answer.DIFFERENT:
        return (
            f"different: there is a slow-down or a speed-up (p {p_value(p_holm or 0.0)} by Holm),"
            f" and it is not shown to be smaller than {margin} ({ninety})"
        )
    return f"inconclusive: neither a difference nor its being below {margin} is shown ({ninety})"


def _unseen(arm: ArmResult) -> str:
    blocks = ", ".join(str(block) for block in arm.unseen_blocks)
    return (
        f"{arm.arm}: examined nothing in {len(arm.unseen_blocks)} of {arm.runs} runs (block(s)"
        f" {blocks}), which every figure includes: the run may have ended before the tracker first"
        " looked; ask for longer runs (`seconds`) or a shorter interval or period"
    )


def _far(arm: ArmResult, found: WithoutFar) -> str:
    blocks = ", ".join(str(block) for block in found.blocks)
    per = found.per_examined
    sample = (
        f", {nanoseconds(per.estimate)} ns per {arm.per_examined.unit}"
        f" ({span(per.interval, nanoseconds)})"
        if per.defined
        else ""
    )
    return (
        f"{arm.arm}: block(s) {blocks} lie far from the rest ({OUTLIER_RULE}); every figure above"
        f" includes them; without them {percent(found.slowdown.estimate)}"
        f" ({span(found.slowdown.interval, percent)}){sample}: too short an interval, since chance"
        " alone flags a block in 10 to 15 of 100 sound sweeps"
    )


def drift_lines(drift: Drift) -> list[str]:
    """What the off runs did over the session. Shown whether or not the session is trusted."""
    if drift.undefined:
        return [f"drift: undefined: {drift.undefined}"]
    moved = any(
        interval is not None and not interval.holds_zero
        for interval in (drift.change_interval, drift.first_interval)
    )
    last = (
        "the machine drifted or still settled; the mirrored order takes a steady drift out"
        if moved
        else "no drift beyond the noise"
    )
    return [
        f"drift: off runs {percent(drift.change)} from first block to last"
        f" (95 % {span(drift.change_interval, percent)}); first {drift.first_blocks} block(s)"
        f" against the rest {percent(drift.first)} ({span(drift.first_interval, percent)}): {last}"
    ]


def dose_lines(doses: Sequence[TrackerDose]) -> list[str]:
    """Trackers whose fixed and per-sample cost cannot be told apart, and what the others assume."""
    said = []
    for dose in doses:
        if dose.response.undefined:
            said.append(f"{dose.tracker} ({', '.join(dose.arms)}): {dose.response.undefined}")
        else:
            said.append(
                f"{dose.tracker}: fixed and per-sample cost assume a straight line, and settings"
                " whose numbers change nothing but how much they sample"
            )
    return said
