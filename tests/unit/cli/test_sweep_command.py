"""`hotkit sweep` before anything is measured: one sentence, the right exit code, nothing left."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotkit.cli import main


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def test_no_machine_runs(capsys, own_state):
    assert main(["sweep", "--limit", "lab-small"]) == 3
    said = capsys.readouterr().err
    assert "no machine of lab runs (lab-small)" in said
    assert "hotkit lab up lab-small" in said
    assert not list(own_state.glob("hotkit/runs/*"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--inventory", "nowhere"], "no inventory 'nowhere'"),
        (["--limit", "nobody"], "no host of lab matches"),
        (["missing.yml"], "missing.yml"),
    ],
)
def test_bad_input(arguments, words, capsys):
    assert main(["sweep", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_directory_that_is_no_sweep(tmp_path, capsys):
    assert main(["sweep", str(tmp_path)]) == 2
    assert "manifest.json: cannot be read" in capsys.readouterr().err


def test_unreachable_host(tmp_path, capsys):
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(
        "all:\n  hosts:\n    far:\n      ansible_host: 127.0.0.1\n      ansible_port: 1\n"
    )
    out = tmp_path / "out"
    assert main(["sweep", "-i", str(inventory), "--out", str(out)]) == 3
    said = capsys.readouterr().err
    assert "cannot be reached: ssh: connect to host" in said
    assert not (out / "manifest.json").exists()
