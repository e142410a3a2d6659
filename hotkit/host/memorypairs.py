"""The pairs of forecast and boot that `hotkit verify` has seen, on the controller.

`$XDG_STATE_HOME/hotkit/memory/pairs.jsonl`: a line each, one per boot; appended to under a lock.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Sequence
from pathlib import Path

from hotkit.core.memorypair import MemoryPair
from hotkit.errors import HotkitError
from hotkit.host.dirs import state_dir


def pairs_file() -> Path:
    return state_dir() / "memory" / "pairs.jsonl"


def keep_pairs(pairs: Sequence[MemoryPair]) -> None:
    """Append what is not kept yet: a boot of a layout counts once, as it was first seen."""
    if not pairs:
        return
    path = pairs_file()
    path.parent.mkdir(exist_ok=True, mode=0o700)
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        known = {(pair.host, pair.boot_id, pair.layout_id) for pair in _pairs(file.read(), path)}
        for pair in pairs:
            if (pair.host, pair.boot_id, pair.layout_id) not in known:
                file.write(json.dumps(pair.to_dict(), sort_keys=True) + "\n")


def kept_pairs() -> list[MemoryPair]:
    """All of them, oldest first. Raises HotkitError for a file that is not ours."""
    path = pairs_file()
    return _pairs(path.read_text(), path) if path.exists() else []


def _pairs(text: str, path: Path) -> list[MemoryPair]:
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            found.append(MemoryPair.from_dict(json.loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            raise HotkitError(
                f"{path}:{number}: no pair of forecast and boot ({error})",
                hint="remove the line, or the file: only the record of the model's error is in it",
            ) from error
    return found
