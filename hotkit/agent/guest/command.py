"""`agent.pyz guest up|down|status`: a VM of this host, by hand or by the role vm.

Told in one probe event, `guest` {"name", "act", "changed", "state", "said", "problems", "pid",
"ssh", "since_s", "machine"}; `said` and `problems` are sentences, `machine` is what the guest's own
agent says of it (None where it does not answer).
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hotkit.agent.guest.life import Guest
from hotkit.agent.guest.link import bring
from hotkit.agent.protocol import AgentError

ACTS = ("up", "down", "status")
_HELLO_S = 60
_PR_SET_THP_DISABLE = 41  # include/uapi/linux/prctl.h; kept over exec (MMF_INIT_MASK)


def carry_out(
    act: str, description: dict[str, Any], dry_run: bool, emit: Callable[..., None]
) -> bool:
    """Do it; whether all is as it should be. Raises AgentError when it cannot be done."""
    guest = Guest(description)
    before = guest.state()
    said: list[str] = []
    changed = False
    if act == "up":
        changed = guest.pid() is None
        if changed:
            said.append(f"guest {guest.name} {'would be' if dry_run else 'was'} started")
        if not dry_run:
            guest.up()
    elif act == "down":
        changed = guest.ours and before != "down"
        if changed:
            said.append(f"guest {guest.name} {'would be' if dry_run else 'was'} ended")
        elif not guest.ours:
            said.append(f"guest {guest.name} was not started by hotkit and is left alone")
        if not dry_run:
            guest.down()
    state = guest.state()
    problems = _problems(guest, act, state, dry_run)
    emit(
        "probe",
        guest={
            "name": guest.name, "act": act, "changed": changed, "state": state, "said": said,
            "problems": problems, "pid": guest.pid(), "ssh": state == "running",
            "since_s": guest.age_s(), "machine": _machine(guest) if state == "running" else None,
        },
    )  # fmt: skip
    return not problems


def _machine(guest: Guest) -> dict[str, Any] | None:
    """What the agent in the guest says of its machine; it is brought there for that."""
    try:
        there = bring(guest, Path(sys.argv[0]))
        done = subprocess.run(
            guest.ssh_words(["python3", there, "hello"]),
            stdin=subprocess.DEVNULL, capture_output=True, timeout=_HELLO_S,
        )  # fmt: skip
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[0])["machine"]
    except (AgentError, OSError, subprocess.SubprocessError, LookupError, ValueError):
        return None
    return found


def _problems(guest: Guest, act: str, state: str, dry_run: bool) -> list[str]:
    if act == "status" and state == "died":
        return [f"guest {guest.name} {guest.how_it_ended()}"]
    if act == "status" and state == "starting":
        return [f"guest {guest.name} runs and does not answer by ssh (yet)"]
    if act == "status" and state == "hangs":
        return [f"guest {guest.name} hangs: it answered by ssh before, and does not any more"]
    if act == "down" and guest.ours and state != "down" and not dry_run:
        return [f"guest {guest.name} did not end"]
    return []


def become(words: list[str], huge_pages: bool) -> int:
    """Be another program; without transparent huge pages, if so wanted. Returns only on failure."""
    if not huge_pages:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_THP_DISABLE, 1, 0, 0, 0) != 0:
            sys.stderr.write(f"no huge pages: {os.strerror(ctypes.get_errno())}\n")
            return 1
    try:
        os.execvp(words[0], words)
    except OSError as error:
        sys.stderr.write(f"{words[0]}: {error.strerror}\n")
    return 127
