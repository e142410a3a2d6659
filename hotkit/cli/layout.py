"""hotkit layout: plan a layout, check a command line, quote it, boot it in QEMU."""

from __future__ import annotations

import json
from typing import Any

import click

from hotkit.cli.completion import inventory_names, profile_names, topology_names
from hotkit.cli.lazygroup import LazyGroup
from hotkit.errors import ExitCode
from hotkit.host.profiles import merge_settings, parse_setting
from hotkit.layout import check_cmdline, plan_layout
from hotkit.report.layout import layout_report, review_report, show, show_plain

# Commands that live in modules of their own.
_ELSEWHERE = {"quote": "layout_quote", "simulate": "layout_simulate"}


@click.group("layout", cls=LazyGroup, elsewhere=_ELSEWHERE)
def command() -> None:
    """Plan memory layouts, and find out what a kernel command line really does."""


@command.command("plan")
@click.argument("profile", metavar="PROFILE", shell_complete=profile_names)
@click.option(
    "--topology",
    metavar="TOPOLOGY",
    shell_complete=topology_names,
    required=True,
    help="See `hotkit topology show -h`.",
)
@click.option(
    "--inventory",
    metavar="INVENTORY",
    shell_complete=inventory_names,
    help="Where to look for a host of that name.",
)
@click.option("--style", type=click.Choice(["$", "%"]), help="Spelling of regions; `$` by default.")
@click.option(
    "--size-means",
    type=click.Choice(["present", "span", "managed"]),
    help="System RAM bytes (default), SRAT address space, or MemTotal.",
)
@click.option("--align", metavar="SIZE", help="Cut at multiples of 1M (default), 2M, 128M or 1G.")
@click.option("--scale", type=click.IntRange(1), help="Multiply CPUs and sizes.")
@click.option("--set", "settings", metavar="KEY=VALUE", multiple=True, help="Change a profile key.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def plan_command(
    profile: str,
    topology: str,
    inventory: str | None,
    style: str | None,
    size_means: str | None,
    align: str | None,
    scale: int | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Plan PROFILE on a machine: what to reserve, and what remains of each node.

    PROFILE is a name (4C16G-remote, 4C16G-pmem, 36C144G-remote, 36C36G-pmem) or a YAML file with
    these keys:

    \b
      base         a name to start from; the other keys override
      cpus         how many; cpu_limit: maxcpus (default) or nr_cpus;
                   cpus_on: fast (default: all of them on the fast node) or any
      fast, slow   {node: N, size: 36G}; slow may be {pmem: true}, with node: N to choose one,
                   or {pmem: emulated, node: 1, size: 64G} (docs/pmem.md)
      total, fast_share   instead of sizes: 16384M and 1/5, 20% or 0.2
      size_means   present (System RAM), span (SRAT) or managed (MemTotal)
      align        1M, 2M, 128M or 1G
      style        $ or %; kaslr: true keeps KASLR (else nokaslr is added)
      save         what the kernel may do without, as a list of hashes, memmap-on-memory,
                   no-crashkernel, no-hugepages, no-pmem, no-debug, trace-buffers
      mask_units   systemd units that stay away, as a list (docs/layouts.md)
      extra        more kernel arguments, as a list
      scale        a factor for CPUs and sizes

    \b
    Examples:
      hotkit layout plan 4C16G-remote --topology lab-2s-256g
      hotkit layout plan 4C16G-remote --topology capture/ --size-means span
      hotkit layout plan "4C16G-remote x 9" --topology ssh://root@tier1 --json
      hotkit layout plan 36C36G-pmem --topology local --set fast.size=48G
    """
    overrides = _overrides(settings, style=style, size_means=size_means, align=align, scale=scale)
    planned = plan_layout(profile, topology, overrides=overrides, inventory=inventory)
    if as_json:
        document = planned.layout.to_dict() | {"review": planned.review.to_dict()}
        click.echo(json.dumps(document, indent=2))
        return
    show(
        layout_report(planned.layout, planned.topology, planned.review),
    )
    show_plain(f"\n{planned.layout.cmdline}")


@command.command("check")
@click.argument("cmdline", metavar="CMDLINE")
@click.option(
    "--topology",
    metavar="TOPOLOGY",
    shell_complete=topology_names,
    required=True,
    help="See `hotkit topology show -h`.",
)
@click.option(
    "--profile",
    metavar="PROFILE",
    shell_complete=profile_names,
    help="What is wanted: a name or a YAML file.",
)
@click.option(
    "--inventory",
    metavar="INVENTORY",
    shell_complete=inventory_names,
    help="Where to look for a host of that name.",
)
@click.option("--set", "settings", metavar="KEY=VALUE", multiple=True, help="Change a profile key.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def check_command(
    cmdline: str,
    topology: str,
    profile: str | None,
    inventory: str | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> int:
    """Review CMDLINE before a machine boots with it. Exit code 1 when it holds an error.

    CMDLINE is read as the kernel reads it, malformed entries and lost `$` included. With a profile
    it is also compared with what the profile wants.

    \b
    Example (single quotes: the shell would eat the $):
      hotkit layout check 'maxcpus=4 memmap=127796M$5324M,117964M$146228M' \\
          --topology capture/ --profile 4C16G-remote
    """
    _, review = check_cmdline(
        cmdline,
        topology,
        profile_ref=profile,
        overrides=_overrides(settings),
        inventory=inventory,
    )
    if as_json:
        click.echo(json.dumps(review.to_dict(), indent=2))
    else:
        show(review_report(review))
    return ExitCode.OK if review.ok else ExitCode.VERDICT_FAILED


def _overrides(settings: tuple[str, ...], **options: Any) -> dict[str, Any]:
    given = {key: value for key, value in options.items() if value is not None}
    return merge_settings([*(parse_setting(item) for item in settings), given])
