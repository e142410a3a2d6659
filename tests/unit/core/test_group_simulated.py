"""How often the interval over boots and hosts holds, by simulation, and what pooling would do.

Assumed noise (not measured): a run takes 60 s and varies by 0.3 % from run to run; tracking slows
down by 1 %, which varies by 0.5 % (sd) from boot to boot and, where there are hosts, by another
0.5 % from host to host. Eight blocks a boot, each boot with a schedule drawn by hotkit. 5,000
repetitions: the Monte Carlo standard error of 95 % is 0.3 points, and seeds are fixed. The figures
are those of docs/sweep.md.
"""

from functools import cache

import numpy as np
import pytest
from scipy import stats as sps

from hotkit.core import stats
from hotkit.core.analysis import RunResult, analyse
from hotkit.core.group import combine
from hotkit.core.stats_session import over
from tests.unit.core.test_stats_simulated import by_arm, order
from tests.unit.groupparts import part

REPETITIONS, BLOCKS = 5000, 8
T, RUN, COST, BETWEEN = 60.0, 0.003, 0.01, 0.005
MONTE_CARLO = 3 * (0.05 * 0.95 / REPETITIONS) ** 0.5


@cache
def sweeps(hosts, boots, between_hosts=0.0):
    """Extra time D and off time of each block: repetitions x hosts x boots x blocks, in seconds."""
    rng = np.random.default_rng([hosts, boots])
    shape = (REPETITIONS, hosts, boots)
    cost = COST + rng.normal(0, BETWEEN, shape)
    cost += rng.normal(0, between_hosts, (REPETITIONS, hosts, 1)) if between_hosts else 0.0
    count = REPETITIONS * hosts * boots
    places = np.array([order(seed, BLOCKS) for seed in range(200)])[np.arange(count) % 200]
    times = by_arm(T * (1 + rng.normal(0, RUN, (count, 3 * BLOCKS))), places)
    off = times[..., :2].mean(axis=2)
    extra = times[..., 2] * (1 + cost.reshape(-1, 1)) - off
    return extra.reshape(*shape, BLOCKS), off.reshape(*shape, BLOCKS)


def estimates(extra, off):
    """The slow-down of each boot: repetitions x hosts x boots."""
    return extra.sum(axis=-1) / off.sum(axis=-1)


def t_covers(values):
    """Share of rows whose t interval of the mean holds the true cost."""
    return covers(*stats.fieller(values, np.ones_like(values))[:2])


def covers(low, high):
    return float(np.mean((low <= COST) & (high >= COST)))


def pooled_covers(extra, off):
    """All blocks as if they were of one boot: the paired Fieller interval over them."""
    rows = (REPETITIONS, -1)
    return covers(*stats.fieller(extra.reshape(rows), off.reshape(rows))[:2])


@pytest.mark.parametrize("boots", [3, 5, 10])
def test_over_boots_the_interval_holds_and_over_pooled_blocks_it_does_not(boots):
    extra, off = sweeps(1, boots)
    found = estimates(extra, off)[:, 0]
    assert abs(t_covers(found) - 0.95) <= MONTE_CARLO
    assert pooled_covers(extra, off) < 0.60


@pytest.mark.parametrize("hosts", [3, 5])
def test_over_hosts_boots_are_no_hosts(hosts):
    """Three boots on each: t over hosts holds, t over all boots as if of one host does not."""
    extra, off = sweeps(hosts, 3, BETWEEN)
    found = estimates(extra, off)
    assert abs(t_covers(found.mean(axis=2)) - 0.95) <= MONTE_CARLO
    assert t_covers(found.reshape(REPETITIONS, -1)) < 0.85
    assert pooled_covers(extra, off) < 0.40


def test_a_host_that_booted_less_often_counts_as_much():
    """One, two and five boots: the means of hosts do not vary alike, and t over them holds."""
    found = estimates(*sweeps(3, 5, BETWEEN))
    means = [found[:, host, :boots].mean(axis=1) for host, boots in enumerate((1, 2, 5))]
    assert 0.94 <= t_covers(np.stack(means, axis=1)) <= 0.96


@pytest.mark.parametrize("hosts", [1, 3])
def test_the_simulated_interval_is_that_of_combine(hosts):
    """The real thing on some of the sweeps: from the estimates, and from runs."""
    extra, off = sweeps(hosts, 3, BETWEEN if hosts > 1 else 0.0)
    found = estimates(extra, off)
    rows = found.mean(axis=2) if hosts > 1 else found[:, 0]
    low, high, _ = stats.fieller(rows, np.ones_like(rows))
    for row in range(50):
        parts = [
            part(boot, {"on": float(found[row, host, boot])}, host=f"h{host}")
            for host in range(hosts)
            for boot in range(3)
        ]
        (column,) = combine(parts)
        interval = column.arms[0].slowdown.interval
        assert (interval.low, interval.high) == pytest.approx((low[row], high[row]))
    first = analyse(list(_runs(extra[0, 0, 0], off[0, 0, 0])), blocks=BLOCKS, sesoi_fraction=0.01)
    assert first.arms[0].slowdown.estimate == pytest.approx(found[0, 0, 0])


def _runs(extra, off):
    """The runs of one boot; both off runs of a block take its mean off time, up to a jitter that
    its mean does not see."""
    for block, (more, level) in enumerate(zip(extra, off, strict=True)):
        jitter = 1e-6 * (-1) ** block
        for arm, twin, time in (
            ("off", 0, level + jitter), ("off", 1, level - jitter), ("on", None, level + more)
        ):  # fmt: skip
            yield RunResult(
                name=f"{block}{arm}{twin}", block=block, arm=arm, tracker=arm, twin=twin,
                duration=float(time), checksum="c", examined=100 * (twin is None),
            )  # fmt: skip


def test_holm_over_boots_holds_the_family():
    """Five arms that cost nothing in three boots: one of them is called different in 5 % at most.

    The off runs are shared by all arms of a boot, and so is what a boot adds to all of them.
    """
    rng = np.random.default_rng(4)
    found = rng.normal(0, BETWEEN, (REPETITIONS, 3, 1)) + rng.normal(0, RUN, (REPETITIONS, 3, 5))
    p = sps.ttest_1samp(found, 0.0, axis=1).pvalue
    # The smallest p-value decides about the family.
    assert np.mean(5 * p.min(axis=1) < 0.05) <= 0.05 + MONTE_CARLO
    for row in range(50):
        arms = {f"arm{place}": found[row, :, place] for place in range(5)}
        parts = [part(boot, {name: it[boot] for name, it in arms.items()}) for boot in range(3)]
        (column,) = combine(parts)
        assert min(arm.p_holm for arm in column.arms) == pytest.approx(min(1, 5 * p[row].min()))
        one = column.arms[0]
        assert one.slowdown == over("boot", [float(value) for value in arms[one.arm]])
