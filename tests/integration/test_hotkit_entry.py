"""The module hotkit_entry on a fake root tree, with GRUB's own tools.

The main cycle goes through real Ansible on localhost; the rest runs the module as Ansible would
start it on a host, with its arguments on standard input.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from hotkit.assets import asset
from hotkit.core.grubenv import parse
from hotkit.host.ansible_env import ansible_env
from hotkit.host.run import clean_env
from hotkit.hostplan import plan_host, stripped_texts

FACTS = Path(__file__).parents[1] / "data" / "facts" / "lab-small-stock.json"
PROFILE = {"base": "4C16G-remote", "cpus": 2, "total": "1536M", "fast_share": "1/3"}
MODULE = asset("playbooks") / "library" / "hotkit_entry.py"
# Ansible packs playbooks/module_utils into what it sends; without Ansible we say where it is.
START = (
    "import ansible.module_utils as utils, runpy; "
    f"utils.__path__.append({str(MODULE.parents[1] / 'module_utils')!r}); "
    f"runpy.run_path('{MODULE.parent}/{{}}.py', run_name='__main__')"
)
CUSTOM = "/boot/grub/custom.cfg"
GRUBENV = "/boot/grub/grubenv"


class FakeHost:
    """A directory that stands for a machine: its /boot, /proc and hotkit's state."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.facts: dict[str, Any] = json.loads(FACTS.read_text())
        for folder in ("boot/grub", "proc/sys/kernel/random", "var/lib", "etc/default/grub.d"):
            (root / folder).mkdir(parents=True)
        self.path("/boot/grub/grub.cfg").write_text(self.facts["boot"]["grub_cfg"])
        subprocess.run(["grub-editenv", str(self.path(GRUBENV)), "create"], check=True)
        self.boot("root=/dev/vda1 ro")

    def path(self, name: str) -> Path:
        return self.root / name.lstrip("/")

    def boot(self, cmdline: str) -> None:
        """What GRUB does: next_entry is emptied; then another boot id and command line."""
        if self.env.get("next_entry"):
            self.editenv("set", "next_entry=")
        self.path("/proc/cmdline").write_text(cmdline + "\n")
        self.path("/proc/sys/kernel/random/boot_id").write_text(str(uuid.uuid4()) + "\n")

    def editenv(self, *words: str) -> None:
        subprocess.run(["grub-editenv", str(self.path(GRUBENV)), *words], check=True)

    def read(self) -> dict[str, Any]:
        """The facts as the gather script would read them here."""
        custom, state = self.path(CUSTOM), self.path("/var/lib/hotkit/state.json")
        self.facts["boot_id"] = self.path("/proc/sys/kernel/random/boot_id").read_text().strip()
        self.facts["cmdline"] = self.path("/proc/cmdline").read_text().strip()
        self.facts["boot"]["custom_cfg"] = custom.read_text() if custom.exists() else None
        self.facts["state"] = json.loads(state.read_text()) if state.exists() else None
        return self.facts

    def plan(self, **wishes: Any) -> dict[str, Any]:
        variables = {"hotkit_profile": PROFILE} | {f"hotkit_{k}": v for k, v in wishes.items()}
        found = plan_host(self.read(), variables, host="m1").to_dict()
        assert found["refusals"] == []
        return found

    def step(self, step: str, plan: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        """Run one step of the module; its answer, with `failed` when it refused."""
        check = more.pop("check_mode", False)
        module = more.pop("module", "hotkit_entry")
        arguments = {"step": step, "root": str(self.root), "_ansible_check_mode": check, **more}
        if plan is not None:
            arguments["plan"] = plan
        done = subprocess.run(
            [sys.executable, "-c", START.format(module)],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def restore(self, **more: Any) -> dict[str, Any]:
        return self.step("restore", stripped=stripped_texts(self.read()), **more)

    def snapshot(self) -> dict[str, tuple[bytes, int, int]]:
        """Bytes, mode and time of every file below /boot, /etc and /var."""
        found = {}
        for top in ("boot", "etc", "var"):
            for path in sorted((self.root / top).rglob("*")):
                if path.is_file():
                    status = path.stat()
                    key = str(path.relative_to(self.root))
                    found[key] = (path.read_bytes(), status.st_mode, status.st_mtime_ns)
        return found

    @property
    def state(self) -> str:
        return str(json.loads(self.path("/var/lib/hotkit/state.json").read_text())["state"])

    @property
    def env(self) -> dict[str, str]:
        return parse(self.path(GRUBENV).read_bytes())


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path / "root")


def through_ansible(host: FakeHost, step: str, **more: Any) -> dict[str, Any]:
    """The same step by `ansible localhost -m hotkit_entry`."""
    flags = ["--check"] if more.pop("check_mode", False) else []
    arguments = json.dumps({"step": step, "root": str(host.root), **more})
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible", "-i", "localhost,", "-c", "local", "localhost",
         "-e", f"ansible_python_interpreter={sys.executable}",
         "-M", str(MODULE.parent), "-m", "hotkit_entry", "-a", arguments, *flags],
        capture_output=True, text=True, check=False, env=clean_env(ansible_env()),
    )  # fmt: skip
    match = re.search(r"localhost \| (\w+)!? => (\{.*\})", done.stdout, re.DOTALL)
    assert match, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(match[2])
    return answer


def test_whole_cycle_through_ansible(host: FakeHost) -> None:
    before = host.snapshot()
    plan = host.plan()

    dry = through_ansible(host, "stage", plan=plan, check_mode=True)
    assert dry["changed"]
    direct = host.step("stage", plan, check_mode=True)  # the ad-hoc command does not print diffs
    assert "memmap=" in direct["diff"][0]["after"] and direct["diff"][0]["before"] == ""
    assert host.snapshot() == before

    assert through_ansible(host, "stage", plan=plan)["changed"]
    assert host.state == "staged"
    assert not through_ansible(host, "stage", plan=plan)["changed"]

    armed = through_ansible(host, "arm", plan=plan)
    assert armed["changed"] and armed["reboot_needed"] and host.state == "armed"
    assert host.env["next_entry"] == plan["entry_id"]
    assert host.path(GRUBENV).stat().st_size == 1024
    again = through_ansible(host, "arm", plan=plan)
    assert not again["changed"] and again["reboot_needed"]

    assert "has not rebooted" in host.step("confirm", plan)["msg"]
    host.boot(plan["cmdline"])
    assert through_ansible(host, "confirm", plan=plan)["state"] == "trial"
    assert through_ansible(host, "record", plan=plan, state="verified")["changed"]

    # A second run on the running layout: nothing changes, no reboot.
    plan = host.plan()
    assert plan["left"] == ["verify"]
    for step in ("stage", "arm", "confirm"):
        answer = host.step(step, plan)
        assert not answer["changed"] and not answer.get("reboot_needed"), (step, answer)
    assert not host.step("record", plan, state="verified")["changed"]

    dry = through_ansible(host, "restore", check_mode=True)
    assert dry["changed"] and host.state == "verified"
    done = through_ansible(host, "restore")
    assert done["changed"] and done["reboot_needed"] and done["notes"] == []
    assert host.snapshot() == before
    assert not host.path("/var/lib/hotkit").exists()
    host.boot("root=/dev/vda1 ro")
    assert not host.restore()["changed"]


def test_commit_and_back(host: FakeHost) -> None:
    before = host.snapshot()
    plan = provisioned(host)
    assert host.step("record", plan, state="committed")["state"] == "committed"
    assert f'set default="{plan["entry_id"]}"' in host.path(CUSTOM).read_text()
    plan = host.plan()
    assert [host.step(step, plan)["changed"] for step in ("stage", "arm", "confirm")] == [False] * 3
    assert not host.step("record", plan, state="verified")["changed"], "it would be taken back"
    host.restore()
    assert host.snapshot() == before


def provisioned(host: FakeHost) -> dict[str, Any]:
    """A host that booted its layout and was verified."""
    plan = host.plan()
    for step in ("stage", "arm"):
        assert not host.step(step, plan).get("failed")
    host.boot(plan["cmdline"])
    assert host.step("confirm", plan)["state"] == "trial"
    assert host.step("record", plan, state="verified")["state"] == "verified"
    return plan


def test_a_machine_that_was_reached_gets_its_time_anew(host: FakeHost) -> None:
    """A slow boot must not eat the time of the checks."""
    plan = host.plan(deadman_s=77)
    for step in ("stage", "arm"):
        host.step(step, plan)
    host.boot(plan["cmdline"])
    host.path("/run/hotkit").mkdir(parents=True)  # the guard made it
    up_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert host.step("confirm", plan)["state"] == "trial"
    deadline_s = int(host.path("/run/hotkit/deadline").read_text())
    assert up_s + 76 <= deadline_s <= time.clock_gettime(time.CLOCK_BOOTTIME) + 77
    host.path("/run/hotkit/deadline").unlink()
    assert not host.step("confirm", plan)["changed"], "and again, when a call goes on there"
    assert host.path("/run/hotkit/deadline").exists()
    host.boot("root=/dev/vda1 ro")
    answer = host.step("record", plan, state="verified")
    assert answer["failed"] and "has rebooted since (its guard after 77 s" in answer["msg"]


def test_falls_back_and_is_armed_again(host: FakeHost) -> None:
    plan = host.plan()
    host.step("stage", plan)
    host.step("arm", plan)
    host.boot("root=/dev/vda1 ro")
    answer = host.step("confirm", plan)
    assert answer["fell_back"] and host.state == "fell-back"
    plan = host.plan()
    assert any("fell back" in note for note in plan["notes"])
    assert not host.step("stage", plan)["changed"]
    again = host.step("arm", plan)
    assert again["changed"] and "fell back" in again["notes"][0]


@pytest.mark.parametrize("cut_after", ["stage", "arm", "boot", "confirm"])
def test_a_second_call_goes_on_where_the_first_was_cut_off(host: FakeHost, cut_after: str) -> None:
    before = host.snapshot()
    plan = host.plan()
    for step in ("stage", "arm", "boot", "confirm"):
        if step == "boot":
            host.boot(plan["cmdline"])
        else:
            host.step(step, plan)
        if step == cut_after:
            break
    plan = host.plan()
    assert not host.step("stage", plan)["changed"]
    armed = host.step("arm", plan)
    assert armed["reboot_needed"] == (cut_after in ("stage", "arm"))
    if armed["reboot_needed"]:
        host.boot(plan["cmdline"])
    assert host.step("confirm", plan)["state"] == "trial"
    host.restore()
    assert host.snapshot() == before


def test_a_write_that_was_cut_off(host: FakeHost) -> None:
    before = host.snapshot()
    plan = host.plan()
    host.step("stage", plan)
    # Power went away after the journal said what it was about to write, before the rename.
    journal = host.path("/var/lib/hotkit/state.json")
    data = json.loads(journal.read_text())
    data["state"] = "planned"
    journal.write_text(json.dumps(data))
    host.path(CUSTOM).rename(host.path(CUSTOM + ".hotkit-tmp"))
    resumed = host.step("stage", host.plan())
    assert resumed["changed"] and host.state == "staged"
    host.path(CUSTOM + ".hotkit-tmp").write_text("half")
    host.restore()
    assert host.snapshot() == before


def test_what_others_changed_since_stays(host: FakeHost) -> None:
    host.path(CUSTOM).write_text("# theirs\n")
    host.editenv("set", "saved_entry=theirs")
    provisioned(host)
    with host.path(CUSTOM).open("a") as stream:
        stream.write("# added later\n")
    host.editenv("set", "saved_entry=later")
    answer = host.restore()
    assert host.path(CUSTOM).read_text() == "# theirs\n# added later\n"
    assert host.env.get("saved_entry") == "later"
    assert "next_entry" not in host.env or host.env["next_entry"] == ""
    assert host.path(GRUBENV).stat().st_size == 1024
    assert any("custom.cfg was changed by others" in note for note in answer["notes"])
    assert any("grubenv was changed by others" in note for note in answer["notes"])
    assert not host.path("/var/lib/hotkit").exists()


def test_a_lost_journal(host: FakeHost) -> None:
    provisioned(host)
    subprocess.run(["rm", "-r", str(host.path("/var/lib/hotkit"))], check=True)
    answer = host.restore()
    assert answer["changed"] and "by its markers" in answer["notes"][0]
    assert not host.path(CUSTOM).exists()


def test_refusals_write_nothing(host: FakeHost) -> None:
    before = host.snapshot()
    plan = host.plan()
    broken = json.loads(json.dumps(plan))
    broken["files"][0]["text"] = "menuentry x {\n"
    stale = plan | {"boot_id": str(uuid.uuid4())}
    for wrong, said in ((stale, "was rebooted"), (broken, "refuses the new text")):
        answer = host.step("stage", wrong)
        assert answer["failed"] and said in answer["msg"], answer
    host.restore()
    assert host.snapshot() == before

    host.path(CUSTOM).write_text("# somebody was quicker\n")
    assert "changed after this plan" in host.step("stage", plan)["msg"]
    assert not host.path("/var/lib/hotkit").exists()
    assert "is not staged" in host.step("arm", plan)["msg"]
    assert "is not staged" in host.step("confirm", plan)["msg"]
    assert "not running here" in host.step("record", plan, state="verified")["msg"]
    assert not host.path("/var/lib/hotkit").exists()


def test_an_entry_that_vanished_is_not_armed(host: FakeHost) -> None:
    plan = host.plan()
    host.step("stage", plan)
    host.path(CUSTOM).write_text("")
    assert "has no entry" in host.step("arm", plan)["msg"]
    assert not host.env.get("next_entry")


def test_two_controllers(host: FakeHost) -> None:
    plan = host.plan()
    host.step("stage", plan)
    with host.path("/var/lib/hotkit/lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert "another hotkit is at work" in host.step("arm", plan)["msg"]
    assert not host.step("arm", plan).get("failed")


def test_a_damaged_journal_is_not_guessed_at(host: FakeHost) -> None:
    plan = host.plan()
    host.step("stage", plan)
    (copy,) = host.path("/var/lib/hotkit/originals").iterdir()
    copy.write_bytes(b"x")
    host.editenv("set", "next_entry=x")
    assert "is damaged" in host.restore()["msg"]
    host.path("/var/lib/hotkit/state.json").write_text("{")
    assert "is not JSON" in host.step("arm", plan)["msg"]


def test_defaults_method(host: FakeHost) -> None:
    before = host.snapshot()
    plan = host.plan(entry_method="defaults", commit=True)
    grub_cfg = host.path("/boot/grub/grub.cfg")
    new = "\n".join(
        line + " " + " ".join(plan["args"]) if line.lstrip().startswith("linux") else line
        for line in grub_cfg.read_text().splitlines()
    )
    # Real grub-mkconfig needs the machine itself; tests/integration/test_grub_tools.py runs it.
    plan["update_grub"] = [sys.executable, "-c",
                           f"open({str(grub_cfg)!r}, 'w').write({new!r})"]  # fmt: skip
    assert host.step("stage", plan)["changed"]
    assert (
        "GRUB_CMDLINE_LINUX_DEFAULT" in host.path("/etc/default/grub.d/zz-hotkit.cfg").read_text()
    )
    assert grub_cfg.read_text() == new
    assert not host.step("stage", plan)["changed"]
    assert host.step("arm", plan)["reboot_needed"]
    assert not host.env.get("next_entry"), "every entry boots the layout, none is armed"
    host.boot(plan["cmdline"])
    assert host.step("confirm", plan)["state"] == "trial"
    host.restore()
    assert host.snapshot() == before


def test_owner_and_mode_of_an_original_survive(host: FakeHost) -> None:
    host.path(CUSTOM).write_text("# theirs\n")
    host.path(CUSTOM).chmod(0o640)
    os.chown(host.path(CUSTOM), 12, 34)
    before = host.snapshot()
    provisioned(host)
    status = host.path(CUSTOM).stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (12, 34, 0o640)
    host.restore()
    assert host.snapshot() == before
