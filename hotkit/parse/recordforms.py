"""Which tool a record is of, by its first bytes."""

from __future__ import annotations

import re

from hotkit.parse.memtierd import HEADER

DAMO, TRACE, PERF_DATA, SAMPLES, MEMTIERD = (
    "damo", "damon-trace", "perf-data", "perf-mem", "memtierd",
)  # fmt: skip
# What each is in words, for a person who has to choose one.
FORMS = {
    DAMO: "damo's json_compressed or json",
    TRACE: "DAMON's tracepoints as text: damo's perf_script, perf script, trace-cmd, ftrace",
    PERF_DATA: "perf.data, read through perf: DAMON's tracepoints, or samples with addresses",
    SAMPLES: "perf script's text of samples with data addresses: mem-loads, IBS, page faults",
    MEMTIERD: "memtierd's raw dump (tracker -dump raw new)",
}
# So much of a file's beginning is looked at.
HEAD_BYTES = 1 << 16

_DAMON = re.compile(rb"damon_\w*aggregated\w*:|damos_before_apply:|damon_monitor_intervals_tune:")
# A sample's line: a time and an event.
_SAMPLE = re.compile(rb"^[^\n]*\d+\.\d{6,9}:[^\n]*[\w/,=:]+:\s", re.M)


def packed(head: bytes) -> bool:
    """Whether a file begins as zlib's or gzip's stream (RFC 1950, 2.2; RFC 1952, 2.3.1)."""
    if head[:2] == b"\x1f\x8b":
        return True
    return len(head) > 1 and head[0] == 0x78 and (head[0] * 256 + head[1]) % 31 == 0


def form_of(head: bytes) -> str | None:
    """The form by the beginning of an unpacked file; None where it is none of them."""
    if head[:8] in (b"PERFILE2", b"2ELIFREP"):
        return PERF_DATA
    if head.lstrip()[:1] in (b"[", b"{"):
        return DAMO
    # The prompt's own lines may come first.
    if any(HEADER.match(line) for line in head[:4096].splitlines()):
        return MEMTIERD
    if _DAMON.search(head):
        return TRACE
    if _SAMPLE.search(head):
        return SAMPLES
    return None
