"""`main` turns every expected failure into one sentence and an exit code that means something."""

import click
import pytest

from hotkit import cli as package
from hotkit.errors import ExitCode, HotkitError


@pytest.fixture
def failing(monkeypatch):
    """A command line whose only command raises what the test hands over."""

    def install(error):
        @click.command()
        def boom():
            raise error

        monkeypatch.setattr(package, "cli", boom)

    return install


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (HotkitError("no such node", hint="add it"), 2, "hotkit: no such node\n  add it\n"),
        (HotkitError("gone", exit_code=ExitCode.UNREACHABLE), 3, "hotkit: gone\n"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (click.UsageError("what?"), 2, "what?"),
    ],
)
def test_failures_are_sentences(failing, capsys, error, code, said):
    failing(error)
    assert package.main([]) == code
    captured = capsys.readouterr()
    assert said in captured.err
    assert "Traceback" not in captured.err and not captured.out


def test_a_defect_of_ours_is_not_hidden(failing):
    """A bug must show its traceback: swallowing it would turn it into a finding."""
    failing(ZeroDivisionError("ours"))
    with pytest.raises(ZeroDivisionError):
        package.main([])
