"""Whether to read on: the trust verdict that every report of a sweep opens with."""

from __future__ import annotations

from dataclasses import dataclass

from hotkit.core.labels import Platform
from hotkit.report.sweep_guest import clock_warning
from hotkit.report.sweep_tables import Result, seconds, span

# What a figure with this label says.
PLATFORMS = {
    Platform.EMULATED: "EMULATED: shows that a tracker works, never what it costs on hardware",
    Platform.VIRTUAL: "VIRTUAL: measured below a hypervisor",
    Platform.METAL: "METAL",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictWords:
    """`kind` is trusted, undefined or untrusted; `lines` say why, and what the label means."""

    title: str
    kind: str
    lines: tuple[str, ...]


def verdict_of(result: Result) -> VerdictWords:
    """A/A first, then every other doubt."""
    analysis = result.analysis
    a_a = analysis.a_a
    if a_a.interval is not None and a_a.p_t is not None:
        pairs = (
            f"A/A: the two off runs of {a_a.n} blocks differ by {seconds(a_a.mean)}"
            f" (95 % interval {span(a_a.interval, seconds)}; p = {a_a.p_t:.2f},"
            f" sign-flip p = {a_a.p_sign_flip:.2f})"
        )
    else:
        pairs = f"A/A: {a_a.undefined}"
    undefined = [f"{arm.arm}: {arm.undefined}" for arm in analysis.arms if arm.undefined]
    if not analysis.trusted:
        title, kind = "NOT TRUSTWORTHY", "untrusted"
        lines = [*(f"- {doubt}" for doubt in analysis.untrusted), pairs]
    elif undefined:
        title, kind = "UNDEFINED", "undefined"
        lines = [pairs, *(f"- {line}" for line in undefined)]
    else:
        title, kind = "trustworthy", "trusted"
        lines = [f"{pairs}: identical runs look identical"]
    if warning := clock_warning(analysis):
        lines.append(warning)
    lines.append(PLATFORMS[result.label.platform])
    return VerdictWords(title=title, kind=kind, lines=tuple(lines))
