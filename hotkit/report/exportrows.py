"""The runs of a sweep as tidy rows: one per run, units in column names, the label in each row."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from hotkit.core.accuracy import Accuracy
from hotkit.core.analysis import RunResult
from hotkit.core.counters import unit_of
from hotkit.core.inguest import VmSeen
from hotkit.errors import HotkitError
from hotkit.report.sweep_gates import why
from hotkit.report.sweep_guest import guest_of
from hotkit.report.sweep_more import FullResult

Row = dict[str, Any]
_ACCURACY = tuple(Accuracy.__slots__)


def rows(result: FullResult) -> list[Row]:
    """Every finished run, in the order of the journal; all rows have the same keys.

    Runs of blocks that are not complete are there too, and `block_complete` says so. A figure that
    a run does not have is None.
    """
    planned = {entry["run"]: entry for entry in result.manifest["schedule"]["runs"]}
    # All counters of the sweep, in the order in which they came: a run may lack some.
    counters = dict.fromkeys(name for run in result.runs for name in run.deltas)
    incomplete = frozenset(result.analysis.incomplete_blocks)
    guest = guest_of(result.manifest)
    again: dict[int, list[str]] = {}
    for it in result.analysis.reruns:
        again.setdefault(it.block, []).append(f"attempt {it.attempt}: {why(it)}")
    description = result.manifest["description"]["workload"]
    part = result.manifest.get("part") or {"workload": description.get("kind")}
    common = {
        "host": result.host,
        "layout": part.get("layout"),
        "boot": part.get("boot", 0),
        "workload": part["workload"],
        "platform": str(result.label.platform),
        "nested": result.label.nested,
        "kernel_release": result.machine["kernel_release"],
        "session_created": result.manifest.get("created"),
        "session_trusted": result.analysis.trusted,
        "seed": result.manifest["seed"],
        **_guest_columns(guest),
    }
    return [
        common
        | _row(run, planned[run.name]["settings"], complete=run.block not in incomplete)
        | (_of_a_guest(run) if guest else {})
        | {"block_rerun_reasons": "; ".join(again.get(run.block, ())) or None}
        | {_column(name): run.deltas.get(name) for name in counters}
        for run in result.runs
    ]


def rows_of_parts(results: Sequence[FullResult]) -> list[Row]:
    """The runs of several sweeps, part by part; a counter that a part does not have is None."""
    found = [row for result in results for row in rows(result)]
    keys = dict.fromkeys(key for row in found for key in row)
    return [{key: row.get(key) for key in keys} for row in found]


def _row(run: RunResult, settings: Mapping[str, Any], *, complete: bool) -> Row:
    seen = run.accuracy
    return {
        "run": run.name,
        "block": run.block,
        "block_complete": complete,
        "attempt": run.attempt,
        "arm": run.arm,
        "tracker": run.tracker,
        "settings": json.dumps(settings, sort_keys=True),
        "off_twin": run.twin,
        "duration_s": run.duration,
        "tracker_cpu_s": run.self_cpu,
        "examined_count": run.examined,
        "examined_unit": run.units.get("examined"),
        "positive_count": run.positive,
        "positive_unit": run.units.get("positive"),
        "lost_count": run.lost,
        "checksum": run.checksum,
        "errors": "; ".join(run.errors) or None,
    } | {f"accuracy_{name}": getattr(seen, name) if seen else None for name in _ACCURACY}


def _guest_columns(guest: Mapping[str, Any]) -> Row:
    if not guest:
        return {}
    return {
        "guest": guest.get("name"),
        "guest_kernel_release": guest.get("machine", {}).get("kernel_release"),
        "guest_backing": guest.get("backing"),
        "guest_memory_bytes": guest.get("memory_bytes"),
        "guest_vcpus": guest.get("vcpus"),
    }


def _of_a_guest(run: RunResult) -> Row:
    """What a run has when the workload is in a guest: `where` its tracker was, both clocks, what
    a tracker in the host saw of the VM (pages), what the tracker said of how it worked (JSON)."""
    clocks, vm = run.clocks, run.vm
    return {
        "where": run.scope or None,
        "elapsed_host_s": clocks.host if clocks else None,
        "elapsed_guest_s": clocks.guest if clocks else None,
        **{f"vm_{name}_count": getattr(vm, name) if vm else None for name in VmSeen.__slots__},
        "facts": json.dumps(run.facts, sort_keys=True) if run.facts else None,
    }


def _column(counter: str) -> str:
    """counter_steal_ns has its unit; counter_ctxt_events gets one."""
    unit = unit_of(counter)
    return f"counter_{counter}" if counter.endswith(f"_{unit}") else f"counter_{counter}_{unit}"


def csv_text(found: Sequence[Row]) -> str:
    """RFC 4180 with a header line; None is an empty cell, a yes/no is true or false."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(found[0]), lineterminator="\r\n")
    writer.writeheader()
    for row in found:
        writer.writerow(
            {key: str(it).lower() if isinstance(it, bool) else it for key, it in row.items()}
        )
    return out.getvalue()


def parquet_blob(found: Sequence[Row]) -> bytes:
    """The same rows as Parquet. Raises HotkitError without pyarrow, which is an extra of hotkit."""
    # pandas takes a second to import, and pyarrow 170 MB of disk: only who wants this has them.
    import pandas as pd

    # Without convert_dtypes whole numbers with a gap would become floats.
    frame = pd.DataFrame(found).convert_dtypes()
    out = io.BytesIO()
    try:
        frame.to_parquet(out, engine="pyarrow", index=False)
    except ImportError as error:
        raise HotkitError(
            "parquet needs pyarrow, which is not installed",
            hint="pip install 'hotkit[parquet]', or take --format csv: it has the same columns",
        ) from error
    return out.getvalue()
