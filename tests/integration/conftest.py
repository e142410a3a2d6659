"""Tests that measure this machine take turns: one agent at a time may, and it waits but 20 s."""

from __future__ import annotations

import fcntl
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from minivms import running
from scanning import built, compiled

from hotkit.agent.undo import Undo, state_directory
from tests.unit.undoing import opened

# Modules that start agents or workloads here, or would fail the gates of one; the others may run
# beside them.
_MEASURES_HERE = {
    "test_sweep_local",
    "test_sweep_resume",
    "test_record_local",
    "test_command_workload",
    "test_tier_probe",
    "test_tracker_probes",
    "test_peers",
    "test_perf_tracker",
    "test_agent_leftovers",
    "test_against_hyperfine",
    "test_big_report",
    "test_quiesce_here",
    "test_quiesce_role",
    "test_gates_here",
    "test_bad_sweep",
    "test_guest_link",
    "test_own_program",
    "test_own_tracker",
}


@pytest.fixture(autouse=True, scope="module")
def _one_at_a_time(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.module.__name__.rpartition(".")[2] not in _MEASURES_HERE:
        yield
        return
    with (Path(tempfile.gettempdir()) / "hotkit-tests-measure-here.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _put_back_what_is_kept()
        yield


def _put_back_what_is_kept() -> None:
    """A test run that was killed leaves what its tests of the role quiesce had set, to be kept.

    A knob found like that is not as the machine has it: those tests would compare with the wrong
    value, and write it back for good.
    """
    if Undo(state_directory()).kept.exists():
        with opened(state_directory()) as undo:
            done, failed = undo.kept.undo()
        warnings.warn(f"this machine was kept quiet, is no more: {done + failed}", stacklevel=1)


@pytest.fixture(scope="session", params=["as shipped", "sanitized"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The scanner (hotkit/agent/trackers/src), as it is and with sanitizers."""
    return str(built(request.param, tmp_path_factory.mktemp("scanner")))


@pytest.fixture(scope="session")
def minivm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of a VM; skips where no guest runs."""
    program = compiled("minivm", tmp_path_factory.mktemp("minivm"))
    try:
        with running(program) as vm:
            vm.write(vm.first, 0)
    except (AssertionError, ValueError):
        pytest.skip("hardware: no guest runs on this machine's /dev/kvm")
    return program
