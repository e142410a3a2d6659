"""What the sessions of the comparison add up to. Pure: values in, values out.

A session is a case of docs/evidence/peers.json; see session.py for what is in it.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy import stats

Case = Mapping[str, Any]
Said = Mapping[str, Any]
Rule = Callable[[Said], str]

# What a reader may take for a verdict: a name for each, the tool, and how it is read.
RULES: Mapping[str, tuple[str, Rule]] = {
    "hotkit": ("hotkit", lambda said: str(said["verdict"])),
    "hyperfine, Welch": ("hyperfine", lambda said: str(said["verdict"])),
    "hyperfine, x ± y": ("hyperfine", lambda said: str(said["own_words"]["verdict"])),
    "pyperf": ("pyperf", lambda said: str(said["verdict"])),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How often one rule said what, of `asked` answers.

    `different`: and the second command is the slower one; `backwards`: and it is the faster one;
    `refused`: the tool says that its session cannot be trusted.
    """

    asked: int
    different: int
    backwards: int
    refused: int

    @property
    def called_different(self) -> int:
        """Whichever way."""
        return self.different + self.backwards

    def bounds(self, count: int) -> tuple[float, float]:
        """95 % Clopper-Pearson interval of a share of the answers."""
        found = stats.binomtest(count, self.asked).proportion_ci(0.95, method="exact")
        return float(found.low), float(found.high)


def tally(
    cases: Iterable[Case],
    question: str,
    rule: str,
    *,
    load: str | None = None,
    effect_percent: float | None = None,
) -> Tally:
    """The answers to one question by one rule; of one load or effect only, if one is named."""
    tool, verdict = RULES[rule]
    found = {"different": 0, "backwards": 0, "refused": 0, "alike": 0}
    for case in chosen(cases, load, effect_percent):
        said = case["answers"][question][tool]
        word = verdict(said)
        backwards = word == "different" and said["change_percent"] < 0
        found["backwards" if backwards else word] += 1
    return Tally(
        asked=sum(found.values()),
        different=found["different"],
        backwards=found["backwards"],
        refused=found["refused"],
    )


def chosen(
    cases: Iterable[Case], load: str | None = None, effect_percent: float | None = None
) -> list[Case]:
    """The sessions that ended well, of this load and this effect."""
    return [
        case
        for case in cases
        if case["ok"]
        and load in (None, case["load"])
        and effect_percent in (None, case["effect_percent"])
    ]


def off_by(cases: Iterable[Case], tool: str, load: str | None = None) -> float:
    """Median of |estimate - truth| over both questions, in points of per cent.

    Every estimate counts, also of a session that the tool does not trust. Without one it is NaN.
    """
    errors = []
    for case in chosen(cases, load):
        truth = {"identical": 0.0, "more work": case["effect_percent"]}
        for question, answers in case["answers"].items():
            errors.append(abs(answers[tool]["change_percent"] - truth[question]))
    return float(statistics.median(errors)) if errors else float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a tool took, over all sessions: wall time and the part of it that was timed, in s."""

    wall_s: float
    timed_s: float
    timed_runs: int
    answers: int
    warned: int
    others_cpus: float | None

    @property
    def wall_s_each(self) -> float:
        return self.wall_s / self.answers


def spent(cases: Sequence[Case], tool: str) -> Spent:
    """The sums for one tool; `others_cpus` is the mean, None when the machine does not say."""
    answers = [a[tool] for case in chosen(cases) for a in case["answers"].values()]
    busy = [one["others_cpus"] for one in answers if one["others_cpus"] is not None]
    return Spent(
        wall_s=sum(one["wall_s"] for one in answers),
        timed_s=sum(one["timed_s"] for one in answers),
        timed_runs=sum(one["timed_runs"] for one in answers),
        answers=len(answers),
        warned=sum(one["warned"] for one in answers),
        others_cpus=statistics.mean(busy) if busy else None,
    )
