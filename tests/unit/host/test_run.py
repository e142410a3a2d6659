"""The one door to subprocesses, with real processes."""

import os
import sys

import pytest

from hotkit.errors import HotkitError
from hotkit.host.run import require, run, spawn


def test_output_and_input():
    assert run(["cat"], input="x\n").stdout == "x\n"
    assert run(["cat"], input=b"\xff", binary=True).stdout == b"\xff"


def test_failure_names_the_command_and_its_last_words():
    with pytest.raises(HotkitError, match=r"exited with 7:\nlast words"):
        run(["sh", "-c", "echo last words >&2; exit 7"])
    assert run(["sh", "-c", "exit 7"], check=False).returncode == 7


def test_a_signal_is_called_one():
    with pytest.raises(HotkitError, match="ended by signal 9"):
        run(["sh", "-c", "kill -9 $$"])


def test_missing_tools():
    with pytest.raises(HotkitError, match="not installed"):
        run(["no-such-tool-at-all"])
    with pytest.raises(HotkitError) as caught:
        require("no-such-tool-at-all", "its-package")
    assert caught.value.hint == "apt-get install its-package"


def test_time_out():
    with pytest.raises(HotkitError, match="did not end within 0.2 s"):
        run(["sleep", "60"], timeout=0.2)


def test_the_environment_is_ours(monkeypatch):
    monkeypatch.setenv("HOTKIT_LEAK", "1")
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    seen = run([sys.executable, "-c", "import os; print(sorted(os.environ))"]).stdout
    assert "HOTKIT_LEAK" not in seen and "'LANG'" not in seen
    assert run(["sh", "-c", "echo $A"], env={"A": "b"}).stdout == "b\n"


def test_spawn_ends_and_reaps_its_child():
    with spawn(["sleep", "60"]) as child:
        assert child.poll() is None
    assert child.returncode == -15
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)
