"""The time of a command, beside what hyperfine says of the same command in the same run.

Both start it without a shell and time from before it is executed until they have seen it exit.
"""

from __future__ import annotations

from tests.integration.commandtime import HUNDRED_MS, OBSERVERS, one_round

# So many pairs at least, and at most.
LEAST, MOST = 20, 200
# Found: 0.01 to 0.03 ms. A time that begins when the program is known to run, not before it is
# executed, is 0.6 ms shorter than hyperfine's.
AGREE_MS = 0.2


def test_the_time_of_100_ms_agrees(tmp_path):
    """By the least that each counts beside the program's own time: noise only adds to it.

    So it is right to go on for as long as they differ: what is wrong by construction stays.
    """
    added: dict[str, list[float]] = {name: [] for name in OBSERVERS}

    def differ() -> float:
        return abs(min(added["hotkit"]) - min(added["hyperfine"]))

    done = 0
    while done < LEAST or (differ() >= AGREE_MS and done < MOST):
        for name, (time_ms, own_ms) in one_round(HUNDRED_MS, tmp_path, bool(done % 2)).items():
            added[name].append(time_ms - own_ms)
        done += 1
    assert all(value > 0 for values in added.values() for value in values)
    assert differ() < AGREE_MS, {name: sorted(values)[:5] for name, values in added.items()}
