"""The amount of work of a run against machines whose speed is known, quiet and busy."""

from __future__ import annotations

import random

import pytest

from hotkit.agent.calibrate import amount_for

WANTED_NS = 600_000_000


class Machine:
    """Does `per_ns` of work a ns; `slower` says by how much for each try, 1 when it ends."""

    def __init__(self, per_ns: float, slower: list[float] | None = None) -> None:
        self.per_ns = per_ns
        self.slower = iter(slower or [])
        self.spent_ns: list[int] = []

    def time_of(self, amount: int) -> int:
        took = int(amount / self.per_ns * next(self.slower, 1.0))
        self.spent_ns.append(took)
        return took


@pytest.mark.parametrize("per_ns", [1e-6, 3e-3, 0.02, 1.0, 50.0])
def test_a_quiet_machine_gets_what_takes_as_long_as_asked(per_ns):
    machine = Machine(per_ns)
    assert amount_for(machine.time_of, WANTED_NS) == pytest.approx(per_ns * WANTED_NS, rel=0.01)


def test_a_quiet_machine_is_tried_for_little_longer_than_three_runs():
    machine = Machine(0.02)
    amount_for(machine.time_of, WANTED_NS)
    assert sum(machine.spent_ns) < 3.5 * WANTED_NS


@pytest.mark.parametrize("busy", range(1, 8))
def test_a_busy_beginning_does_not_make_runs_too_short(busy):
    """Eight times as slow for so many tries: as on a computer that boots machines beside it."""
    machine = Machine(0.003, [8.0] * busy)
    amount = amount_for(machine.time_of, WANTED_NS)
    # Two tries find the speed and two that are alike confirm it: when all four were busy it stays.
    if busy < 4:
        assert amount == pytest.approx(0.003 * WANTED_NS, rel=0.01)
    else:
        assert amount == pytest.approx(0.003 * WANTED_NS / 8, rel=0.01)


def test_noise_that_comes_and_goes():
    """A third of all tries at full speed: a run without noise is rarely shorter than half."""
    close = 0
    for seed in range(500):
        chance = random.Random(seed)
        slower = [chance.choice([1.0, 2.0, 4.0]) for _ in range(60)]
        amount = amount_for(Machine(0.003, slower).time_of, WANTED_NS)
        assert amount <= 0.0031 * WANTED_NS
        close += amount > 0.0015 * WANTED_NS * 0.99
    assert close > 450


def test_a_machine_of_no_speed_and_one_without_a_clock_end():
    assert amount_for(Machine(1e-12).time_of, WANTED_NS) == 1
    assert amount_for(lambda _amount: 0, WANTED_NS) >= 1
