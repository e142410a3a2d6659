"""Nothing is written without a yes: from the option, or from a person at a terminal."""

import io

import pytest

from hotkit.cli.approval import approver
from hotkit.errors import ExitCode, HotkitError


def test_yes_never_asks(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert approver("Write?", yes=True)()


def test_without_a_terminal_it_refuses(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(HotkitError, match="nobody is there") as caught:
        approver("Write?", yes=False)()
    assert caught.value.exit_code == ExitCode.BAD_INPUT
    assert "--yes" in (caught.value.hint or "")
