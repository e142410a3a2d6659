"""hotkit layout simulate: boot a layout in QEMU and compare."""

from __future__ import annotations

import json

import click

from hotkit.cli.completion import inventory_names, profile_names, topology_names
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.profiles import merge_settings, parse_setting
from hotkit.report.layout import show
from hotkit.report.simulate import simulation_report
from hotkit.simulate import Simulation, simulate_machine, simulate_random, simulate_topology


@click.command("simulate")
@click.argument("profile", metavar="[PROFILE]", required=False, shell_complete=profile_names)
@click.option("--machine", metavar="NAME", help="A lab machine of the inventory; not started.")
@click.option(
    "--topology",
    metavar="TOPOLOGY",
    shell_complete=topology_names,
    help="See `hotkit topology show -h`.",
)
@click.option("--random", "seed", type=int, metavar="SEED", help="A random machine and layout.")
@click.option(
    "--inventory",
    metavar="INVENTORY",
    shell_complete=inventory_names,
    help="Where to look for a machine or host.",
)
@click.option("--style", type=click.Choice(["$", "%"]), help="Spelling of regions; `$` by default.")
@click.option("--set", "settings", metavar="KEY=VALUE", multiple=True, help="Change a profile key.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def command(
    profile: str | None,
    machine: str | None,
    topology: str | None,
    seed: int | None,
    inventory: str | None,
    style: str | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> int:
    """Boot a machine's memory with the layout in QEMU and compare predicted with real.

    No disk, no boot loader: Debian's kernel from the lab image and a tiny initramfs that prints
    /proc/iomem. It takes seconds and says whether the model of the kernel's memmap= parser is
    right for this very machine, to the page. Exit code 1 when anything differs.

    A lab machine is booted as the lab builds it, on QEMU's firmware map. Any other topology is
    given to the kernel as it is: its e820 map, SRAT and distances, with RAM where it has RAM.

    \b
    Examples:
      hotkit layout simulate --machine lab-small
      hotkit layout simulate 4C16G-remote --topology captures/lab-2s-256g/
      hotkit layout simulate --random 7 --json
    """
    chosen = [item for item in (machine, topology, seed) if item is not None]
    if len(chosen) != 1:
        raise HotkitError(
            "say which machine: one of --machine, --topology and --random",
            hint="hotkit layout simulate --random 7, or ... 4C16G-remote --machine lab-2s-256g",
        )
    given = {"style": style} if style else {}
    overrides = merge_settings([*(parse_setting(item) for item in settings), given])

    def say(text: str) -> None:
        click.echo(text, err=True)

    if machine:
        done = simulate_machine(
            machine, say, profile_ref=profile, overrides=overrides, inventory=inventory
        )
    elif topology:
        if not profile:
            raise HotkitError("name a profile", hint="hotkit layout simulate 4C16G-remote ...")
        done = simulate_topology(topology, profile, say, overrides=overrides, inventory=inventory)
    else:
        if overrides and not profile:
            raise HotkitError("--set and --style need a profile; a random one has its own")
        done = simulate_random(seed or 0, say, profile_ref=profile, overrides=overrides)
    if as_json:
        click.echo(json.dumps(done.to_dict(), indent=1))
    else:
        _show(done)
    return ExitCode.OK if done.ok else ExitCode.VERDICT_FAILED


def _show(done: Simulation) -> None:
    title = (
        f"{done.layout.profile} on {done.topology.name}: Linux {done.observed.kernel_release} "
        f"({done.observed.label})"
    )
    rows = [(plan, done.booted(plan)) for plan in done.layout.nodes]
    show(simulation_report(title, rows, done.checks, done.left_out))
    click.echo(done.layout.cmdline)
    click.echo(
        "predicted = booted, to the page" if done.ok else "what came up is not what was predicted"
    )
