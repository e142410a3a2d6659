"""Terminal tables for `hotkit layout quote`."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hotkit.core.grub_quote import LayerText
from hotkit.core.grub_undo import Undone


def layers_report(rows: Sequence[LayerText]) -> RenderableType:
    """The text at each layer; where a layer cannot carry it, why, and the way out."""
    table = Table(title="one command line, layer by layer", show_lines=True)
    table.add_column("layer", no_wrap=True)
    table.add_column("write this there", overflow="fold")
    table.add_column("why", overflow="fold")
    for row in rows:
        if row.text is not None:
            table.add_row(row.layer, Text(row.text), row.reason)
        else:
            refusal = Text(f"cannot be written: {row.refusal}", style="red")
            table.add_row(row.layer, refusal, f"instead: {row.way_out}")
    return table


def undone_report(undone: Undone) -> RenderableType:
    """Every stage of a spelling, then what the kernel does with the outcome."""
    table = Table(title="what becomes of it")
    table.add_column("stage", no_wrap=True)
    table.add_column("text", overflow="fold")
    for stage in undone.stages:
        table.add_row(stage.reader, Text(stage.text))
    effects = undone.effects or ("no memmap= or mem= in it: memory stays as it is",)
    return Group(table, *(Text(f"the kernel: {item}") for item in effects))
