"""A load that follows a sweep which is under way, so that its off runs are not alike.

  python3 badload.py DIRECTORY_OF_THE_SWEEP

It burns every CPU for a second from the start of each off run with the label 0, or else it rests.
Its standard input is its line of life: when that ends, so does it, and its burners with it.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# Of a run that takes 0.3 s by itself: what it is made longer by hardly depends on who else is here.
BURST_S = 1.0
_PER_CPU = 4
_NICE = -10


def main(folder: Path) -> None:
    """Until standard input ends."""
    # Ahead of others that share these CPUs, so that the runs are hit whatever else goes on. The
    # scheduler shares CPUs among sessions first, where it has autogroups (sched(7)).
    os.setsid()
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICE)
        Path("/proc/self/autogroup").write_text(str(_NICE))
    burners = [_start_burner() for _ in range(_PER_CPU * len(os.sched_getaffinity(0)))]
    for event, spoiled in _events(folder):
        wanted = event["type"] == "run" and spoiled
        if event["type"] in ("run", "end"):
            for burner in burners:
                os.write(burner, b"1" if wanted else b"0")


def _start_burner() -> int:
    """A child that burns for BURST_S after each "1", or until "0"; it ends with our end of it."""
    theirs, ours = os.pipe()
    if os.fork():
        os.close(theirs)
        return ours
    # The pipes of the burners before this one too, or none would ever see our end.
    os.closerange(3, theirs)
    os.closerange(theirs + 1, ours + 1)
    until = 0.0
    while True:
        burning = time.monotonic() < until
        if select.select([theirs], [], [], 0 if burning else None)[0]:
            said = os.read(theirs, 1)
            if not said:
                os._exit(0)
            until = time.monotonic() + BURST_S if said == b"1" else 0.0
        for _ in range(20000):
            pass


def _events(folder: Path) -> Iterator[tuple[dict[str, object], bool]]:
    """Each line of the journal once it is there, and whether it is of a run to be spoiled."""
    bad: set[str] = set()
    rest = b""
    while not (folder / "journal.jsonl").exists():
        if _is_over():
            return
    with (folder / "journal.jsonl").open("rb") as journal:
        while not _is_over():
            *lines, rest = (rest + journal.read()).split(b"\n")
            if lines and not bad:
                plan = json.loads((folder / "manifest.json").read_text())["schedule"]["runs"]
                bad = {run["run"] for run in plan if run["twin"] == 0}
            for line in lines:
                event = json.loads(line)
                yield event, event.get("run") in bad


def _is_over() -> bool:
    """After 2 ms, whether standard input has ended."""
    return bool(select.select([sys.stdin], [], [], 0.002)[0])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
