"""The text of `perf script`: samples with data addresses, as `perf mem record` or `-d` made them.

One line a sample, its fields in a fixed order whatever order -F names them in
(tools/perf/builtin-script.c: perf_sample__fprintf_start, process_event):

  comm pid/tid [cpu] secs.usecs: period event: addr [symbol (dso)] data_src weight ip symbol (dso)

Which fields there are cannot be told from the text (401136 is an ip as well as a weight), so the
list given to -F must be known. Data addresses and ips are hexadecimal without 0x.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hotkit.errors import HotkitError

# What `perf script -F` should be asked for.
FIELDS = "comm,pid,tid,cpu,time,period,event,addr,weight,ip,sym,dso"
_KNOWN = frozenset((*FIELDS.split(","), "data_src", "symoff"))
_RECORD = re.compile(r"PERF_RECORD_(?P<name>[A-Z0-9_]+)(?: lost (?P<lost>\d{1,18}))?")
# A line of a call chain (-g), indented by a tab.
_CHAIN = re.compile(r"\t\s*[0-9a-f]+ .*")
_EXAMPLES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class PerfSample:
    """One sample; None where -F did not ask for the field.

    `time_ns` is of perf's clock, in whole microseconds unless --ns was given; `weight` is the
    latency of the load in cycles; `address` 0 means that the hardware gave none.
    """

    time_ns: int | None
    pid: int | None
    tid: int | None
    cpu: int | None
    event: str
    period: int | None
    address: int
    weight: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PerfScript:
    """`lost` sums the LOST records (only there with --show-lost-events). `bad_lines` counts lines
    that were not understood, `bad_examples` shows the first few as "line N: text"."""

    samples: tuple[PerfSample, ...]
    lost: int
    bad_lines: int
    bad_examples: tuple[str, ...]


def parse_perf_script(text: str, fields: str = FIELDS) -> PerfScript:
    """Read the output of `perf script -F FIELDS`; with -g leave ip, sym and dso out of `fields`.

    Damaged lines are counted, so that a caller can refuse. A last line without its end counts as
    damaged: it may be cut within a number. Raises HotkitError when no line is a sample, or when
    `fields` cannot be read.
    """
    pattern = _pattern(fields)
    samples: list[PerfSample] = []
    bad: list[str] = []
    lost = bad_lines = 0
    for number, raw in enumerate(text.splitlines(keepends=True), 1):
        line = raw.rstrip("\n")
        if raw.endswith("\n"):
            if not line.strip() or line.startswith("#") or _CHAIN.fullmatch(line):
                continue
            if match := pattern.fullmatch(line):
                samples.append(_sample(match.groupdict()))
                continue
            if record := _RECORD.search(line):
                lost += int(record["lost"] or 0)
                continue
        bad_lines += 1
        if len(bad) < _EXAMPLES:
            bad.append(f"line {number}: {line.strip()[:120]}")
    if bad_lines and not samples:
        raise HotkitError(
            f"this is no output of `perf script -F {fields}`: {bad[0]}",
            hint="name the fields that perf script was asked for",
        )
    return PerfScript(
        samples=tuple(samples), lost=lost, bad_lines=bad_lines, bad_examples=tuple(bad)
    )


def _sample(found: dict[str, str | None]) -> PerfSample:
    def number(name: str) -> int | None:
        text = found.get(name)
        return None if text is None else int(text)

    seconds, fraction = found.get("seconds"), found.get("fraction")
    time_ns = None
    if seconds is not None and fraction is not None:
        time_ns = int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0"))
    return PerfSample(
        time_ns=time_ns,
        pid=number("pid"),
        tid=number("tid"),
        cpu=number("cpu"),
        event=found["event"] or "",
        period=number("period"),
        address=int(found["addr"] or "", 16),
        weight=number("weight"),
    )


def _pattern(fields: str) -> re.Pattern[str]:
    """The regular expression of a line with these fields."""
    asked = {name.strip() for name in fields.split(",")}
    unknown = asked - _KNOWN
    if unknown:
        raise HotkitError(
            f"perf script: cannot read the field {sorted(unknown)[0]!r}",
            hint="fields that can be read: " + ", ".join(sorted(_KNOWN)),
        )
    if not {"event", "addr"} <= asked:
        raise HotkitError("perf script: the fields event and addr are needed", hint=f"-F {FIELDS}")
    parts = [r"\s*"]
    if "comm" in asked:
        parts.append(r"\S.*?\s+")  # may hold blanks
    if {"pid", "tid"} <= asked:
        parts.append(r"(?P<pid>-?\d{1,10})/(?P<tid>-?\d{1,10})\s+")
    elif asked & {"pid", "tid"}:
        name = "pid" if "pid" in asked else "tid"
        parts.append(rf"(?P<{name}>-?\d{{1,10}})\s+")
    if "cpu" in asked:
        parts.append(r"\[(?P<cpu>\d{1,7})\]\s+")
    if "time" in asked:
        # In 64 bits, as ns.
        parts.append(r"(?P<seconds>[0-8]?\d{1,9})\.(?P<fraction>\d{9}|\d{6}):\s+")
    if "period" in asked:
        parts.append(r"(?P<period>\d{1,20})\s+")
    parts.append(r"(?P<event>\S+):\s+(?P<addr>[0-9a-f]{1,16})")
    # Of the kinds of event sampled here, perf prints the symbol of the address for page faults.
    if asked & {"sym", "dso", "symoff"}:
        parts.append(r"(?: \S+)??(?: \(.*?\))??")
    if "data_src" in asked:
        parts.append(r"\s+[0-9a-f]+ \|.*?")
    if "weight" in asked:
        parts.append(r"\s+(?P<weight>\d{1,20})")
    if "ip" in asked:
        parts.append(r"\s+[0-9a-f]{1,16}")
        if asked & {"sym", "symoff"}:
            parts.append(r" \S.*?")
        if "dso" in asked:
            parts.append(r" \(.*\)")
    parts.append(r"\s*")
    return re.compile("".join(parts))
