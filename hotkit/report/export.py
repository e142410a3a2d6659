"""A sweep in the formats of others: one function from a result to the bytes of a file for each."""

from __future__ import annotations

import json
from collections.abc import Callable

from hotkit.report.exportbench import benchstat, hyperfine, pyperf
from hotkit.report.exportrows import csv_text, parquet_blob, rows
from hotkit.report.exporttables import latex, markdown
from hotkit.report.sweep_more import FullResult
from hotkit.report.sweepreport import report_dict


def _json(result: FullResult) -> bytes:
    document = report_dict(result) | {"runs": rows(result)}
    return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode()


FORMATS: dict[str, Callable[[FullResult], bytes]] = {
    "csv": lambda result: csv_text(rows(result)).encode(),
    "parquet": lambda result: parquet_blob(rows(result)),
    "json": _json,
    "markdown": lambda result: markdown(result).encode(),
    "latex": lambda result: latex(result).encode(),
    "hyperfine": lambda result: hyperfine(result).encode(),
    "pyperf": lambda result: pyperf(result).encode(),
    "benchstat": lambda result: benchstat(result).encode(),
}
