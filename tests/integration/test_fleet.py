"""Commands over many hosts at once, each with an sshd of its own on loopback (tests/fleet).

What 50 of them do is the campaign fifty-hosts. Budget: 60 s on 2 cores.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hotkit.cli import main
from hotkit.errors import ExitCode
from tests.fleet.hosts import Fleet, FleetHost, cannot_run, fleet

WHY_NOT = cannot_run()
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=f"hardware: {WHY_NOT}")
COUNT = 10
SECRET = "canary-7d20-melon"


@pytest.fixture(scope="module", autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="module")
def short() -> Iterator[Callable[[str], Path]]:
    """Makes folders with short paths: pytest's own are too long for sockets."""
    with tempfile.TemporaryDirectory(prefix="hk-") as folder:

        def make(name: str) -> Path:
            made = Path(folder) / name
            made.mkdir()
            return made

        yield make


@pytest.fixture(scope="module")
def stock(short: Callable[[str], Path]) -> Iterator[Fleet]:
    """Hosts that know nothing of hotkit."""
    with fleet(short("stock"), COUNT) as hosts:
        yield hosts


@pytest.fixture(scope="module")
def one(short: Callable[[str], Path]) -> FleetHost:
    """A host that was provisioned, and is off again."""
    with fleet(short("one"), 1) as hosts:
        assert main(["provision", str(hosts.inventory("inventory")), "--yes", "--json"]) == 0
        assert hosts.hosts[0].state() == "verified" and len(hosts.hosts[0].down()) == 1
        return hosts.hosts[0]


def hotkit(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = main([str(word) for word in (*words, "--json")])
    said = capsys.readouterr()
    return code, json.loads(said.out)


def test_status_by_a_dynamic_inventory_with_a_vaulted_secret(
    stock: Fleet, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory = stock.inventory(
        "dynamic",
        dynamic=True,
        more={
            host.name: {
                "hotkit_power": {"kind": "ipmi", "address": f"bmc-{host.name}", "user": "hotkit",
                                 "password": "{{ bmc_password }}"}
            }
            for host in stock.hosts
        },
    )  # fmt: skip
    (stock.folder / "vault").write_text("mellon\n")
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", str(stock.folder / "vault"))
    vaulted = subprocess.run(
        [sys.executable, "-P", "-m", "ansible", "vault", "encrypt_string", SECRET,
         "--name", "bmc_password"], capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    (inventory / "group_vars").mkdir()
    (inventory / "group_vars" / "all.yml").write_text(vaulted)
    code, said = hotkit(capsys, "status", inventory)
    assert code == ExitCode.OK
    assert [row["host"] for row in said["hosts"]] == [host.name for host in stock.hosts]
    assert {row["runs"] for row in said["hosts"]} == {"stock"}
    assert all(f"bmc-{row['host']}" in row["power"] for row in said["hosts"])
    assert SECRET not in json.dumps(said)
    code, said = hotkit(capsys, "status", inventory, "--limit", "node*[1:3]:!node03")
    assert code == ExitCode.OK
    assert [row["host"] for row in said["hosts"]] == ["node02", "node04"]


def test_check_plans_all_of_them_in_one_run_and_writes_nothing(
    stock: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    inventory = stock.inventory("check", more={"node04": {"ansible_port": 1}})
    code, said = hotkit(capsys, "provision", inventory, "--check")
    by_name = {item["host"]: item for item in said["hosts"]}
    assert code == ExitCode.UNREACHABLE
    assert by_name.pop("node04")["status"] == "unreachable"
    assert {item["status"] for item in by_name.values()} == {"would-change"}, said
    # Ansible's forks do it, not an Ansible each.
    assert {path.name for path in Path(said["logs"]).iterdir() if path.is_dir()} >= {"apply"}
    assert not list(Path(said["logs"]).glob("apply-*"))
    assert [host.state() for host in stock.hosts] == [None] * COUNT and stock.most_down() == 0


def test_verify_tells_each_host_why_it_is_not_as_planned(
    stock: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = hotkit(capsys, "verify", stock.inventory("verify"))
    assert code == ExitCode.VERDICT_FAILED and len(said["hosts"]) == COUNT
    for item in said["hosts"]:
        assert item["outcome"] == "fail" and "stock" in json.dumps(item["causes"]), item


def test_after_a_failure_no_further_host_begins(
    stock: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first one's layout does not boot; it comes back by itself, the others stay up."""
    profile = stock.variables(stock.hosts[0])["hotkit_profile"]
    broken = {"node01": {"hotkit_profile": {**profile, "extra": ["init=/bin/false"]}}}
    inventory = stock.inventory("broken", more=broken)
    words = ["provision", inventory, "--yes", "--limit", "node01:node02:node03", "--batch", "1"]
    code, said = hotkit(capsys, *words)
    assert code == ExitCode.FELL_BACK
    assert [item["status"] for item in said["hosts"]] == ["fell-back", "not-started", "not-started"]
    assert "hotkit.id" not in stock.hosts[0].files.cmdline
    assert [len(host.down()) for host in stock.hosts[:3]] == [1, 0, 0]


def test_a_second_run_over_hosts_that_are_done(
    one: FleetHost, short: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is changed and nothing reboots; one Ansible a step, one run of the checks."""
    with fleet(short("done"), 4, like=one) as hosts:
        inventory = hosts.inventory("inventory")
        code, said = hotkit(capsys, "provision", inventory, "--yes")
        assert code == ExitCode.OK, said
        assert {(item["status"], item["state"]) for item in said["hosts"]} == {("ok", "verified")}
        assert said["changed"] == 0 and said["rebooted"] == [] and hosts.most_down() == 0
        folders = {path.name for path in Path(said["logs"]).iterdir() if path.is_dir()}
        assert "apply" in folders and not [name for name in folders if name.startswith("apply-")]
        code, verdicts = hotkit(capsys, "verify", inventory)
        assert code == ExitCode.OK and {item["outcome"] for item in verdicts["hosts"]} == {"pass"}
