"""What looking again and again does to the errors of a sweep, by simulation; and the rule itself.

Assumed, not measured: runs of 60 s that vary by 0.3 % from run to run, independently; 8 blocks at
least, 100 at most, a look after each pair. The words are those of the core (tost, fieller, paired
t), as a report prints them at the end. 5,000 sweeps each: the Monte Carlo standard error of a rate
of 5 % is 0.3 points, and seeds are fixed. docs/sweep.md shows the rates of 10,000 sweeps.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import stats as sps

from hotkit.core.analysis import RunResult, analyse
from hotkit.core.stats import fieller
from hotkit.core.stats_compare import LEVEL, Answer, holm, tost
from hotkit.core.stopping import INTERIM_ERROR, Until, half_width, interim_level, settled

SWEEPS = 5000
T, SD = 60.0, 0.18
LEAST, MOST = 8, 100
LOOKS = range(LEAST, MOST + 1, 2)
# At most so many in a hundred may be wrong: 5 at the last look, 1 before it.
BOUND = 0.05 + INTERIM_ERROR


def sessions(effect, arms=1, most=MOST, seed=1):
    """Extra times of the arms (rows x blocks x arms), with a slow-down; mean off times."""
    rng = np.random.default_rng(seed)
    off = (T + rng.normal(0, SD, (SWEEPS, most, 2))).mean(axis=2)
    on = T * (1 + effect) + rng.normal(0, SD, (SWEEPS, most, arms))
    return on - off[..., None], off


def p_values(extra, off, margin, looks):
    """TOST and paired t of one arm after each look: rows x looks."""
    found = [
        (tost(extra[:, :n], off[:, :n], margin), sps.ttest_1samp(extra[:, :n], 0.0, axis=1).pvalue)
        for n in looks
    ]
    equivalent, different = zip(*found, strict=True)
    return np.array(equivalent).T, np.array(different).T


def words(equivalent, different, level):
    """Shares of sweeps that end as equivalent and as different, and their mean blocks."""
    stops = settled(equivalent, different, level)
    at = first(stops)
    rows = np.arange(len(at))
    same = equivalent[rows, at] < LEVEL
    apart = ~same & (different[rows, at] < LEVEL)
    return same.mean(), apart.mean(), np.array(LOOKS)[at].mean()


def first(stops):
    """The look of each row that ends it; the last one does in any case."""
    stops = stops.copy()
    stops[:, -1] = True
    return stops.argmax(axis=1)


@cache
def looked_at(effect, margin):
    extra, off = sessions(effect)
    return p_values(extra[..., 0], off, margin, LOOKS)


# At a margin of 0.05 % nothing is ever shown to be equivalent: no word ends it before "different".
@pytest.mark.parametrize("margin", [0.01, 0.003, 0.0005])
def test_identical_arms_are_called_different_in_at_most_6_of_100_sweeps(margin):
    _, different, _ = words(*looked_at(0.0, margin), interim_level(LEAST, MOST))
    assert different <= BOUND


@pytest.mark.parametrize("margin", [0.01, 0.003, 0.0013, 0.001])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_slow_down_at_the_margin_is_called_equivalent_in_at_most_6_of_100(margin, sign):
    equivalent, _, _ = words(*looked_at(sign * margin, margin), interim_level(LEAST, MOST))
    assert equivalent <= BOUND


def test_stopping_at_the_first_p_below_5_percent_would_be_wrong_far_more_often():
    """Why there is a level of its own: the same sweeps, looked at with the level of the report."""
    _, different, _ = words(*looked_at(0.0, 0.0005), LEVEL)
    assert different > 0.25
    _, different, _ = words(*looked_at(0.0, 0.003), LEVEL)
    assert different > 0.08
    equivalent, _, _ = words(*looked_at(0.0013, 0.0013), LEVEL)
    assert equivalent > 0.12


def test_it_saves_blocks():
    """What it is for: 9 blocks of 100 where the noise is small beside the margin."""
    level = interim_level(LEAST, MOST)
    equivalent, _, blocks = words(*looked_at(0.0, 0.01), level)
    assert equivalent == 1.0 and blocks < 9
    equivalent, _, blocks = words(*looked_at(0.0, 0.003), level)
    assert equivalent > 0.99 and blocks < 32


@pytest.mark.parametrize(("least", "most"), [(8, 100), (6, 400)])
def test_looks_before_the_last_err_in_at_most_1_of_100(least, most):
    rng = np.random.default_rng(2)
    noise = rng.normal(0, 1, (SWEEPS, most))
    level, looks = interim_level(least, most), np.arange(least, most, 2)
    mean = noise.cumsum(axis=1)[:, looks - 1] / looks
    square = (noise**2).cumsum(axis=1)[:, looks - 1]
    t = mean / np.sqrt((square / looks - mean**2) / (looks - 1))
    wrong = np.mean((2 * sps.t.sf(np.abs(t), looks - 1) < level).any(axis=1))
    assert 0.002 < wrong <= INTERIM_ERROR


def test_more_looks_ask_for_more():
    levels = [interim_level(8, most) for most in (10, 100, 1000, 10_000)]
    assert levels == sorted(levels, reverse=True)
    assert 1e-4 < levels[-1] < levels[1] < 1e-3


def test_three_arms_with_holm_are_a_family():
    """All arms must have their word, and of arms that cost nothing none is called different."""
    margin, most = 0.003, 40
    extra, off = sessions(0.0, arms=3, most=most, seed=5)
    looks = range(LEAST, most + 1, 2)
    found = [p_values(extra[..., arm], off, margin, looks) for arm in range(3)]
    equivalent, different = (np.array(side) for side in zip(*found, strict=True))
    adjusted = holm_rows(different)
    assert tuple(adjusted[:, 7, 3]) == pytest.approx(holm(list(different[:, 7, 3])))
    at = first(settled(equivalent, adjusted, interim_level(LEAST, most)).all(axis=0))
    rows = np.arange(SWEEPS)
    apart = (equivalent[:, rows, at] >= LEVEL) & (adjusted[:, rows, at] < LEVEL)
    assert apart.any(axis=0).mean() <= BOUND


def holm_rows(p):
    """stats_compare.holm for many rows at once, arms first."""
    order = p.argsort(axis=0)
    factor = np.arange(len(p), 0, -1).reshape(-1, *[1] * (p.ndim - 1))
    rising = np.maximum.accumulate(np.minimum(1, factor * np.take_along_axis(p, order, 0)), axis=0)
    found = np.empty_like(p)
    np.put_along_axis(found, order, rising, axis=0)
    return found


@pytest.mark.parametrize("half", [0.003, 0.002, 0.0015, 0.001])
def test_an_interval_that_is_waited_for_covers_93_of_100(half):
    extra, off = sessions(0.0, seed=3)
    ends = [fieller(extra[:, :n, 0], off[:, :n])[:2] for n in LOOKS]
    low, high = np.array(ends).transpose(1, 2, 0)
    at = first((high - low) / 2 <= half)
    rows = np.arange(SWEEPS)
    assert np.mean((low[rows, at] <= 0) & (high[rows, at] >= 0)) >= 0.93


def analysis_of(on, off, blocks, margin=0.003, errors=()):
    """One arm and two off runs per block, through the whole analysis."""
    runs = []
    for block in range(blocks):
        for arm, twin, time in (("off", 0, off[block]), ("off", 1, off[block] + 0.01),
                                ("slow", None, on[block])):  # fmt: skip
            runs.append(
                RunResult(
                    name=f"{block}{arm}{twin}", block=block, arm=arm, tracker="none", twin=twin,
                    duration=float(time), checksum="c", errors=errors if twin is None else (),
                )
            )  # fmt: skip
    return analyse(runs, blocks=blocks, sesoi_fraction=margin)


VERDICT = Until(least_blocks=8, most_blocks=100, verdict=True)
WIDTH = Until(least_blocks=8, most_blocks=100, half_width_fraction=0.002)


def test_the_rule_stops_whole_sweeps_where_the_simulation_does():
    extra, off = sessions(0.003, seed=7)
    offs = np.stack([off, off + 0.01], axis=2).mean(axis=2)
    level = interim_level(LEAST, MOST)
    for row in range(4):
        on = extra[row, :, 0] + off[row]
        equivalent, different = p_values((on - offs[row])[None], offs[row][None], 0.003, LOOKS)
        stop = LOOKS[int(first(settled(equivalent, different, level))[0])]
        said = {n: VERDICT.enough(analysis_of(on, off[row], n), n) for n in range(6, stop + 1)}
        assert [n for n, why in said.items() if why] == [stop]
        assert f"after {stop} blocks every arm has its verdict at p < 0.0006: slow" in said[stop]


def test_it_looks_only_after_whole_pairs_and_not_too_soon():
    extra, off = sessions(0.05, seed=8)
    on = extra[0, :, 0] + off[0]
    for until in (VERDICT, replace(WIDTH, half_width_fraction=0.1)):
        assert [until.enough(analysis_of(on, off[0], n), n) is None for n in (6, 7, 8, 9, 10)] == [
            True, True, False, True, False,
        ]  # fmt: skip
    early = Until(least_blocks=6, most_blocks=100, half_width_fraction=0.1, verdict=False)
    assert early.enough(analysis_of(on, off[0], 6), 6) is None, "six blocks cover too little"


def test_the_sentence_of_a_narrow_interval():
    extra, off = sessions(0.0, seed=9)
    on = extra[0, :, 0] + off[0]
    said = replace(WIDTH, half_width_fraction=0.005).enough(analysis_of(on, off[0], 8), 8)
    assert said is not None
    assert said.startswith("after 8 blocks the 95 % interval of every slow-down is within +-0.5 %")
    assert WIDTH.enough(analysis_of(on, off[0], 8), 8) is None


def test_the_most_blocks_end_it_whatever_they_show():
    extra, off = sessions(0.0, seed=9)
    on = extra[0, :, 0] + off[0]
    until = replace(VERDICT, most_blocks=9)
    assert until.enough(analysis_of(on, off[0], 9, margin=1e-5), 9) == (
        "9 blocks are the most that were asked for"
    )
    assert until.enough(None, 9) and until.enough(None, 8) is None


def test_a_word_that_the_report_would_not_print_ends_nothing():
    """A difference that is surely there, and equivalent at 5 % but not at the level of a look."""
    rng = np.random.default_rng(4)
    off = T + rng.normal(0, SD, 100)
    on = off + T * 0.002 + rng.normal(0, 0.0008 * T, 100)
    found = analysis_of(on, off, 12, margin=0.0026)
    (arm,) = found.arms
    assert arm.equivalence and arm.equivalence.answer is Answer.EQUIVALENT
    assert arm.p_holm is not None and arm.p_holm < 1e-4 < 1e-3 < (arm.equivalence.p or 0)
    assert VERDICT.enough(found, 12) is None


def test_arms_without_a_figure():
    """A run that was no result makes the arm none: waiting cannot help."""
    off = T + np.arange(10) % 3
    found = analysis_of(off + 1, off, 8, errors=("the workload's pages moved",))
    assert "no arm has a figure" in (VERDICT.enough(found, 8) or "")
    constant = analysis_of(np.full(8, T + 1), np.full(8, T), 8)
    assert VERDICT.enough(constant, 8) is None
    assert WIDTH.enough(constant, 8) is None


def one_arm(**changes):
    """The arm of an analysis of eight blocks, with other figures."""
    extra, off = sessions(0.0, seed=9)
    found = analysis_of(extra[0, :, 0] + off[0], off[0], 8)
    arm = replace(found.arms[0], **changes)
    return replace(found, arms=(arm,)), arm


def test_a_half_width_is_half_of_the_interval():
    analysis, arm = one_arm()
    interval = arm.slowdown.interval
    half = half_width(arm)
    assert half == pytest.approx((interval.high - interval.low) / 2)
    # As narrow as was wanted is narrow enough; the sentence has both figures in percent.
    said = replace(WIDTH, half_width_fraction=half).enough(analysis, 8)
    assert said.endswith(f"is within +-{100 * half:g} % (the widest +-{100 * half:.2g} %)")


@pytest.mark.parametrize(
    ("equivalent", "different", "stop"),
    [
        (0.001, 0.5, False),  # a look stops below its level, not at it
        (0.0009, 0.5, True),
        (LEVEL, 0.0009, True),  # not equivalent, as the report has it: different counts
        (0.04, 0.0009, False),
        (0.5, 0.001, False),
    ],
)
def test_the_bounds_of_a_word(equivalent, different, stop):
    assert bool(settled(np.array(equivalent), np.array(different), 0.001)) is stop


def test_an_arm_without_a_test_is_not_settled():
    _, arm = one_arm()
    known = arm.equivalence
    for changes in (
        {"equivalence": None, "p_holm": 1e-9},
        {"equivalence": replace(known, p=None), "p_holm": 1e-9},
        {"equivalence": replace(known, p=1e-9), "p_holm": None},
    ):
        assert VERDICT.enough(one_arm(**changes)[0], 8) is None
    assert VERDICT.enough(one_arm(equivalence=replace(known, p=1e-9), p_holm=0.5)[0], 8)


def test_the_sentence_of_verdicts_names_every_arm():
    analysis, arm = one_arm()
    known = replace(arm.equivalence, p=1e-9, answer=Answer.EQUIVALENT)
    arms = (
        replace(arm, equivalence=known, p_holm=0.5),
        replace(arm, arm="fast", p_holm=1e-9,
                equivalence=replace(known, p=0.9, answer=Answer.DIFFERENT)),
    )  # fmt: skip
    said = VERDICT.enough(replace(analysis, arms=arms), 8)
    level = f"{interim_level(8, 100):.2g}"
    assert said == (
        f"after 8 blocks every arm has its verdict at p < {level}: slow equivalent, fast different"
    )
