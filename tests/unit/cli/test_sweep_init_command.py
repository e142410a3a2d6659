"""`hotkit sweep init`: writes once, never over anything."""

from __future__ import annotations

import pytest

from hotkit.cli import main
from hotkit.host.sweepspec import load_sweep_spec


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_default(here, capsys):
    assert main(["sweep", "init"]) == 0
    said = capsys.readouterr().out
    assert "sweep.yml: 8 blocks, workload hotset, off against softdirty" in said
    assert "hotkit sweep plan sweep.yml" in said
    assert load_sweep_spec(here / "sweep.yml").named_arms()[0].tracker == "softdirty"
    assert main(["sweep", "plan", "sweep.yml", "--local"]) == 0


def test_several_trackers_and_a_recipe(here, capsys):
    arguments = ["--tracker", "damon", "--tracker", "perf", "--tracker", "damon"]
    assert main(["sweep", "init", "my sweep.yml", *arguments, "--workload", "redis"]) == 0
    spec = load_sweep_spec(here / "my sweep.yml")
    assert [arm.name for arm in spec.named_arms()] == ["damon", "perf"]
    assert spec.only_workload.kind == "command"
    assert "hotkit sweep 'my sweep.yml'" in capsys.readouterr().out


def test_nothing_is_overwritten(here, capsys):
    (here / "sweep.yml").write_text("mine")
    assert main(["sweep", "init"]) == 2
    assert "sweep.yml: exists already, nothing is overwritten" in capsys.readouterr().err
    assert (here / "sweep.yml").read_text() == "mine"
    (here / "link.yml").symlink_to("nowhere.yml")
    assert main(["sweep", "init", "link.yml"]) == 2
    assert not (here / "nowhere.yml").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no/such/folder.yml"], "cannot be written: No such file or directory"),
        (["--tracker", "pebs"], "'pebs' is not one of"),
        (["--workload", "gups"], "'gups' is not one of"),
    ],
)
def test_bad_input(arguments, words, capsys):
    assert main(["sweep", "init", *arguments]) == 2
    assert words in capsys.readouterr().err
