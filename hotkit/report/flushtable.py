"""The table of flushes: where x what x flush counts x elapsed. `hotkit report --table flushes`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rich.table import Table

from hotkit.core.flushes import KINDS, Figure, FlushKind, FlushRow, counted_kinds, flush_rows
from hotkit.report.sweep_more import FullResult, count
from hotkit.report.sweep_tables import add_where, in_guest, seconds, where

# How to get what nobody counted, by whose count it is.
_MISSING = {
    "kvm": "KVM must be loaded on the host, and its debugfs readable (/sys/kernel/debug/kvm, as"
    " root; mount -t debugfs none /sys/kernel/debug)",
    "host": "the host's kernel must have CONFIG_DEBUG_TLBFLUSH (nr_tlb_* of /proc/vmstat), as those"
    " of hotkit kernel build have",
    "guest": "the guest's kernel must have CONFIG_DEBUG_TLBFLUSH (nr_tlb_* of its /proc/vmstat), as"
    " those of hotkit kernel build have (kernel: hotkit in hotkit_guests)",
}
NOTE = (
    "remote: nr_tlb_remote_flush, local: nr_tlb_local_flush_all + nr_tlb_local_flush_one of"
    " /proc/vmstat, of the whole machine; kvm: /sys/kernel/debug/kvm, all VMs of the host"
)
DIFFERENCE = (
    "a cell: mean per run, +- standard deviation over runs, difference to off (mean over blocks of"
    " on - mean off; its 95 % interval is in csv and json)"
)


def kinds_of(result: FullResult, rows: Sequence[FlushRow]) -> list[FlushKind]:
    """The columns: all of them with a guest, without one the host's and what KVM counted anyway."""
    if in_guest(result.analysis):
        return list(KINDS)
    counted = counted_kinds(rows)
    return [kind for kind in KINDS if kind.whose == "host" or kind in counted]


def flush_table(result: FullResult, kinds: Sequence[FlushKind] | None = None) -> Table:
    """One row per arm, off first; `kinds` are some of its columns (default: all that it has)."""
    rows = flush_rows(result.runs)
    kinds = kinds_of(result, rows) if kinds is None else kinds
    there = in_guest(result.analysis)
    table = Table(
        title=f"Flushes per run, and elapsed seconds ({result.label})",
        title_justify="left",
        show_lines=True,
    )
    add_where(table, there)
    table.add_column("arm", overflow="fold")
    table.add_column("mode", overflow="fold")
    for kind in kinds:
        whose, _, what = kind.title.partition(" ")
        table.add_column(f"{whose}\n{what}", justify="right", no_wrap=True)
    table.add_column("elapsed", justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            *where(row.scope, there),
            row.arm,
            # With blanks, so that a narrow page may break it.
            (row.flush or "-").replace("+", " + "),
            *(_cell(row.counts[kind.key], count) for kind in kinds),
            "no result" if row.errors else _cell(row.elapsed, seconds),
        )
    return table


def flush_lines(result: FullResult) -> list[str]:
    """What the columns are, which nobody counted and how to get them, arms that are no result."""
    rows = flush_rows(result.runs)
    counted = counted_kinds(rows)
    lacking = [kind for kind in kinds_of(result, rows) if kind not in counted]
    said = [DIFFERENCE, NOTE]
    for whose, how in _MISSING.items():
        if titles := [kind.title for kind in lacking if kind.whose == whose]:
            said.append(f"{', '.join(titles)}: nobody counted: {how}")
    return said + [f"{row.arm}: no result: {row.errors[0]}" for row in rows if row.errors]


def _cell(figure: Figure | None, form: Callable[[float], str]) -> str:
    if figure is None:
        return "-"
    lines = [form(figure.mean)]
    if figure.sd is not None:
        lines.append(f"+- {form(figure.sd)}")
    if (change := figure.difference) is not None:
        lines.append(f"+{form(change)}" if change > 0 else form(change))
    return "\n".join(lines)


def flush_dict(result: FullResult) -> dict[str, Any]:
    """The JSON document: flushes per run, elapsed in seconds; a count is null that nobody has."""
    rows = flush_rows(result.runs)
    kinds = kinds_of(result, rows)
    return {
        "schema_version": 1,
        "table": "flushes",
        "unit": "flushes per run",
        "label": result.label.to_dict(),
        "host": result.host,
        "folder": str(result.folder),
        "trusted": result.analysis.trusted,
        "doubts": list(result.analysis.untrusted),
        "columns": {kind.key: list(kind.counters) for kind in kinds},
        "rows": [
            {
                "where": row.scope or None,
                "arm": row.arm,
                "tracker": row.tracker,
                "flush": row.flush,
                "errors": list(row.errors),
                **{kind.key: _figure_dict(row.counts[kind.key]) for kind in kinds},
                "elapsed_s": _figure_dict(row.elapsed),
            }
            for row in rows
        ],
        "notes": flush_lines(result),
    }


def _figure_dict(figure: Figure | None) -> dict[str, Any] | None:
    if figure is None:
        return None
    interval = figure.interval
    return {
        "runs": figure.runs,
        "mean": figure.mean,
        "sd": figure.sd,
        "difference": figure.difference,
        "interval": [interval.low, interval.high] if interval else None,
    }


def flush_records(result: FullResult) -> list[dict[str, Any]]:
    """Tidy rows for CSV, one per arm; all rows have the same keys, None is a figure nobody has."""
    rows = flush_rows(result.runs)
    part = result.manifest.get("part") or {}
    workload = result.manifest["description"]["workload"].get("kind")
    common = {
        "host": result.host,
        "layout": part.get("layout"),
        "boot": part.get("boot", 0),
        "workload": part.get("workload", workload),
        "platform": str(result.label.platform),
        "nested": result.label.nested,
        "session_trusted": result.analysis.trusted,
    }
    return [
        common
        | {
            "where": row.scope or None,
            "arm": row.arm,
            "tracker": row.tracker,
            "flush": row.flush,
            "errors": "; ".join(row.errors) or None,
        }
        | {
            key: value
            for kind in KINDS
            for key, value in _columns(f"{kind.key}_per_run", row.counts[kind.key]).items()
        }
        | _columns("elapsed_s", row.elapsed)
        for row in rows
    ]


def _columns(name: str, figure: Figure | None) -> dict[str, float | None]:
    interval = figure.interval if figure else None
    return {
        f"{name}_mean": figure.mean if figure else None,
        f"{name}_sd": figure.sd if figure else None,
        f"{name}_difference": figure.difference if figure else None,
        f"{name}_difference_low": interval.low if interval else None,
        f"{name}_difference_high": interval.high if interval else None,
    }
