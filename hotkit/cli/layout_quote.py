"""hotkit layout quote: how kernel arguments are written at each layer, and what misquoting does."""

from __future__ import annotations

import json

import click

from hotkit.cli.completion import inventory_names, profile_names, topology_names
from hotkit.core.grub_quote import every_layer
from hotkit.core.grub_undo import READERS, undo
from hotkit.report.layout import show
from hotkit.report.layout_quote import layers_report, undone_report


@click.command("quote")
@click.argument("arguments", metavar="[ARG]...", nargs=-1)
@click.option(
    "--profile",
    metavar="PROFILE",
    shell_complete=profile_names,
    help="Quote what this profile plans instead.",
)
@click.option(
    "--topology",
    metavar="TOPOLOGY",
    shell_complete=topology_names,
    help="The machine to plan it for.",
)
@click.option(
    "--inventory",
    metavar="INVENTORY",
    shell_complete=inventory_names,
    help="Where to look for a host of that name.",
)
@click.option(
    "--undo",
    "written_in",
    type=click.Choice(list(READERS)),
    help="Read ARG as it stands in such a file, and show what the kernel gets.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def command(
    arguments: tuple[str, ...],
    profile: str | None,
    topology: str | None,
    inventory: str | None,
    written_in: str | None,
    as_json: bool,
) -> None:
    """Show how kernel arguments must be written in each file on their way to the kernel.

    A `$` that gets lost on the way is silent: memmap=16G$64G then caps all RAM at 16G, and the
    machine boots. A layer that cannot carry an argument is named, with the way out. Give the
    arguments in single quotes, for your own shell eats a `$` too.

    With --undo it goes the other way: ARG is a spelling found in a file (drop-in: what stands
    behind the = in /etc/default/grub.d/*.cfg, with its quotes; grub: custom.cfg or grub.cfg; bls
    and bls-old: the options of /boot/loader/entries/*.conf), and each stage is shown.

    \b
    Examples:
      hotkit layout quote 'memmap=127796M$5324M' maxcpus=4
      hotkit layout quote --profile 4C16G-remote --topology lab-2s-256g
      hotkit layout quote --undo grub 'memmap=127796M$5324M'
      hotkit layout quote --undo drop-in '"quiet memmap=256M\\$1G"'
    """
    if written_in:
        if not arguments:
            raise click.UsageError("--undo needs the spelling to follow, in single quotes")
        undone = undo(" ".join(arguments), written_in)
        if as_json:
            stages = [{"reader": item.reader, "text": item.text} for item in undone.stages]
            _print({"stages": stages, "kernel": undone.kernel, "effects": list(undone.effects)})
        else:
            show(undone_report(undone))
        return
    rows = every_layer(_arguments(arguments, profile, topology, inventory))
    if as_json:
        layers = [
            {
                "layer": row.layer,
                "text": row.text,
                "reason": row.reason,
                "refusal": row.refusal,
                "way_out": row.way_out,
            }
            for row in rows
        ]
        _print({"layers": layers})
    else:
        show(layers_report(rows))


def _arguments(
    arguments: tuple[str, ...], profile: str | None, topology: str | None, inventory: str | None
) -> list[str]:
    """What was given (`'a=1 b=2'` counts as two), and what the profile plans."""
    words = [word for item in arguments for word in item.split(" ") if word]
    if bool(profile) != bool(topology):
        raise click.UsageError("--profile and --topology go together")
    if profile and topology:
        from hotkit.layout import plan_layout

        words += plan_layout(profile, topology, inventory=inventory).layout.args
    if not words:
        raise click.UsageError("nothing to quote: give arguments, or --profile and --topology")
    return words


def _print(document: dict[str, object]) -> None:
    click.echo(json.dumps({"schema_version": 1} | document, indent=2))
