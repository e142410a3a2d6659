"""Plays one of hotkit's playbooks on this machine, as a person would with plain Ansible."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from hotkit.assets import asset
from hotkit.host.run import clean_env


def play(inventory: Path, playbook: str, *words: str) -> tuple[int, str]:
    """How many tasks changed something (-1 when one failed), and what was printed."""
    program = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run(
        [program, "-i", inventory, f"playbooks/{playbook}", *words],
        cwd=asset("playbooks").parent, capture_output=True, text=True, check=False,
        env=clean_env(),
    )  # fmt: skip
    recap = re.search(r"changed=(\d+) .* failed=(\d+)", done.stdout)
    assert recap, done.stdout + done.stderr
    assert (done.returncode == 0) == (recap[2] == "0"), done.stdout
    return (int(recap[1]) if recap[2] == "0" else -1), done.stdout
