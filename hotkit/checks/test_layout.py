"""One test per kind of check and host; the values were compared in hotkit.core.verdicts."""

from __future__ import annotations

import re

import pytest

from hotkit.checks.judging import Judgement, Problem
from hotkit.core.check import Verdict

# What a kind's checks are called: the kind itself, or the kind and a node.
KINDS = (
    "entry",
    "cmdline",
    "kernel",
    "kernel-build",
    "kernel-switches",
    "cpus",
    "cpu-nodes",
    "system-ram",
    "no-other-ram",
    "memtotal",
    "numactl",
    "pmem",
    "distance",
    "tier",
    "record",
)
_ONLY_WHEN = {
    "kernel": "no kernel release was asked for",
    "kernel-build": "no patched kernel was asked for",
    "kernel-switches": "no patched kernel was asked for",
    "pmem": "the layout has no PMEM",
    "distance": "the layout has one tier",
    "tier": "the layout has one tier",
    "record": "the host has no record of a layout (state.json)",
}


def kind_of(name: str) -> str:
    """The kind of a check's name: `system-ram-node0` is of the kind `system-ram`."""
    return re.sub(r"-node\d+$", "", name)


def test_gathered(outcome: Judgement | Problem) -> None:
    """The host answered, brought its facts, and there is a layout to compare them with."""
    if isinstance(outcome, Problem):
        pytest.fail(outcome.sentence, pytrace=False)


@pytest.mark.parametrize("kind", KINDS)
def test_layout(judgement: Judgement, kind: str) -> None:
    """All checks of one kind hold."""
    checks = [item for item in judgement.checks if kind_of(item.name) == kind]
    if not checks and kind in _ONLY_WHEN:
        pytest.skip(_ONLY_WHEN[kind])
    assert checks, f"no check of the kind {kind} was made"
    wrong = [item for item in checks if item.verdict is not Verdict.PASS]
    if wrong:
        pytest.fail(
            "\n".join(
                f"{item.name}: {item.sentence}\n  expected {item.expected}\n  found    {item.found}"
                for item in wrong
            ),
            pytrace=False,
        )
