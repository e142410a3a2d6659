"""The `--json` document of a sweep: the same figures as on the terminal, with their units."""

from __future__ import annotations

from typing import Any

from hotkit.core.analysis import ArmResult, PerSample, TrackerDose, WithoutFar
from hotkit.core.stats import Interval, Ratio
from hotkit.core.stats_compare import Equivalence
from hotkit.core.stats_session import OUTLIER_RULE, Drift
from hotkit.report.sweep_gates import gates_dict
from hotkit.report.sweep_guest import arm_dict as in_guest_dict
from hotkit.report.sweep_guest import guest_dict
from hotkit.report.sweep_tables import Result


def to_dict(result: Result) -> dict[str, Any]:
    """The `--json` document: times in seconds, per-sample figures in ns, slow-down a fraction."""
    analysis = result.analysis
    a_a = analysis.a_a
    return {
        "schema_version": 1,
        "label": result.label.to_dict(),
        "host": result.host,
        "folder": str(result.folder),
        "kernel_release": result.machine["kernel_release"],
        **guest_dict(result),
        "seed": result.manifest["seed"],
        "sha256": result.manifest["sha256"],
        "trusted": analysis.trusted,
        "doubts": list(analysis.untrusted),
        "blocks": analysis.blocks,
        "incomplete_blocks": list(analysis.incomplete_blocks),
        "off_mean_s": analysis.off_mean,
        "a_a": {
            "pairs": a_a.n,
            "mean_s": a_a.mean,
            "sd_s": a_a.sd,
            "interval_s": _pair(a_a.interval),
            "p_t": a_a.p_t,
            "p_sign_flip": a_a.p_sign_flip,
            "undefined": a_a.undefined,
        },
        "drift": _drift_dict(analysis.drift),
        **gates_dict(analysis),
        "arms": [_arm_dict(arm) for arm in analysis.arms],
        "dose_response": [_dose_dict(dose) for dose in analysis.doses],
    }


def _arm_dict(arm: ArmResult) -> dict[str, Any]:
    if arm.errors:
        return {
            "arm": arm.arm, "tracker": arm.tracker, "runs": arm.runs, "errors": list(arm.errors),
            **in_guest_dict(arm),
        }  # fmt: skip
    return {
        "errors": [],
        "arm": arm.arm,
        "tracker": arm.tracker,
        "runs": arm.runs,
        "overhead_s": arm.overhead.mean,
        "overhead_interval_s": _pair(arm.overhead.interval),
        "p_sign_flip": arm.overhead.p_sign_flip,
        "p_t": arm.overhead.p_t,
        "p_holm": arm.p_holm,
        "equivalence": _equivalence_dict(arm.equivalence) if arm.equivalence else None,
        "without_far_blocks": _far_dict(arm.without_far) if arm.without_far else None,
        "unseen_blocks": list(arm.unseen_blocks),
        "slowdown": _ratio_dict(arm.slowdown, 1.0),
        "per_examined": _per_dict(arm.per_examined),
        "per_positive": _per_dict(arm.per_positive),
        "mde_fraction": arm.mde_fraction,
        "blocks_needed": arm.blocks_needed,
        "accuracy": arm.accuracy.to_dict() if arm.accuracy else None,
        **in_guest_dict(arm),
    }


def _per_dict(per: PerSample) -> dict[str, Any]:
    return {
        "unit": f"ns per {per.unit}",
        "samples": per.samples,
        "differential_ns": _ratio_dict(per.differential, 1e9),
        "direct_ns": None if per.direct is None else per.direct * 1e9,
        "mde_ns": None if per.mde is None else per.mde * 1e9,
    }


def _ratio_dict(ratio: Ratio, scale: float) -> dict[str, Any]:
    return {
        "estimate": None if ratio.estimate is None else ratio.estimate * scale,
        "fieller": _pair(ratio.interval, scale),
        "bootstrap": _pair(ratio.bootstrap, scale),
        "g": ratio.g,
        "undefined": ratio.undefined,
    }


def _pair(interval: Interval | None, scale: float = 1.0) -> list[float] | None:
    return None if interval is None else [interval.low * scale, interval.high * scale]


def _equivalence_dict(found: Equivalence) -> dict[str, Any]:
    return {
        "margin_fraction": found.margin,
        "answer": str(found.answer) if found.answer else None,
        "p_tost": found.p,
        "interval_90": _pair(found.interval),
        "undefined": found.undefined,
    }


def _far_dict(found: WithoutFar) -> dict[str, Any]:
    return {
        "rule": OUTLIER_RULE,
        "blocks": list(found.blocks),
        "slowdown": _ratio_dict(found.slowdown, 1.0),
        "per_examined_ns": _ratio_dict(found.per_examined, 1e9),
    }


def _drift_dict(found: Drift) -> dict[str, Any]:
    return {
        "blocks": found.blocks,
        "change_fraction": found.change,
        "change_interval": _pair(found.change_interval),
        "first_blocks": found.first_blocks,
        "first_against_rest_fraction": found.first,
        "first_interval": _pair(found.first_interval),
        "undefined": found.undefined,
    }


def _dose_dict(found: TrackerDose) -> dict[str, Any]:
    response = found.response
    return {
        "tracker": found.tracker,
        "arms": list(found.arms),
        "unit": f"ns per {found.unit}",
        "mean_samples": list(response.doses),
        "fixed_s": response.fixed,
        "fixed_interval_s": _pair(response.fixed_interval),
        "per_sample_ns": _ratio_dict(response.per_sample, 1e9) if response.per_sample else None,
        "undefined": response.undefined,
    }
