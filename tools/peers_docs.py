"""Writes the tables of docs/peers.md from docs/evidence/peers.json; tests compare them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from tests.peers import tally  # noqa: E402 (the clone's tests are no installed package)

EVIDENCE = ROOT / "docs" / "evidence" / "peers.json"
DOCS = ROOT / "docs" / "peers.md"
BEGIN, END = "<!-- peers: generated -->\n", "<!-- peers: end -->"
LOADS = ("none", "light", "heavy", None)
TOOLS = ("hotkit", "hyperfine", "pyperf")


def render(evidence: Mapping[str, Any]) -> str:
    """The tables, for the place between the two marks."""
    cases: Sequence[tally.Case] = evidence["cases"]
    label = next(case["label"] for case in cases if case["ok"])
    failed = sum(not case["ok"] for case in cases)
    text = (
        f"Measured on {evidence['date']}, commit {evidence['commit']}, {evidence['machine']}"
        f" (**{label}**): {len(cases)} sessions by `{evidence['command']}`"
        f"{f', {failed} of which failed and are left out' if failed else ''}.\n\n"
    )
    tables = (_identical, _more_work, _believed, _estimates, _time)
    return text + "\n".join(table(cases) for table in tables)


def page(text: str, tables: str) -> str:
    """The page with new tables. Raises ValueError when it has no place for them."""
    head, _, rest = text.partition(BEGIN)
    old, mark, tail = rest.partition(END)
    if not mark:
        raise ValueError(f"{DOCS.name}: {BEGIN.strip()} ... {END} is missing")
    return head + BEGIN + tables + END + tail


def _identical(cases: Sequence[tally.Case]) -> str:
    text = "### Two identical commands: called different (false alarms)\n\n"
    text += _head("background load", "sessions")
    for load in LOADS:
        found = [tally.tally(cases, "identical", rule, load=load) for rule in tally.RULES]
        cells = [_share(one, one.called_different) + _refused(one) for one in found]
        text += _row(load or "**all**", found[0].asked, *cells)
    return text


def _more_work(cases: Sequence[tally.Case]) -> str:
    text = "### A real difference: found, with its sign\n\n"
    text += _head("more work", "background load", "sessions")
    effects = sorted({case["effect_percent"] for case in tally.chosen(cases)})
    places = [(None, load) for load in LOADS[:-1]] + [(effect, None) for effect in effects]
    for effect, load in [*places, (None, None)]:
        found = [
            tally.tally(cases, "more work", rule, load=load, effect_percent=effect)
            for rule in tally.RULES
        ]
        cells = [_share(one, one.different) + _wrong(one) + _refused(one) for one in found]
        words = f"{effect:g} %" if effect else "all" if load else "**all**"
        text += _row(words, load or ("all" if effect else "**all**"), found[0].asked, *cells)
    return text


def _believed(cases: Sequence[tally.Case]) -> str:
    text = '### What a "different" is worth\n\n'
    text += 'Of all answers "different", to both questions, those that were right.\n\n'
    text += _head("background load")
    for load in LOADS:
        cells = []
        for rule in tally.RULES:
            alarms = tally.tally(cases, "identical", rule, load=load)
            finds = tally.tally(cases, "more work", rule, load=load)
            said = alarms.called_different + finds.called_different
            cells.append(f"{finds.different} of {said}" if said else "none said")
        text += _row(load or "**all**", *cells)
    return text


def _estimates(cases: Sequence[tally.Case]) -> str:
    text = "### How far the estimates are off\n\n"
    text += "Median of |estimate - truth|, in points of per cent, over both questions.\n\n"
    text += f"| background load | {' | '.join(TOOLS)} |\n{'|---' * (1 + len(TOOLS))}|\n"
    for load in LOADS:
        text += _row(load or "**all**", *(f"{tally.off_by(cases, t, load):.2f}" for t in TOOLS))
    return text


def _time(cases: Sequence[tally.Case]) -> str:
    text = "### The time that each took\n\n"
    text += (
        "| | wall time, all | per answer | against hotkit | timed runs | timed, of the wall time"
        " | with a warning | CPUs taken by others |\n"
    )
    text += f"{'|---' * 8}|\n"
    base = tally.spent(cases, TOOLS[0]).wall_s
    for tool in TOOLS:
        one = tally.spent(cases, tool)
        others = "not known" if one.others_cpus is None else f"{one.others_cpus:.2f}"
        text += _row(
            tool, f"{one.wall_s / 60:.1f} min", f"{one.wall_s_each:.1f} s",
            f"{one.wall_s / base:.3f}", one.timed_runs, f"{one.timed_s / one.wall_s:.0%}",
            f"{one.warned} of {one.answers}", others,
        )  # fmt: skip
    return text


def _head(*columns: str) -> str:
    names = [*columns, *tally.RULES]
    return f"| {' | '.join(names)} |\n{'|---' * len(names)}|\n"


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |\n"


def _share(one: tally.Tally, count: int) -> str:
    if not one.asked:
        return "-"
    low, high = one.bounds(count)
    return f"{count} ({100 * low:.0f} to {100 * high:.0f} %)"


def _wrong(one: tally.Tally) -> str:
    return f", {one.backwards} the wrong way" if one.backwards else ""


def _refused(one: tally.Tally) -> str:
    return f", {one.refused} refused" if one.refused else ""


if __name__ == "__main__":
    current = DOCS.read_text()
    fresh = page(current, render(json.loads(EVIDENCE.read_text())))
    if "--write" in sys.argv[1:]:
        DOCS.write_text(fresh)
    else:
        sys.stdout.write(fresh)
