"""hotkit init, over a real sshd: this machine as it is, and one that gives recorded answers."""

from __future__ import annotations

import base64
import json
import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from sshservers import Server, sshd

from hotkit.cli import main
from hotkit.host.inventory import load_inventory

FACTS = Path(__file__).resolve().parents[1] / "data/facts/lab-small-stock.json"
# A python3 that hands out recorded facts when it is asked for facts, and is itself otherwise.
ANSWER = """#!/usr/bin/python3
import os, sys
text = sys.stdin.read()
if sys.argv[1:] == ["-"] and "Prints what hotkit must know" in text:
    print(open({facts!r}).read())
else:
    read, write = os.pipe()
    if os.fork() == 0:
        os.close(read)
        os.write(write, text.encode())
        os._exit(0)
    os.close(write)
    os.dup2(read, 0)
    os.execv("/usr/bin/python3", ["python3", *sys.argv[1:]])
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A way to this machine."""
    with sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A way to a machine that says of itself what lab-small did, and has its /boot."""
    if os.geteuid() != 0:
        pytest.skip("mounts a /boot: root only")
    folder: Path = tmp_path_factory.mktemp("recorded")
    facts = json.loads(FACTS.read_text())
    boot = facts["boot"]
    # A plan holds for one boot: the one that really runs, when Ansible's modules look.
    facts["boot_id"] = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    (folder / "facts.json").write_text(json.dumps(facts))
    (folder / "bin").mkdir()
    python = folder / "bin" / "python3"
    python.write_text(ANSWER.format(facts=str(folder / "facts.json")))
    python.chmod(0o755)
    (folder / "boot" / "grub").mkdir(parents=True)
    for kernel in boot["kernels"]:
        (folder / "boot" / Path(kernel).name).write_bytes(b"kernel")
    (folder / "boot/grub/grub.cfg").write_text(boot["grub_cfg"])
    (folder / "boot/grub/grubenv").write_bytes(base64.b64decode(boot["grubenv"]))
    # What the login's shell reads at its start may set another PATH.
    path = f"PATH={folder / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin"
    command = f'ForceCommand exec env {path} sh -c "$SSH_ORIGINAL_COMMAND"'
    with sshd(folder, command, boot=folder / "boot") as server:
        yield server


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def init(server: Server, *words: str) -> int:
    return main(["init", server.ref, "--key", str(server.key), "--ssh-args", server.args, *words])


def test_a_recorded_machine_gets_an_inventory_that_provision_takes(
    recorded: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(recorded, "--name", "small1", "--yes") == 0
    out = capsys.readouterr().out
    assert "written: small1/hosts.yml" in out
    assert "next: hotkit provision small1 --check --diff" in out
    assert "36C36G-pmem" in out and "has no non-volatile range" in out
    host = load_inventory("small1").host("small1")
    assert host.profile == {
        "base": "4C16G-remote", "cpus": 2, "total": "1536M", "fast_share": "1/3",
    }  # fmt: skip
    before = _tree(Path(recorded.key.parent / "boot"))

    assert main(["provision", "small1", "--check", "--diff", "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)["hosts"]
    assert result["status"] == "would-change", result
    assert _tree(Path(recorded.key.parent / "boot")) == before


def _tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(item): (item.stat().st_mtime_ns, item.read_bytes())
        for item in folder.rglob("*")
        if stat.S_ISREG(item.lstat().st_mode)
    }


def test_json_says_what_the_terminal_says(
    recorded: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(recorded, "--dry-run", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert not list(Path().iterdir()), "a dry run writes nothing"
    facts = json.loads(FACTS.read_text())
    assert said["written"] is False
    assert (said["kernel_release"], said["loader"]) == (
        facts["kernel_release"], facts["boot"]["loader"],
    )  # fmt: skip
    assert said["host"] == facts["hostname"], "an address is no name for a host"
    fits = [item["profile"] for item in said["profiles"] if item["fits"]]
    assert fits == [said["chosen"]]
    (group,) = yaml.safe_load(said["inventory"]).values()
    assert group["hosts"][said["host"]]["hotkit_profile"] == said["chosen"]
    assert [len(node["ram"]) > 0 for node in said["topology"]["nodes"]] == [True, True]


def test_a_profile_that_was_asked_for_and_does_not_fit(
    recorded: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(recorded, "--profile", "36C144G-remote", "--yes") == 2
    said = capsys.readouterr().err
    assert "36C144G-remote does not fit" in said and "wants 36 CPUs" in said
    assert "fits: 4C16G-remote of 1536M" in said
    assert not list(Path().iterdir())


def test_this_machine(here: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever it is: what is written is an inventory, of a host that answers."""
    if os.geteuid() != 0:
        pytest.skip("logs in as the user who runs it: root only")
    assert init(here, "--name", "mine", "--out", "deep/lab", "--yes") == 0
    assert f"ansible_port: {here.port}" in Path("deep/lab/hosts.yml").read_text()
    capsys.readouterr()
    assert main(["topology", "show", "mine", "--inventory", "deep/lab", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "mine"


def test_nothing_is_overwritten(here: Server, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine").mkdir()
    Path("mine/hosts.yml").write_text("mine: {}\n")
    Path("file").write_text("")
    for out in ("mine", "file"):
        assert init(here, "--out", out, "--yes") == 2
        said = capsys.readouterr().err
        assert said == (
            f"hotkit: {out} is there already; nothing is overwritten\n  --out another folder\n"
        )
    assert Path("mine/hosts.yml").read_text() == "mine: {}\n"


def test_nobody_to_ask(here: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """As from a script: without --yes nothing is written, and the way on is named."""
    if os.geteuid() != 0:
        pytest.skip("logs in as the user who runs it: root only")
    assert init(here) == 2
    said = capsys.readouterr().err
    assert "nothing was written" in said and "--yes" in said and "--dry-run" in said
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    ("words", "code", "sentence", "hint"),
    [
        (["local"], 2, "reached by ssh", "hotkit init localhost"),
        (["lab-small"], 2, "a machine of the lab", "hotkit provision lab --limit lab-small"),
        (["-oProxyCommand=x"], 2, "", ""),
        (["root@host:port"], 2, "is no ssh address", ""),
        (["x", "--name", "a b"], 2, "--name 'a b'", ""),
        (["x", "--profile", "8C"], 2, "8C", "4C16G-remote"),
        (["x", "--key", "/no/key"], 2, "--key /no/key: no such file", ""),
        (["x", "--ssh-args", "'"], 2, "No closing quotation", ""),
        (["127.0.0.1:1"], 3, "Connection refused", "is it up?"),
        (["nobody.invalid"], 3, "no address is known for nobody.invalid", "spelled right"),
    ],
)
def test_mistakes(
    words: list[str], code: int, sentence: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", *words]) == code
    said = capsys.readouterr().err
    assert sentence in said and hint in said and "Traceback" not in said
    assert not list(Path().iterdir())


def test_a_host_key_that_nobody_has_seen(
    here: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = f"-F none -o UserKnownHostsFile={tmp_path / 'none'}"
    assert main(["init", here.ref, "--key", str(here.key), "--ssh-args", nothing]) == 3
    said = capsys.readouterr().err
    assert "its host key is not" in said
    assert shlex.join(["ssh", *shlex.split(nothing), "-p", str(here.port)]) in said


def test_a_login_that_is_refused(here: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["init", here.ref, "--ssh-args", f"{here.args} -o IdentitiesOnly=yes -i /none"]) == 3
    )
    said = capsys.readouterr().err
    assert "ssh is not let in" in said and f"ssh-copy-id -p {here.port} {here.user}@" in said
