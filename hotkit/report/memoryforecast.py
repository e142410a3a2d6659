"""What `hotkit memory predict` and `hotkit memory model` print."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hotkit.core.bootmemory import Fit, Forecast
from hotkit.core.bootreference import BootReference
from hotkit.core.layout import Layout
from hotkit.core.memorypair import MemoryPair, ModelError
from hotkit.core.units import MIB, format_size

_STYLE = {Fit.FITS: "green", Fit.TIGHT: "yellow", Fit.NO_BOOT: "bold red"}


def forecast_report(said: Forecast, layout: Layout, boot: BootReference) -> RenderableType:
    """The verdict, a row per node, and how the use differs from the boot that it stands on."""
    label = f" [{boot.label}]" if boot.label else ""
    head = Text(f"{layout.profile} on {boot.name}{label}: ")
    head.append(said.sentence, style=_STYLE[said.fit])
    table = _table("node", "RAM", "MemTotal", "used", "free")
    for node in said.nodes:
        sizes = (node.ram_bytes, node.memtotal_bytes, node.used_bytes, node.free_bytes)
        table.add_row(str(node.node), *map(_mib, sizes))
    lines: list[RenderableType] = [head, Text(layout.cmdline), Text(), table, Text()]
    lines.append(
        Text(
            f"It stands on a boot with {format_size(boot.ram_bytes)} of RAM and "
            f"{boot.cpus_online} CPUs online, which uses {_mib(boot.used_bytes)} MiB "
            f"({_mib(boot.reclaimable_bytes)} of it can be given back). Then:"
        )
    )
    for term in said.terms:
        lines.append(Text(f"  {term.change_bytes / MIB:+9.1f} MiB  {term.name}: {term.sentence}"))
    if not said.terms:
        lines.append(Text("  nothing changes that is known to change"))
    return Group(*lines)


def model_report(pairs: Sequence[MemoryPair], error: ModelError | None) -> RenderableType:
    """A row per boot, and how far the model was off over all of them."""
    if not pairs:
        return Text("no pair yet: `hotkit provision` keeps one for each layout that it boots")
    table = Table(show_edge=False, pad_edge=False)
    for name in ("host", "platform", "layout", "kernel"):
        table.add_column(name, overflow="fold")
    for name in ("MemTotal", "off by", "used", "forecast", "up", "within"):
        table.add_column(name, justify="right", no_wrap=True)
    for pair in pairs:
        total = sum(found for _, found in pair.memtotal.values())
        said, found = pair.used
        table.add_row(
            pair.host,
            pair.platform + (", nested" if pair.nested else ""),
            pair.profile,
            pair.kernel_release,
            _mib(total),
            f"{pair.memtotal_error:+.2%}",
            _mib(found),
            _mib(said),
            f"{pair.uptime_s / 60:.0f} min",
            Text("yes" if pair.within else "NO", style="green" if pair.within else "bold red"),
        )
    lines: list[RenderableType] = [table, Text()]
    if error is None:
        lines.append(Text("no pair is of a machine that had just booted"))
    else:
        lines.append(
            Text(
                f"{error.within} of {error.pairs} fresh boots within the stated doubt (MemTotal of "
                f"each node 1 %, use 10 % or 64 MiB). MemTotal off by {error.memtotal_median:.2%} "
                f"(median), {error.memtotal_most:.2%} at most; use by "
                f"{_mib(error.used_median_bytes)} MiB, {_mib(error.used_most_bytes)} MiB at most."
            )
        )
    return Group(*lines)


def _table(*names: str) -> Table:
    table = Table(title="MiB", title_justify="left", show_edge=False, pad_edge=False)
    for name in names:
        table.add_column(name, justify="left" if name == "node" else "right")
    return table


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / MIB:.1f}"
