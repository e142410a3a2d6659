"""What a benchmark of ratios found: kept as JSON, and made into its part of docs/benchmarks.md.

docs/benchmarks/NAME.json holds the figures of every round; the page is generated from these files
alone, its table of targets too.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.page import markdown, put, show, today

SCHEMA_VERSION = 1
FOLDER = Path(__file__).resolve().parents[2] / "docs" / "benchmarks"
TARGETS = "targets"
# In the order of the table.
NAMES = ("startup", "verify-hosts", "provision-hosts", "simulate-boot")
HEAD = ("what", "hotkit", "peer", "ratio", "target", "load")
TARGETS_HEAD = ("benchmark", *HEAD, "measured")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One comparison: rounds of both sides, in `unit`; without a peer the target is of hotkit.

    `at_least`: how many times faster hotkit is to be; `at_most`: how many times the peer's figure,
    or (no peer) which figure, it may reach; `share`: the ratio is of that kind. `load` is the
    machine's load average at the end.
    """

    what: str
    unit: str
    hotkit: Sequence[float]
    peer: str | None = None
    theirs: Sequence[float] = ()
    at_least: float | None = None
    at_most: float | None = None
    share: bool = False
    load: float = 0.0

    @property
    def ratios(self) -> list[float]:
        """Of each round: how many times faster hotkit was, or which share of the peer's it took."""
        pairs = zip(self.hotkit, self.theirs, strict=True) if self.peer else ()
        return sorted(a / b if self.share else b / a for a, b in pairs)

    @property
    def met(self) -> bool | None:
        """Whether the median keeps the target; None where there is none."""
        if self.at_least is None and self.at_most is None:
            return None
        found = statistics.median(self.ratios or self.hotkit)
        if self.at_least is not None and found < self.at_least:
            return False
        return self.at_most is None or found <= self.at_most

    def cells(self) -> tuple[str, ...]:
        """For HEAD."""
        ratio, target = "-", "-"
        if self.ratios:
            kind = "of the peer's" if self.share else "times faster"
            low, high = self.ratios[0], self.ratios[-1]
            ratio = f"{statistics.median(self.ratios):.2f} {kind} ({low:.2f} to {high:.2f})"
        if self.met is not None:
            bound = f"{self.at_least:g} times faster" if self.at_least else ""
            if self.at_most is not None:
                bound = f"at most {self.at_most:g}" + ("" if self.peer else f" {self.unit}")
            target = f"{bound}: {'met' if self.met else 'NOT met'}"
        peer = f"{self.peer}: {_said(self.theirs, self.unit)}" if self.peer else "-"
        return self.what, _said(self.hotkit, self.unit), peer, ratio, target, f"{self.load:.1f}"


def _said(values: Sequence[float], unit: str) -> str:
    digits = 0 if unit == "ms" else 2
    middle = f"{statistics.median(values):.{digits}f} {unit}"
    if len(values) == 1:
        return f"{middle} (1 round)"
    return f"{middle} (least {min(values):.{digits}f}, {len(values)} rounds)"


def load_average() -> float:
    """Of the last minute: how many processes wanted a core."""
    return os.getloadavg()[0]


def keep(
    console: Console, name: str, machine: str, figures: Sequence[Figure], *, write: bool
) -> None:
    """Print a benchmark's figures; `write` keeps them and makes the page anew."""
    show(console, f"{name}: {machine}", HEAD, (figure.cells() for figure in figures))
    if not write:
        return
    document = {
        "schema_version": SCHEMA_VERSION, "name": name, "date": today(), "machine": machine,
        "figures": [_rounded(asdict(figure)) for figure in figures],
    }  # fmt: skip
    _write(document)
    put(name, part(document))
    put(TARGETS, targets())


def _rounded(figure: dict[str, Any]) -> dict[str, Any]:
    """No more digits than a clock tells: three after the point."""
    sides = {key: [round(value, 3) for value in figure[key]] for key in ("hotkit", "theirs")}
    return figure | sides | {"load": round(figure["load"], 1)}


def _write(document: dict[str, Any]) -> None:
    """A line for each figure, so that two dates can be compared."""
    head = {key: value for key, value in document.items() if key != "figures"}
    lines = ",\n  ".join(json.dumps(figure) for figure in document["figures"])
    text = json.dumps(head)[:-1] + f',\n "figures": [\n  {lines}\n ]}}\n'
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{document['name']}.json").write_text(text)


def part(document: dict[str, Any]) -> str:
    """A benchmark's own part of the page."""
    rows = [figure.cells() for figure in figures_of(document)]
    return f"{document['machine']}, of {document['date']}.\n\n{markdown(HEAD, rows)}"


def targets() -> str:
    """The table of every figure that has a target."""
    rows = []
    for document in documents():
        measured = f"{document['date']}, {document['machine']}"
        rows += [
            (f"`{document['name']}`", *figure.cells(), measured)
            for figure in figures_of(document)
            if figure.met is not None
        ]
    return markdown(TARGETS_HEAD, rows)


def documents() -> Iterator[dict[str, Any]]:
    """The results that were kept, in the order of NAMES."""
    for name in NAMES:
        file = FOLDER / f"{name}.json"
        if file.exists():
            yield json.loads(file.read_text())


def figures_of(document: dict[str, Any]) -> list[Figure]:
    return [Figure(**item) for item in document["figures"]]
