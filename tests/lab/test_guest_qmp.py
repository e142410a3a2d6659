"""The agent's QMP beside a real QEMU, one without a machine: a second, and no lab."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotkit.agent.guest.qmp import Qmp, QmpClosed, QmpSilent
from hotkit.agent.protocol import AgentError

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("lab_tools")]


@pytest.fixture
def qemu(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    socket = tmp_path / "qmp.sock"
    words = ["-machine", "none", "-nodefaults", "-display", "none", "-no-user-config"]
    with subprocess.Popen(
        ["qemu-system-x86_64", *words, "-qmp", f"unix:{socket},server=on,wait=off"]
    ) as process:
        until = time.monotonic() + 30
        while not socket.exists():
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.05)
        yield process, socket
        process.kill()


def test_questions_and_answers(qemu: tuple[subprocess.Popen[bytes], Path]) -> None:
    with Qmp(qemu[1]) as qmp:
        assert qmp.ask("query-status")["status"] == "running"
        # Between question and answer QEMU tells of events.
        qmp.ask("stop")
        assert qmp.ask("query-status")["status"] == "paused"
        assert qmp.human("info status").startswith("VM status: paused")
        with pytest.raises(AgentError, match="QEMU refused nonsense: The command nonsense has not"):
            qmp.ask("nonsense")
        assert qmp.ask("query-name") == {}


def test_a_socket_that_is_gone_or_dies(qemu: tuple[subprocess.Popen[bytes], Path]) -> None:
    process, socket = qemu
    with pytest.raises(QmpSilent, match="control socket does not answer: .*No such file") as gone:
        Qmp(socket.with_name("other.sock"))
    assert not isinstance(gone.value, QmpClosed)  # it may well run
    qmp = Qmp(socket)
    process.kill()
    process.wait()
    with pytest.raises(QmpClosed, match="control socket does not answer"):
        qmp.ask("query-status")
    qmp.close()
    with pytest.raises(QmpClosed, match="control socket does not answer: .*Connection refused"):
        Qmp(socket)
