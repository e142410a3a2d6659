"""A folder per run on the controller: Ansible's logs, plans, the result. Private to the user."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path

from hotkit.host.dirs import state_dir

RESULT = "result.json"  # in a run's folder once it is over


def run_is_over(run_id: str) -> bool:
    """Whether a run of this user's has told its result. Any text may be asked about."""
    if Path(run_id).name != run_id:
        return False
    return (state_dir() / "runs" / run_id / RESULT).is_file()


def new_run_folder(what: str) -> Path:
    """A fresh directory (mode 0700) `runs/<time>-<what>-<random>` below the state directory."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    folder = state_dir() / "runs" / f"{stamp}-{what}-{secrets.token_hex(3)}"
    folder.mkdir(mode=0o700, parents=True)
    return folder
