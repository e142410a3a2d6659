"""What the kernel's own programs on KVM print, of Linux 6.1 and 6.12.

Source: tools/testing/selftests/kvm/{access_tracking,dirty_log}_perf_test.c; the lines on a log's
size are of kernel/witness/log_size.c, which is linked into them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

PAGE_BYTES = 4096
_MEMORY = re.compile(
    r"^guest physical test memory: \[0x([0-9a-f]{1,16}), 0x([0-9a-f]{1,16})\)", re.MULTILINE
)
# 6.1 has no space before "out"; it also warns when the count is small, 6.12 when it is large.
_STILL_IDLE = re.compile(r"Too many pages still idle \((\d{1,18}) ?out of (\d{1,18})\)")
_MARKED = re.compile(r"^Mark memory idle +: [0-9.]+s$", re.MULTILINE)
_LOG = re.compile(r"^Dirty log of slot \d+ has (\d{1,18}) of \d+ pages$", re.MULTILINE)
_FAILED = re.compile(r"^==== Test Assertion Failure ====\n *(.+)", re.MULTILINE)
_SKIPPED = 4  # KSFT_SKIP of tools/testing/selftests/kselftest.h


def read_witness(line: Mapping[str, Any]) -> dict[str, Any]:
    """A "witness" line of the proof, with what its program `said` read into figures.

    `pages` of guest memory; `marks`, how often they were marked idle, and `still_idle`, how many
    were so already (a count per mark that the program told of); `logged`, the pages in each log.
    `why` says in one sentence why there are none, where the program came to no end.
    """
    said, status = str(line.get("said", "")), line.get("status")
    memory = _MEMORY.search(said)
    found = {
        "pages": (int(memory[2], 16) - int(memory[1], 16)) // PAGE_BYTES if memory else 0,
        "marks": len(_MARKED.findall(said)),
        "still_idle": [int(count) for count, _ in _STILL_IDLE.findall(said)],
        "logged": [int(count) for count in _LOG.findall(said)],
    }
    if status != 0 and "why" not in line:
        failed = _FAILED.search(said)
        reason = failed[1] if failed else (said.strip().splitlines() or ["nothing"])[-1].strip()
        ended = "found that it cannot run here" if status == _SKIPPED else f"ended with {status}"
        found["why"] = f"it {ended}, and said: {reason}"
    return {**line, **found}
