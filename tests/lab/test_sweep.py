"""A sweep over real ssh on lab-small: role, agent, soft-dirty tracking, journal, ground truth.

Budget: six minutes, most of it Ansible's copying, short runs under emulation, and two boots after
power cuts.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from hotkit.cli import main
from hotkit.host.inventory import Host
from hotkit.host.ssh import Ssh
from hotkit.host.store import read_journal
from hotkit.sweep.folder import load_sweep
from hotkit.sweep.journal import heat_ranges
from tests.lab import sweep_cuts

pytestmark = pytest.mark.lab

DESCRIPTION = """\
schema_version: 1
blocks: 6
seed: 11
workload: {kind: hotset, size: 8M, hot: 1M, seconds: 0.6}
arms:
  - tracker: softdirty
    settings: {interval_ms: 20}
"""


def on_host(host: Host, *words: str) -> str:
    return str(Ssh(host.way).run(list(words), check=False).stdout)


def test_sweep(lab_machine: Host, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "tiny.yml"
    file.write_text(DESCRIPTION)
    out = tmp_path / "out"
    code = main(["sweep", str(file), "--limit", lab_machine.name, "--out", str(out), "--json"])
    said = capsys.readouterr()
    # 5 is a true answer too: by definition one sound session in twenty has A/A pairs that differ.
    assert code in (0, 5), said.err
    found = json.loads(said.out)
    assert (code == 0) == (
        found["trusted"]
        and found["arms"][0]["per_examined"]["differential_ns"]["fieller"] is not None
    )
    assert found["label"]["platform"] == "emulated"
    assert found["blocks"] == 6 and not found["incomplete_blocks"]

    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["schema_version"] == 1 and manifest["machine"]["platform"] == "emulated"
    events = list(read_journal(out))
    told = [event["seq"] for event in events if event.get("by") != "controller"]
    assert told == list(range(len(told)))
    # A kernel that complains of a busy host makes a block run again: what counts is whole.
    planned = [run["run"] for run in manifest["schedule"]["runs"]]
    assert Counter(run.name for run in load_sweep(out).runs) == Counter(planned)

    # Ground truth: every page of the hot range was written in every run, so every page is found
    # once the tracker looked; and it looks at no fewer pages than the workload has.
    (arm,) = found["arms"]
    # A busy computer calibrates slowly and may then run many times as fast: at a thirtieth of the
    # run's length the tracker has looked all the same.
    assert arm["unseen_blocks"] == []
    assert (arm["accuracy"]["found"], arm["accuracy"]["hot_pages"]) == (1, 256)
    assert arm["per_positive"]["samples"] >= 6 * 256
    assert arm["per_examined"]["samples"] >= arm["per_positive"]["samples"]
    assert arm["per_examined"]["direct_ns"] > 0
    samples = [event for event in events if event["type"] == "sample" and event["hot"]]
    assert len(samples) >= 6
    for event in samples:
        kept = json.loads((out / event["hot"]["file"]).read_text())
        truth = kept["truth"]
        hot, cold = [], []
        for part in heat_ranges(kept):
            if part.start == truth["start"]:
                pages = truth["hot_bytes"] // part.page_bytes
                hot, cold = list(part.heat[:pages]), list(part.heat[pages:])
        assert min(hot) >= 1
        # Nine of ten updates fall into an eighth of the memory: it must look hotter.
        assert sum(hot) / len(hot) >= sum(cold) / len(cold)

    # The second time nothing is installed, and the host keeps no process of ours.
    assert on_host(lab_machine, "pgrep", "-a", "hotset|agent-") == ""
    interrupted(lab_machine, file, tmp_path / "again")


def interrupted(host: Host, file: Path, out: Path) -> None:
    """Ctrl-C: exit code 130, no Ansible run before, nothing left running on the host."""
    argv = [sys.executable, "-m", "hotkit", "sweep", file, "--limit", host.name, "--out", out]
    with subprocess.Popen(
        [str(word) for word in argv], stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as child:
        assert child.stderr is not None
        said = ""
        for line in child.stderr:
            said += line
            if "block 1/6" in line:
                break
        child.send_signal(signal.SIGINT)
        said += child.stderr.read()
        assert child.wait(60) == 130, said
    assert not (out / "ansible").exists()
    deadline = time.monotonic() + 20
    while (
        on_host(host, "pgrep", "-f", "agent-[0-9a-f]+.pyz|/[h]otset-")
        and time.monotonic() < deadline
    ):
        time.sleep(0.5)
    assert on_host(host, "pgrep", "-af", "agent-[0-9a-f]+.pyz|/[h]otset-") == ""
    last = list(read_journal(out))[-1]
    assert (last["type"], last["run"], last["stopped"]) == ("end", None, "run")


def test_cut_off_three_times(lab_machine: Host) -> None:
    """The connection, the power and the controller, at random moments; `make soak` has more."""
    case = sweep_cuts.cut_case(102)
    assert case["ok"], json.dumps(case)
