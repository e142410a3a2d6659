"""Three machines at once, one of them broken and one slow; two controllers on one machine.

Budget: 8 minutes on 2 cores without KVM, and three cold boots more when the cache is empty.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hotkit import lab
from hotkit.assets import asset
from hotkit.cli import main
from hotkit.errors import ExitCode
from hotkit.host.inventory import load_inventory
from hotkit.host.machine import Machine
from hotkit.host.run import clean_env
from hotkit.host.ssh import Ssh
from hotkit.host.store import read_journal
from hotkit.sweep.folder import load_sweep
from tests.lab.cases import trial_unit

pytestmark = pytest.mark.lab

HOSTS = ("many-good", "many-broken", "many-slow")
# sshd waits for it, in the layout's boot only.
SLOW = trial_unit("slow", "/bin/sleep 120")


@pytest.fixture(scope="module")
def inventory(lab_tools: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Three machines like lab-small, up; what their profiles add makes one broken and one slow."""
    folder = tmp_path_factory.mktemp("inventory") / "many"
    shutil.copytree(asset("inventories") / "lab", folder)
    # Three boots side by side, one of which sleeps 120 s: the lab's own times are for one.
    patient = "hotkit_deadman_s: 600\nhotkit_boot_timeout_s: 600\n"
    variables = (folder / "host_vars" / "lab-small.yml").read_text() + patient
    shutil.rmtree(folder / "host_vars")
    (folder / "host_vars").mkdir()
    (folder / "hosts.yml").write_text("lab:\n  hosts:\n" + "".join(f"    {n}:\n" for n in HOSTS))
    extra = {"many-good": "test.good", "many-broken": "init=/bin/false", "many-slow": "test.slow"}
    for name in HOSTS:
        text = variables.replace("  fast_share:", f"  extra: [{extra[name]}]\n  fast_share:")
        (folder / "host_vars" / f"{name}.yml").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        lab.up_many(list(HOSTS), lambda name, text: None, folder)
        try:
            yield folder
        finally:
            for name in HOSTS:
                lab.down(name, lambda name, text: None)


def sh(inventory: Path, name: str, command: str) -> str:
    way = load_inventory(inventory, name).host(name).way
    return str(Ssh(way).run(["sh", "-c", command]).stdout)


def test_a_broken_and_a_slow_host_delay_nobody(
    inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert all(isinstance(item, Machine) for item in lab.known_machines(inventory).values())
    sh(inventory, "many-slow", SLOW)
    words = ["provision", str(inventory), "--yes", "--json", "--batch", "all", "--max-failures",
             "0"]  # fmt: skip
    code = main(words)
    hosts: dict[str, dict[str, Any]] = {
        item["host"]: item for item in json.loads(capsys.readouterr().out)["hosts"]
    }
    good, broken, slow = (hosts[name] for name in HOSTS)
    assert code == ExitCode.FELL_BACK
    assert (good["status"], good["state"]) == ("ok", "verified"), good["sentence"]
    assert (broken["status"], broken["ending"]) == ("fell-back", "panic"), broken["sentence"]
    assert (slow["status"], slow["state"]) == ("ok", "verified"), slow["sentence"]
    # The good one was done while the slow one still slept.
    assert good["seconds"] < slow["seconds"] - 20, (good["seconds"], slow["seconds"])
    capsys.readouterr()
    assert main(["status", str(inventory), "--json"]) == ExitCode.OK
    rows = {item["host"]: item for item in json.loads(capsys.readouterr().out)["hosts"]}
    assert rows["many-good"]["runs"] == good["layout"]["id"] and not rows["many-good"]["advice"]
    assert (rows["many-broken"]["runs"], rows["many-broken"]["journal"]) == ("stock", "fell-back")


def test_a_sweep_on_two_hosts_side_by_side(
    inventory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each host carries out the whole schedule; the arms of a block are of one host."""
    file, out = tmp_path / "sweep.yml", tmp_path / "out"
    file.write_text(
        "schema_version: 1\nblocks: 6\n"
        "workload: {kind: hotset, size: 4M, hot: 1M, updates: 200000}\n"
        "arms: [{tracker: softdirty}]\n"
    )
    hosts = ["many-good", "many-slow"]
    words = ["sweep", str(file), "-i", str(inventory), "--limit", "many-good:many-slow"]
    code = main([*words, "--out", str(out), "--json"])
    said = capsys.readouterr()
    assert code in (ExitCode.OK, ExitCode.NOT_TRUSTWORTHY), said.err
    assert [part["part"]["host"] for part in json.loads(said.out)["parts"]] == hosts
    times = []
    for name in hosts:
        folder = out / "parts" / f"{name}-hotset"
        result = load_sweep(folder)
        assert result.host == name and result.state.finished
        assert not result.analysis.incomplete_blocks and len(result.runs) == 6 * 3
        received = [event["received"] for event in read_journal(folder) if "received" in event]
        times.append((received[0], received[-1]))
    # Side by side: each began before the other was done.
    assert max(begin for begin, _ in times) < min(end for _, end in times), times
    assert main(["sweep", "status", str(out)]) == ExitCode.OK


def test_two_controllers_one_wins(inventory: Path) -> None:
    lab.reset("many-good", lambda name, text: None)
    hotkit = Path(sys.executable).with_name("hotkit")
    words = ["provision", str(inventory), "--limit", "many-good", "--yes", "--json"]
    both = [
        subprocess.Popen([hotkit, *words], env=clean_env(), stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, text=True)
        for _ in range(2)
    ]  # fmt: skip
    ended = [json.loads(child.communicate()[0])["hosts"][0] for child in both]
    ended.sort(key=lambda host: str(host["status"]) != "ok")
    winner, loser = ended
    assert winner["status"] == "ok" and winner["state"] == "verified", winner["sentence"]
    assert loser["status"] in ("failed", "refused"), loser["sentence"]
    assert "is at work on" in loser["sentence"] and "since 20" in loser["sentence"]
    assert not loser["rebooted"]
