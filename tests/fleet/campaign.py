"""The campaign fifty-hosts: each case is what a person does with a lab of fifty machines.

A case has a fleet of its own (tests/fleet), whose hosts run the stock entry and know nothing of
hotkit, and looks at what each host really did: when it was down, what its journal says.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hotkit.cli import main
from tests.fleet.hosts import Fleet, fleet

HOSTS = 50
SECRET = "canary-6e41-papaya"


def campaign_case(number: int, hosts: int = HOSTS) -> dict[str, Any]:
    """Run one of CASES; what was found of it, with `ok`."""
    name, case = list(CASES.items())[number]
    with tempfile.TemporaryDirectory(prefix="hkc") as folder, _own_state():
        began = time.monotonic()
        with fleet(Path(folder) / "hosts", hosts) as made:
            up_s = time.monotonic() - began
            found = case(made)
            found["most_down"] = made.most_down()
    peak_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    return {
        "ok": all(found["held"].values()),
        "label": "emulated",
        "case": name,
        "hosts": hosts,
        "fleet_up_s": round(up_s, 1),
        "largest_process_mib": peak_mib,
        **found,
    }


@contextlib.contextmanager
def _own_state() -> Iterator[None]:
    """Runs and locks of this case in a folder of their own."""
    before = os.environ.get("XDG_STATE_HOME")
    with tempfile.TemporaryDirectory(prefix="hkc") as state:
        os.environ["XDG_STATE_HOME"] = state
        try:
            yield
        finally:
            os.environ.pop("XDG_STATE_HOME")
            if before is not None:
                os.environ["XDG_STATE_HOME"] = before


class Told:
    """What `hotkit ... --json` said, its exit code, and how long it took."""

    def __init__(self, *words: str | Path) -> None:
        said = io.StringIO()
        began = time.monotonic()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()) as wrong:
            self.code = main([str(word) for word in (*words, "--json")])
        self.seconds = round(time.monotonic() - began, 1)
        self.text = said.getvalue() + wrong.getvalue()
        self.hosts: list[dict[str, Any]] = json.loads(said.getvalue() or "{}").get("hosts", [])

    def count(self, key: str) -> dict[str, int]:
        """How many hosts say what under a key."""
        return dict(Counter(str(item.get(key)) for item in self.hosts))


def look(made: Fleet) -> dict[str, Any]:
    """status and verify, by a dynamic inventory with a vaulted secret, and a part of it."""
    power = {"kind": "ipmi", "user": "hotkit", "password": "{{ bmc_password }}"}
    inventory = made.inventory(
        "dynamic",
        dynamic=True,
        more={
            host.name: {"hotkit_power": {**power, "address": f"bmc-{host.name}"}}
            for host in made.hosts
        },
    )
    with _vault(made, inventory):
        status = Told("status", inventory)
        part = Told("status", inventory, "--limit", "node*[0:9]:!node03")
        verify = Told("verify", inventory)
    count = len(made.hosts)
    return {
        "seconds": {"status": status.seconds, "verify": verify.seconds},
        "held": {
            "all answer": status.code == 0 and status.count("runs") == {"stock": count},
            "--limit is Ansible's": part.code == 0 and len(part.hosts) == min(10, count) - 1,
            "each is told that it runs the stock entry": verify.code == 1
            and verify.count("outcome") == {"fail": count}
            and all("stock" in json.dumps(item["causes"]) for item in verify.hosts),
            "the secret is nowhere": SECRET not in status.text + verify.text + part.text,
            "nobody was rebooted": made.most_down() == 0,
        },
    }


@contextlib.contextmanager
def _vault(made: Fleet, inventory: Path) -> Iterator[None]:
    """`bmc_password` for all hosts, encrypted by ansible-vault; its password in a file."""
    password = made.folder / "vault"
    password.write_text("mellon\n")
    os.environ["ANSIBLE_VAULT_PASSWORD_FILE"] = str(password)
    try:
        argv = [sys.executable, "-P", "-m", "ansible", "vault", "encrypt_string", SECRET,
                "--name", "bmc_password"]  # fmt: skip
        vaulted = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        (inventory / "group_vars").mkdir()
        (inventory / "group_vars" / "all.yml").write_text(vaulted)
        yield
    finally:
        os.environ.pop("ANSIBLE_VAULT_PASSWORD_FILE")


def whole(made: Fleet) -> dict[str, Any]:
    """--check, provision in the default batch, again, verify, and all of it taken back."""
    inventory, count = made.inventory("inventory"), len(made.hosts)
    check = Told("provision", inventory, "--check")
    untouched = made.most_down() == 0 and {host.state() for host in made.hosts} == {None}
    first = Told("provision", inventory, "--yes")
    most_down = made.most_down()
    again = Told("provision", inventory, "--yes")
    verify = Told("verify", inventory)
    once = {len(host.down()) for host in made.hosts} == {1}
    back = Told("rollback", inventory, "--yes")
    status = Told("status", inventory)
    told = {"check": check, "provision": first, "again": again, "verify": verify,
            "rollback": back, "status": status}  # fmt: skip
    return {
        "seconds": {name: item.seconds for name, item in told.items()},
        "held": {
            "--check changes nothing": check.code == 0
            and check.count("status") == {"would-change": count}
            and untouched,
            "every host boots its layout": first.code == 0
            and first.count("state") == {"verified": count},
            "never more than half of them down": 0 < most_down <= max(1, count // 2),
            "a second run changes and reboots nothing": again.code == 0
            and again.count("changed") == {"0": count}
            and once,
            "every check passes": verify.code == 0 and verify.count("outcome") == {"pass": count},
            "rollback leaves the stock entry": back.code == 0
            and status.count("runs") == {"stock": count}
            and {host.state() for host in made.hosts} == {None},
        },
    }


def failures(made: Fleet) -> dict[str, Any]:
    """The first layouts panic at boot: after --max-failures hosts no further one begins."""
    profile = made.variables(made.hosts[0])["hotkit_profile"]
    broken = [host.name for host in made.hosts[: max(2, len(made.hosts) // 10)]]
    more = {name: {"hotkit_profile": {**profile, "extra": ["init=/bin/false"]}} for name in broken}
    inventory = made.inventory("broken", more=more)
    told = Told("provision", inventory, "--yes", "--batch", "4%", "--max-failures", "2")
    states = told.count("status")
    begun = [host.name for host in made.hosts if host.down()]
    fell = [item["host"] for item in told.hosts if item["status"] == "fell-back"]
    return {
        "seconds": {"provision": told.seconds},
        "outcomes": states,
        "held": {
            "exit code of those that fell back": told.code == 4,
            "those that panic come back to the stock entry": 2 <= len(fell) <= 3
            and set(fell) <= set(broken)
            and not any("hotkit.id" in host.files.cmdline for host in made.hosts
                        if host.name in broken),
            "most of the lab was never begun": states.get("not-started", 0)
            >= len(made.hosts) - 6,
            "what was not begun was not rebooted": len(begun) == len(told.hosts)
            - states.get("not-started", 0),
        },
    }  # fmt: skip


def silent(made: Fleet) -> dict[str, Any]:
    """A tenth of them cannot be reached: they are named, and the others are worked on."""
    gone = [host.name for host in made.hosts[::10]]
    inventory = made.inventory("silent", more={name: {"ansible_port": 1} for name in gone})
    status = Told("status", inventory)
    verify = Told("verify", inventory)
    check = Told("provision", inventory, "--check")

    def unreachable(told: Told, says: Callable[[Mapping[str, Any]], bool]) -> bool:
        return told.code == 3 and [item["host"] for item in told.hosts if says(item)] == gone

    return {
        "seconds": {"status": status.seconds, "verify": verify.seconds, "check": check.seconds},
        "held": {
            "status": unreachable(status, lambda item: item["runs"] != "stock"),
            "verify": [i["host"] for i in verify.hosts if i["outcome"] == "unreachable"] == gone,
            "check": unreachable(check, lambda item: item["status"] == "unreachable"),
            "the others are planned": check.count("status").get("would-change")
            == len(made.hosts) - len(gone),
        },
    }


CASES: dict[str, Callable[[Fleet], dict[str, Any]]] = {
    "look": look,
    "whole": whole,
    "failures": failures,
    "silent": silent,
}
