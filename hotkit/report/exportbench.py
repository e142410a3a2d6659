"""The raw times of a sweep in the formats of others: hyperfine, pyperf, benchstat.

Times only, never differences: those tools compare without pairs, so each file says in its own words
that the pairing of the blocks is lost in it. An arm that is no result is left out, by name.
"""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Mapping

import hotkit
from hotkit.core.analysis import RunResult
from hotkit.core.design import OFF
from hotkit.errors import ExitCode, HotkitError
from hotkit.report.sweep_more import FullResult

UNPAIRED = (
    "raw times of interleaved blocks: a comparison of these lists is unpaired and loses what the"
    " design won; hotkit report has the paired intervals"
)
# Go's names of machines; others are the same in both.
_GOARCH = {"x86_64": "amd64", "aarch64": "arm64"}


def hyperfine(result: FullResult) -> str:
    """hyperfine's --export-json: one result per arm, `times` in s, in the order of the session.

    `user` and `system` are null: the agent does not tell them apart. Not of hyperfine: the key
    `hotkit` beside `results`.
    """
    found = []
    for arm, runs in _by_arm(result).items():
        times = [run.duration for run in runs]
        found.append(
            {
                "command": f"{arm}: {_workload(result)}",
                "mean": statistics.fmean(times),
                "stddev": statistics.stdev(times) if len(times) > 1 else None,
                "median": statistics.median(times),
                "user": None,
                "system": None,
                "min": min(times),
                "max": max(times),
                "times": times,
                "exit_codes": [0] * len(times),
                "parameters": {
                    "arm": arm,
                    "tracker": runs[0].tracker,
                    "seed": str(result.manifest["seed"]),
                    "label": str(result.label),
                },
            }
        )
    return json.dumps({"results": found, "hotkit": _about(result)}, indent=2) + "\n"


def pyperf(result: FullResult) -> str:
    """pyperf's JSON, version 1.0: one benchmark per arm, one run with one value (s) per run.

    Raises HotkitError for a time that is not above 0, which pyperf refuses.
    """
    benchmarks = []
    for arm, runs in _by_arm(result).items():
        times = [run.duration for run in runs]
        if not all(math.isfinite(time) and time > 0 for time in times):
            raise HotkitError(
                f"{result.folder}: arm {arm} has a run of 0 s, and pyperf takes no such time",
                exit_code=ExitCode.NOT_TRUSTWORTHY,
            )
        benchmarks.append(
            {
                "metadata": {"name": arm, "hotkit_tracker": runs[0].tracker},
                "runs": [
                    {"metadata": {"hotkit_run": run.name}, "values": [time]}
                    for run, time in zip(runs, times, strict=True)
                ],
            }
        )
    about = {f"hotkit_{key}": value for key, value in _about(result).items()}
    machine = {"hostname": result.machine.get("hostname"), "platform": str(result.label)}
    document = {
        "version": "1.0",
        "metadata": {"unit": "second", "loops": 1, **about}
        | {key: value for key, value in machine.items() if value},
        "benchmarks": benchmarks,
    }
    return json.dumps(document, indent=1) + "\n"


def benchstat(result: FullResult) -> str:
    """Go benchmark text, one line per run: `benchstat -col /arm FILE` compares the arms."""
    arch = _word(result.machine.get("arch", "unknown"))
    lines = [
        "goos: linux",
        f"goarch: {_GOARCH.get(arch, arch)}",
        "pkg: hotkit",
        *(f"{key.replace('_', '-')}: {value}" for key, value in _about(result).items()),
    ]
    # Go ends a name with -GOMAXPROCS; without it "damon-2" would be damon on two processors.
    cpus = len(result.machine.get("cpus") or [0])
    kind = re.sub(r"[^A-Za-z0-9]", "", _workload(result)).capitalize() or "Workload"
    for arm, runs in _by_arm(result).items():
        for run in runs:
            counted = f" {run.examined} examined/op" if arm != OFF else ""
            nanoseconds = round(1e9 * run.duration)
            lines.append(f"Benchmark{kind}/arm={_word(arm)}-{cpus} 1 {nanoseconds} ns/op{counted}")
    return "\n".join(lines) + "\n"


def _by_arm(result: FullResult) -> dict[str, list[RunResult]]:
    """The finished runs of each arm in the order of the session, off first."""
    broken = {arm.arm for arm in result.analysis.arms if arm.errors}
    found: dict[str, list[RunResult]] = {OFF: []}
    for run in result.runs:  # in the order of the journal
        if run.arm not in broken:
            found.setdefault(run.arm, []).append(run)
    return found


def _about(result: FullResult) -> Mapping[str, str]:
    """What must not be lost on the way into another tool. One line each."""
    broken = [f"{arm.arm} ({arm.errors[0]})" for arm in result.analysis.arms if arm.errors]
    about = {
        "version": hotkit.__version__,
        "label": str(result.label),
        "trusted": "yes" if result.analysis.trusted else "NO: nothing here may be ranked",
        "host": result.host,
        "kernel": result.machine["kernel_release"],
        "seed": result.manifest["seed"],
        "schedule_sha256": result.manifest["sha256"].get("schedule", ""),
        "left_out": "; ".join(broken) or "nothing",
        "note": UNPAIRED,
    }
    return {key: " ".join(str(value).split()) for key, value in about.items()}


def _workload(result: FullResult) -> str:
    return str(result.manifest["description"]["workload"].get("kind", "workload"))


def _word(text: str) -> str:
    return re.sub(r"\s+", "_", str(text))
