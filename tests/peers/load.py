"""A background load that comes and goes: a process per CPU that burns now and then, from a seed.

The same seed gives the same trace, so that every tool of a session meets the same load, each from
the start of it. Standard library only: the file is also the program of one burner.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

# Share of its CPU that a burner takes while it burns, from and to: see phases().
DUTY = {"none": None, "light": (0.05, 0.3), "heavy": (0.2, 0.8)}
# Seconds that a burst, or a rest, lasts, from and to.
LASTS_S = (0.5, 5.0)
# The trace is that long; a tool that takes longer has no load from then on.
HORIZON_S = 600.0
# Over so many seconds the load drifts to half, or from half to all of it.
DRIFT_S = 20.0
_SLICE_S = 0.02

Phase = tuple[float, float, float]  # from s, to s, share of a CPU


def phases(kind: str, seed: int, burner: int) -> list[Phase]:
    """When one burner burns and how much: rests and bursts of random length, a share for each.

    All burners of a seed drift alike: for DRIFT_S the share's factor goes from 0.5 to 1 or back.
    """
    duty = DUTY[kind]
    if duty is None:
        return []
    rises = random.Random(seed).random() < 0.5
    source = random.Random(f"{seed} {burner}")
    found: list[Phase] = []
    at = 0.0
    while at < HORIZON_S:
        start = at + source.uniform(*LASTS_S)
        at = start + source.uniform(*LASTS_S)
        far = min(start / DRIFT_S, 1.0)
        drift = 0.5 + 0.5 * (far if rises else 1.0 - far)
        found.append((start, at, source.uniform(*duty) * drift))
    return found


@contextmanager
def background(kind: str, seed: int) -> Iterator[None]:
    """The load of this kind and seed, from its start, on every CPU; gone and reaped afterwards."""
    plans = [phases(kind, seed, burner) for burner in range(os.cpu_count() or 1)]
    burners = [
        subprocess.Popen([sys.executable, "-S", __file__], stdin=subprocess.PIPE)
        for plan in plans
        if plan
    ]
    try:
        for burner, plan in zip(burners, filter(None, plans), strict=True):
            assert burner.stdin is not None
            burner.stdin.write(json.dumps(plan).encode() + b"\n")
            burner.stdin.flush()
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()
            assert burner.stdin is not None
            burner.stdin.close()


def burn(plan: list[Phase]) -> None:
    """Follow the plan from now on, in slices: so much of each is spent, the rest is slept."""
    began = time.monotonic()
    parent = os.getppid()
    for start, end, share in plan:
        time.sleep(max(0.0, began + start - time.monotonic()))
        while time.monotonic() - began < end:
            if os.getppid() != parent:
                return  # whoever wanted the load is gone
            until = time.monotonic() + share * _SLICE_S
            while time.monotonic() < until:
                pass
            time.sleep((1 - share) * _SLICE_S)


if __name__ == "__main__":
    burn(json.loads(sys.stdin.readline()))
