"""Power cuts and dead controllers on lab-small: one case each, for the tests and for `make soak`.

A case begins on the machine as it became ready, does its damage at one moment, looks whether
anything is half-written or lost, and then wants the same command to end well.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from hotkit import lab
from hotkit.errors import HotkitError
from hotkit.host import labpower
from hotkit.host.dirs import state_dir
from hotkit.host.inventory import load_inventory
from hotkit.host.run import clean_env
from hotkit.host.ssh import Ssh

NAME = "lab-small"
NESTED = "lab-nested"
LABEL = "emulated"
# What GRUB needs; what is armed; our journal.
_LOOK = r"""
echo "stock $(sha256sum < /boot/grub/grub.cfg)"
grub-script-check /boot/grub/grub.cfg || echo "BAD grub.cfg"
[ ! -e /boot/grub/custom.cfg ] || grub-script-check /boot/grub/custom.cfg || echo "BAD custom.cfg"
[ "$(stat -c %s /boot/grub/grubenv)" = 1024 ] || echo "BAD grubenv size"
entry=$(grub-editenv list | sed -n 's/^next_entry=//p')
[ -z "$entry" ] || grep -q -- "--id $entry " /boot/grub/custom.cfg || echo "BAD armed $entry"
ls /boot/vmlinuz-* /boot/initrd.img-* >/dev/null || echo "BAD no kernel"
[ ! -e /var/lib/hotkit/state.json ] || python3 -m json.tool /var/lib/hotkit/state.json >/dev/null ||
    echo "BAD state.json"
"""
# /boot and /etc to the byte, with owners, modes and links.
EVERY_BYTE = (
    "find /boot /etc -type f -print0 | sort -z | xargs -0 sha256sum; "
    "find /boot /etc -printf '%p %y %m %u %g %l\\n' | sort"
)
_EVERYTHING = f"{EVERY_BYTE}; ls /var/lib"


# (what runs, task that begins, seconds after that): every step of provision, inside and between.
POWER_CUTS = (
    ("provision", "Read the machine", 1.0),
    ("provision", "Write the boot entry", 0.2),
    ("provision", "Write the boot entry", 1.5),
    ("provision", "Write the boot entry", 2.5),
    ("provision", "Arm the entry for one boot", 0.0),
    ("provision", "Arm the entry for one boot", 1.5),
    ("provision", "Arm the entry for one boot", 2.2),
    ("provision", "Reboot", 0.5),
    ("provision", "Reboot", 5.0),  # going down
    ("provision", "Reboot", 9.0),  # firmware, GRUB
    ("provision", "Reboot", 16.0),  # kernel
    ("provision", "Reboot", 24.0),  # systemd
    ("provision", "See what came up", 0.5),
    ("provision", "verify", 1.0),
    ("provision", "Record the outcome", 0.3),
    ("provision", "Record the outcome", 1.5),
    ("rollback", "Put the originals back", 0.5),
    ("rollback", "Put the originals back", 1.8),
    ("rollback", "Reboot", 3.0),
)  # fmt: skip


def power_cut_case(number: int) -> dict[str, Any]:
    """Cut the power at POWER_CUTS[number]; the stock entry boots, and the call done again ends."""
    what, task, delay_s = POWER_CUTS[number % len(POWER_CUTS)]
    case: dict[str, Any] = {"cut": f"{what}: {task} + {delay_s} s", "label": LABEL}
    lab.reset(NAME, lambda name, text: None)
    before = sh(_EVERYTHING)
    stock = sh(_LOOK)
    if what == "rollback":
        hotkit("provision")
    first = hotkit(what, cut=(task, delay_s))
    case["first_ended"] = first
    wait_for_ssh()
    problems = look(stock)
    again = hotkit(what)
    if again != "ok":
        problems.append(f"the second {what} ended {again}")
    if what == "provision" and hotkit("rollback") != "ok":
        problems.append("the rollback afterwards failed")
    if sh(_EVERYTHING) != before:
        problems.append("after the rollback /boot, /etc or /var/lib differ")
    return case | {"ok": not problems, "problems": problems}


def controller_kill_case(number: int, kills: int = 20) -> dict[str, Any]:
    """Kill the controller at random moments of provision (three of four times) and of rollback.

    Nobody completes anything in between: what one kill left is what the next call finds. Returns
    what was killed and after how many seconds (null: it had ended before).
    """
    dice = random.Random(number)
    case: dict[str, Any] = {"seed": number, "label": LABEL, "killed": []}
    problems: list[str] = []
    lab.reset(NAME, lambda name, text: None)
    before = sh(_EVERYTHING)
    stock = sh(_LOOK)
    for _ in range(kills):
        what = dice.choice(("provision", "provision", "provision", "rollback"))
        after_s = round(dice.uniform(0.3, dice.choice((8.0, 16.0, 25.0, 60.0))), 2)
        killed = kill_command(what, after_s)
        case["killed"].append([what, after_s if killed else None])
        wait_for_ssh()
        problems += look(stock)
    for what in ("provision", "rollback"):
        ended = hotkit(what)
        if ended != "ok":
            problems.append(f"{what} after the kills ended {ended}")
    if sh(_EVERYTHING) != before:
        problems.append("after the rollback /boot, /etc or /var/lib differ")
    done = sum(moment is not None for _, moment in case["killed"])
    return case | {"ok": not problems, "kills": done, "problems": problems}


def start(what: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [Path(sys.executable).with_name("hotkit"), what, "lab", "--limit", NAME, "--yes", "--json"],
        env=clean_env(), text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def hotkit(what: str, cut: tuple[str, float] | None = None) -> str:
    """Run `hotkit WHAT` to its end; the status and sentence of the host ("ok" when all went well).

    With `cut` = (task, seconds) the power goes that long after the task began, and comes back.
    """
    child = start(what)
    assert child.stderr is not None and child.stdout is not None
    cutter = None
    for line in child.stderr:
        if cut and cutter is None and line.rstrip().endswith(f": {cut[0]}"):
            cutter = threading.Timer(cut[1], _cut_power)
            cutter.start()
    said = child.stdout.read()
    child.wait()
    if cut:
        assert cutter is not None, f"{cut[0]} never began"
        cutter.join()
    host = json.loads(said)["hosts"][0] if said else {"status": "crashed", "sentence": ""}
    status = str(host["status"])
    return status if status == "ok" else f"{status}: {host['sentence']}"


def _cut_power() -> None:
    labpower.power_off(NAME)
    time.sleep(2)
    labpower.power_on(NAME)


def kill_command(what: str, after_s: float) -> bool:
    """Start `hotkit WHAT`, kill it and all that it started; False when it had ended by then."""
    child = start(what)
    try:
        child.communicate(timeout=after_s)
        return False
    except subprocess.TimeoutExpired:
        _kill_all()
        child.communicate()
        return True


def _kill_all() -> None:
    """SIGKILL for everything with this lab's state directory in its environment, but the lab.

    Ansible's workers leave the process group, so the group is not enough.
    """
    mark = f"XDG_STATE_HOME={os.environ['XDG_STATE_HOME']}".encode()
    for _ in range(3):
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark not in (folder / "environ").read_bytes().split(b"\0"):
                    continue
                words = (folder / "cmdline").read_bytes()
                if b"qemu-system" not in words and int(folder.name) != os.getpid():
                    os.kill(int(folder.name), signal.SIGKILL)
        time.sleep(0.05)


def look(stock: str) -> list[str]:
    """What is half-written or lost on the machine now; `stock` is what it said before."""
    try:
        said = sh(_LOOK)
    except HotkitError:  # the guard's time was over just now: it boots the stock entry
        wait_for_ssh()
        said = sh(_LOOK)
    problems = [line for line in said.splitlines() if line.startswith("BAD")]
    if said.splitlines()[:1] != stock.splitlines()[:1]:
        problems.append("grub.cfg is not what it was")
    return problems


def sh(command: str, name: str = NAME) -> str:
    way = load_inventory("lab", name).host(name).way
    return str(Ssh(way).run(["sh", "-c", command], timeout=60).stdout)


def wait_for_ssh(seconds: float = 300) -> None:
    way = load_inventory("lab", NAME).host(NAME).way
    link = Ssh(way)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(1)
        link.hang_up()
        with suppress(HotkitError):
            # A machine that goes down still answers; one that is up has no job left.
            said = link.run(["systemctl", "is-system-running"], check=False, timeout=20).stdout
            if said.strip() in ("running", "degraded", "starting"):
                return
    raise HotkitError(f"{NAME} did not come back")


def own_lab(folder: Path, name: str = NAME) -> None:
    """A lab of this process's own, with that machine up."""
    os.environ["XDG_STATE_HOME"] = str(folder)
    assert state_dir().is_relative_to(folder)
    lab.up(lab.known_machine(name), lambda name, text: None)


def told(what: str, inventory: Path, name: str, *words: str) -> tuple[int, dict[str, Any]]:
    """Exit code of `hotkit WHAT --json` for one host, and what it says of it.

    A status "crashed" where it said nothing.
    """
    argv: list[str | Path] = [Path(sys.executable).with_name("hotkit"), what, inventory]
    argv += ["--limit", name, "--json", *([] if what == "verify" else ["--yes"]), *words]
    done = subprocess.run(argv, env=clean_env(), capture_output=True, text=True, check=False)
    if not done.stdout:
        said = {"status": "crashed", "sentence": done.stderr[-2000:], "outcome": "crashed"}
        return done.returncode, said
    (host,) = json.loads(done.stdout)["hosts"]
    return done.returncode, dict(host)


def trial_unit(name: str, command: str) -> str:
    """Shell commands: a service before sshd that runs where `test.NAME` is a kernel argument."""
    return f"""cat >/etc/systemd/system/{name}.service <<'UNIT'
[Unit]
ConditionKernelCommandLine=test.{name}
Before=ssh.service
[Service]
Type=oneshot
ExecStart={command}
[Install]
WantedBy=multi-user.target
UNIT
systemctl enable {name}.service"""


def as_json(case: dict[str, Any]) -> str:
    return json.dumps(case, indent=1)
