"""The patched kernel: built (or found), proven, installed, booted, verified, measured on, removed.

Budget: 11 minutes on 2 cores without KVM, with the kernel in the cache.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hotkit import kernel
from hotkit.cli import main
from hotkit.core.check import failed
from hotkit.core.kernelproof import VM, rows
from hotkit.errors import ExitCode
from hotkit.host.inventory import Host
from hotkit.host.kernelbuild import BuiltKernel
from hotkit.host.kernelwitness import WITNESSES
from tests.lab import agent_kills, kernel_cases, nested_cases, tracker_cases
from tests.lab.cases import NESTED, as_json

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
        # Over a VM that the proven machine runs: only KVM's flush (mode 3) shows what is hot.
        assert {(tracker, "vm", False, mode) for mode in (0, 1, 3)} <= seen
    assert {("damon fvaddr", "vm", True, 0), ("folio_referenced", "vm", False, 0)} <= seen
    hot = {(row.tracker, row.mode): row.hot for row in rows(proof.lines)
           if row.memory == VM and not row.beside}  # fmt: skip
    for tracker in ("damon fvaddr", "page_idle"):
        assert max(hot[tracker, 0], hot[tracker, 1]) < 0.05 and hot[tracker, 3] > 0.95
    logs = [line for line in proof.lines if line["proof"] == "kvm_dirty"]
    assert [line["written"] for line in logs] == [3, 8, 0] * 2
    # The kernel's own programs were built and ran: nothing is left out here.
    assert proof.notes == ()
    names = {check.name for check in proof.checks}
    assert {f"witness {test}" for test in (*WITNESSES, "dirty_log_perf_test -g")} <= names


@pytest.fixture(scope="module")
def machine(
    own_machine: Callable[[str], Host],
    built: BuiltKernel,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, str]:
    """lab-nested, not provisioned yet: its inventory, and every byte of it before."""
    own_machine(NESTED)
    folder = tmp_path_factory.mktemp("inventory") / "lab"
    return kernel_cases.lab_inventory(folder, "lab", NESTED), kernel_cases.everything(NESTED)


# From here on each test goes on with the machine as the one before left it.
def test_provision(machine: tuple[Path, str], built: BuiltKernel) -> None:
    assert kernel_cases.provisioned(built, machine[0], NESTED) == []


def test_trackers_against_ground_truth(
    machine: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every tracker that needs no hardware, in one sweep: who is complete, who is blind."""
    text = tracker_cases.description(tracker_cases.ARMS)
    found = tracker_cases.sweep(machine[0], tmp_path / "all", text, capsys, NESTED)
    tracker_cases.judge_trackers(found)


def test_a_moving_hot_set_is_recorded(
    machine: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tracker_cases.judge_recording(machine[0], tmp_path, capsys, NESTED)


def test_tiers_are_measured(machine: tuple[Path, str], capsys: pytest.CaptureFixture[str]) -> None:
    """Both nodes from the CPUs that are online; of an emulated slow tier nothing is shown."""
    words = ["verify", str(machine[0]), "--limit", NESTED, "--probe", "--json"]
    assert main(words) == ExitCode.OK
    (host,) = json.loads(capsys.readouterr().out)["hosts"]
    tiers = host["tiers"]
    assert tiers["platform"] == "emulated"
    assert [(row["cpu_node"], row["memory_node"]) for row in tiers["rows"]] == [(0, 0), (0, 1)]
    for row in tiers["rows"]:
        assert min(row["latency_ns"]) > 0 and min(row["read_mib_s"]) > 0
        assert row["pages_on_node"] == row["pages"] > 0
    # None: under emulation nothing can be shown, either way.
    assert [item["shown_slower"] for item in tiers["verdicts"]] == [None]


def test_host_against_guest(machine: tuple[Path, str], tmp_path: Path) -> None:
    """A VM in the lab's machine, trackers in it and over it; the sweep loses its guest once.

    Also a short form of `make soak CAMPAIGN=guest-faults`.
    """
    text = nested_cases.description(nested_cases.ARMS)
    found = nested_cases.sweep(machine[0], tmp_path, text, fault="die")
    nested_cases.judge(found)
    nested_cases.judge_fault(found, "die")
    assert nested_cases.ended(machine[0]) == []


@pytest.mark.soak
@pytest.mark.parametrize("number", [1, 2])
def test_killed(machine: tuple[Path, str], number: int) -> None:
    """A short form of `make soak CAMPAIGN=agent-kills`: agent and guard, workload."""
    case = agent_kills.kill_case(number, machine[0], NESTED)
    assert case["ok"], as_json(case)


def test_rollback(machine: tuple[Path, str], built: BuiltKernel) -> None:
    inventory, before = machine
    assert kernel_cases.rolled_back(built, inventory, before, NESTED) == []
