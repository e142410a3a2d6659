"""Guests of this host as they are now, and what the agent in those that are up says: raw facts.

hotkit/core/guestdoctor.py judges them. No guest is started or changed: the agent goes into it as a
temporary file, says what it finds there, and is removed.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hotkit.agent import doctor, pmu
from hotkit.agent.access import reachable
from hotkit.agent.gather import line, text
from hotkit.agent.guest.bootfiles import find_kernel
from hotkit.agent.guest.identity import SSH_CONFIG
from hotkit.agent.guest.life import Guest
from hotkit.agent.protocol import AgentError
from hotkit.agent.vmdoctor import tlb_counters

# The controller waits two minutes; a guest in an emulated machine needs some seconds for Python.
_SECONDS = 80
_SCRIPT = 'f=$(mktemp) && cat > "$f" && python3 "$f" doctor --in-guest; s=$?; rm -f "$f"; exit $s'


def inside() -> dict[str, Any]:
    """What the agent says of the guest that it runs in."""
    return {"doctor": doctor.facts(), "pmu": pmu.facts(), "tlb_counters": tlb_counters()}


def facts(descriptions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One for each guest, in their order; all are asked at once."""
    if not descriptions:
        return []
    with ThreadPoolExecutor(max_workers=len(descriptions)) as pool:
        return list(pool.map(lambda one: guest_facts(Guest(one)), descriptions))


def guest_facts(guest: Guest) -> dict[str, Any]:
    """How a guest is. `silent`: why nothing came from within, null when something did.

    `state`: down, died (in this boot), running; of a process that does not answer, silent.
    """
    given = guest.description
    pid = guest.pid()
    found: dict[str, Any] = {
        "name": guest.name, "pid": pid, "state": "running", "process": None, "inside": None,
        "machine": None, "silent": None,
        "no_disk": missing(given["disk"]) if guest.ours else None,
        "no_kernel": no_kernel(given["kernel"]) if guest.ours else None,
    }  # fmt: skip
    if pid is None:
        found["state"] = guest.state()
        return found
    found["process"] = process_facts(pid)
    try:
        hello, said = ask(guest)
        found.update(machine=hello["machine"], inside=said)
    except AgentError as error:
        found.update(state="silent", silent=error.message)
    return found


def process_facts(pid: int) -> dict[str, Any]:
    """The process that is a VM: its program, and what stands in the way of looking at it.

    `seccomp`: 2 for a filter; `tracer`: a pid, 0 for none; `ring`: QEMU was told to use KVM's dirty
    ring; `merging`: pages that KSM has merged or may (ksm_merging_pages, Linux 5.19).
    """
    folder = Path(f"/proc/{pid}")
    status = dict(re.findall(r"^(\w+):\s*(\d+)$", text(str(folder / "status")) or "", re.MULTILINE))
    words = (text(str(folder / "cmdline")) or "").split("\0")
    merging = line(str(folder / "ksm_merging_pages"))
    try:
        exe = str((folder / "exe").readlink())
    except OSError:
        exe = words[0]
    return {
        "exe": exe.rpartition("/")[2],
        "seccomp": status.get("Seccomp"),
        "tracer": status.get("TracerPid"),
        "ring": any("dirty-ring-size=" in word for word in words),
        "merging": int(merging) if merging.isdigit() else None,
    }


def missing(path: str) -> str | None:
    """Why there is no such file here."""
    return None if reachable(Path(path)) else f"{path} is not there"


def no_kernel(wanted: str) -> tuple[str, str | None] | None:
    """Why the kernel that a guest is to be started with cannot be; null when it can."""
    try:
        find_kernel(wanted)
    except AgentError as error:
        return error.message, error.fix
    return None


def ask(guest: Guest) -> tuple[dict[str, Any], dict[str, Any]]:
    """The agent's `hello` and facts from within; AgentError says in a few words why not."""
    if not reachable(guest.folder / SSH_CONFIG):
        raise AgentError("the way to it is not known yet")
    try:
        with Path(sys.argv[0]).open("rb") as agent:
            done = subprocess.run(
                guest.ssh_words([_SCRIPT]), stdin=agent, capture_output=True, timeout=_SECONDS
            )
    except OSError as error:
        raise AgentError(f"ssh: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise AgentError(f"no answer within {_SECONDS} s") from None
    try:
        hello, probe = (json.loads(row) for row in done.stdout.splitlines())
        return hello, probe["inside"]
    except (ValueError, KeyError, TypeError):
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise AgentError(said[-1] if said else f"ssh ended with {done.returncode}") from None
