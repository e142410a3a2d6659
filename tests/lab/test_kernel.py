"""The patched kernel: built (or found in the cache), proven, installed, booted, verified, removed.

Budget: 5 minutes on 2 cores without KVM, with the kernel in the cache.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hotkit import kernel
from hotkit.cli import main
from hotkit.core.check import failed
from hotkit.core.kernelproof import rows
from hotkit.errors import ExitCode
from hotkit.host.inventory import Host
from hotkit.host.kernelbuild import BuiltKernel
from tests.lab import kernel_cases
from tests.lab.cases import NAME

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("lab_tools")]


@pytest.fixture(scope="module")
def built() -> BuiltKernel:
    """The lab's kernel of today's patches."""
    return kernel_cases.build(kernel.recipe(None, "lab"))


def test_a_second_build_is_found(built: BuiltKernel, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kernel", "build", "--json"]) == ExitCode.OK
    record = json.loads(capsys.readouterr().out)
    assert record["cached"] and record["release"] == built.release
    assert record["warnings"] == []


def test_hot_pages_are_seen_only_by_a_scan_that_flushes(built: BuiltKernel) -> None:
    proof = kernel.prove(built, print)
    assert not failed(proof.checks), [check.sentence for check in failed(proof.checks)]
    assert proof.label == "emulated"
    seen = {(row.tracker, row.memory, row.beside, row.mode) for row in rows(proof.lines)}
    for tracker in ("damon fvaddr", "damon paddr", "page_idle", "folio_referenced"):
        assert {(tracker, "4k", False, mode) for mode in (0, 1)} <= seen
    for tracker in ("damon fvaddr", "page_idle"):
        assert {(tracker, "thp", False, mode) for mode in (0, 1)} <= seen
        assert {(tracker, "4k", True, mode) for mode in (0, 1)} <= seen


def test_provision_and_rollback(
    own_machine: Callable[[str], Host], built: BuiltKernel, tmp_path: Path
) -> None:
    own_machine(NAME)
    inventory = kernel_cases.lab_inventory(tmp_path / "lab", "lab")
    assert kernel_cases.round_trip(built, inventory) == []
