"""Recordings for tests: made by the agent's own recorder from accesses that are known.

Not captures: a workload is played (a hot quarter of the memory, that may move), so that every
figure is known, and recorder and store do what they do in a run. Real trackers are recorded in
tests/integration/test_record_local.py.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from hotkit.agent.recording import PAGE_BYTES, BinRecorder
from hotkit.host.store import MANIFEST, Journal, create_sweep_folder, write_once

BASE = 0x7F12_3400_0000
PAGES = 1024
MS = 1_000_000
BEGAN_NS = 5_000 * MS
MACHINE = {
    "platform": "emulated",
    "nested": False,
    "platform_evidence": "CPU model TCG",
    "kernel_release": "6.1.0-test",
}
SAMPLE = {
    "run": "record",
    "units": {"examined": "PTE examined", "positive": "soft-dirty page"},
    "examined": 40960,
    "positive": 12345,
    "lost": 0,
    "rounds": 40,
    "hot": [],
}


def events(
    *, steps: int = 40, phases: int = 1, looks: tuple[int, int] = (0, PAGES), bins: int = 64
) -> list[dict[str, Any]]:
    """A run of 4 s: the hot quarter is always accessed, of the rest a twentieth.

    Only the pages `looks` (first, last) are looked at. The last event is `end`.
    """
    luck = random.Random(1)
    hot = PAGES // 4
    truth = {
        "pid": 1, "start": BASE, "bytes": PAGES * PAGE_BYTES, "hot_start": BASE,
        "hot_bytes": hot * PAGE_BYTES, "phases": phases,
    }  # fmt: skip
    found: list[dict[str, Any]] = [
        {"type": "run", "run": "record", "settings": {"interval_ms": 100}, "truth": truth}
    ]

    def emit(kind: str, **fields: Any) -> None:
        found.append({"type": kind, **fields})

    end = BASE + PAGES * PAGE_BYTES
    recorder = BinRecorder(emit, "record", [[BASE, end]], bins, 100, BEGAN_NS)
    moved = []
    for step in range(steps):
        first = hot * (step * phases // steps)
        at_ns = BEGAN_NS + step * 100 * MS
        if not moved or moved[-1]["hot_start"] != BASE + first * PAGE_BYTES:
            moved.append(
                {
                    "at_ns": at_ns,
                    "hot_start": BASE + first * PAGE_BYTES,
                    "hot_bytes": truth["hot_bytes"],
                }
            )
        flags = bytes(first <= page < first + hot or luck.random() < 0.05 for page in range(*looks))
        recorder.pages(BASE + looks[0] * PAGE_BYTES, PAGE_BYTES, flags)
        recorder.round_ended(at_ns + 100 * MS)
    recorder.flush()
    return [
        *found,
        {"type": "sample", **SAMPLE},
        {"type": "end", "run": "record", "duration_ns": 4_000 * MS, "phases": moved},
    ]


def write(
    folder: Path, what: list[dict[str, Any]], *, tracker: str = "softdirty", **machine: Any
) -> Path:
    """A recording's directory with these events; `machine` replaces parts of MACHINE."""
    create_sweep_folder(folder)
    write_once(
        folder / MANIFEST,
        {
            "kind": "recording",
            "host": "tier1",
            "machine": MACHINE | machine,
            "schedule": {"runs": [{"run": "record", "tracker": tracker, "settings": {}}]},
        },
    )
    with Journal(folder) as journal:
        for number, event in enumerate(what):
            journal.append({"v": 1, "seq": number, **event})
    return folder
