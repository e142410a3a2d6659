"""What a run in a guest makes of its guest's troubles; the guest itself is played."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from hotkit.agent.guest.link import GuestGone
from hotkit.agent.guest.qmp import Qmp, QmpSilent
from hotkit.agent.guest.stage import WithGuest
from hotkit.agent.protocol import AgentError


class Played(WithGuest):
    """Its guest starts as often as `starts` says well (None) or not (an error)."""

    def __init__(self, *starts: Exception | None):
        self._guest = SimpleNamespace(name="g1", ours=True, up=self._up, down=self._down,
                                      pid=lambda: 7,
                                      silence=lambda error: f"guest g1: {error}")  # fmt: skip
        self._vm = self._workload = None
        self._link = object()
        self._broken = True
        self._starts = list(starts)
        self.done: list[str] = []

    def _up(self) -> None:
        self.done.append("up")
        error = self._starts.pop(0)
        if error:
            raise error

    def _down(self, at_once: bool) -> None:
        self.done.append("down")

    def close(self) -> None:
        pass


def test_a_qemu_that_does_not_answer_costs_a_run_not_the_sweep():
    """Before, a VM that could not be looked at in time ended the sweep."""
    stage = Played()
    stage._broken = False
    silent = QmpSilent("/g1/qmp.sock: QEMU's control socket does not answer: timed out")
    assert stage.trouble(silent) == [
        "guest g1: /g1/qmp.sock: QEMU's control socket does not answer: timed out"
    ]
    assert stage._broken


def test_the_line_that_was_lost_is_one_sentence_and_other_errors_are_not_the_guests():
    stage = Played()
    assert stage.trouble(GuestGone("guest g1: the connection was lost")) == [
        "guest g1: the connection was lost"
    ]
    stage._broken = False
    assert stage.trouble(AgentError("a setting is wrong")) == [] and not stage._broken


def test_what_is_known_of_the_vm_goes_first():
    stage = Played()
    stage._vm = SimpleNamespace(changed=lambda: ["guest g1 died", "and more"])
    assert stage.trouble(QmpSilent("no answer")) == ["guest g1 died"]


def test_a_guest_that_starts_slowly_is_started_once_more():
    stage = Played(QmpSilent("no answer"), None)
    stage.ready()
    # Twice a restart: nobody knows in what state the first one is.
    assert stage.done[:4] == ["down", "up", "down", "up"] and not stage._broken


@pytest.mark.parametrize("error", [QmpSilent("no answer"), AgentError("no disk")])
def test_a_guest_that_does_not_start_ends_it(error):
    stage = Played(error, QmpSilent("no answer"))
    with pytest.raises(AgentError):
        stage.ready()


def test_a_socket_that_is_not_there_is_silent(tmp_path):
    with pytest.raises(QmpSilent, match=r"qmp\.sock: QEMU's control socket does not answer"):
        Qmp(tmp_path / "qmp.sock")
