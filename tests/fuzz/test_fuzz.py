"""The short form of the campaign "fuzz": every reader for a bounded number of inputs.

What it finds is written in the assertion, with the input in base64: make a test of it beside the
reader's other tests (tests/unit/...), then mend the reader.
"""

from __future__ import annotations

import json

from tests.fuzz.session import fuzz
from tests.fuzz.targets import TARGETS

# All targets share a process and its time; the same inputs on every machine.
RUNS = 9000
MOST_SECONDS = 90


def test_only_an_explanation_comes_out_of_any_reader():
    found = fuzz(seconds=MOST_SECONDS, runs=RUNS)
    assert not found["finds"], json.dumps(found["finds"], indent=1)
    assert found["ended"] is None, found
    # It did run, and saw more than the seeds do.
    assert found["inputs"] > 20 * len(TARGETS)
    assert found["edges"] > found["edges_of_seeds"] > 0
