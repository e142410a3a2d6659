"""How the lab's machines are shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from hotkit.core.units import format_size

_STYLES = {"running": "green", "died": "red", "down": "dim"}


def status_table(machines: Iterable[Mapping[str, Any]]) -> Table:
    """One row per machine, from the JSON form of its status."""
    table = Table(box=None, pad_edge=False)
    for column in ("machine", "state", "ssh", "since (UTC)", "own memory", "label"):
        table.add_column(column, no_wrap=True)
    for item in machines:
        table.add_row(
            item["name"],
            Text(item["state"], style=_STYLES.get(item["state"], "")),
            _ssh(item),
            (item["since"] or "")[5:19].replace("T", " "),
            format_size(item["memory_bytes"]) if item["memory_bytes"] else "",
            item["platform"] if item["accelerator"] else "",
        )
    return table


def _ssh(item: Mapping[str, Any]) -> str:
    if item["state"] != "running":
        return ""
    return f"127.0.0.1:{item['ssh_port']}" + ("" if item["ssh_answers"] else ", no answer")
