"""`hotkit power`."""

from __future__ import annotations

import json

import click

from hotkit.cli.approval import approver
from hotkit.cli.completion import inventory_names
from hotkit.errors import HotkitError
from hotkit.host.inventory import load_inventory
from hotkit.host.power import Power, power_of

JSON_SCHEMA_VERSION = 1
_LIMIT = click.option("--limit", metavar="PATTERN", help="Only these hosts (an Ansible pattern).")
_INVENTORY = click.argument("inventory", default="lab", shell_complete=inventory_names)


@click.group("power")
def command() -> None:
    """Look at, reset, cut or switch on the power of hosts, by their hotkit_power.

    For machines that do not answer any more. `hotkit provision` presses reset by itself when a
    trial boot does not come back in time (hotkit_boot_timeout_s). A machine of the lab has its
    power control in QEMU, metal in its BMC: kind ipmi, redfish or command (docs/power.md).
    """


@command.command("status")
@_INVENTORY
@_LIMIT
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def status(inventory: str, limit: str | None, as_json: bool) -> None:
    """Say for every host whether it is on, and by which power control that is known.

    \b
    Example:
      hotkit power status my-lab --json | jq '.hosts[] | select(.on == false)'
    """
    rows = []
    for name, power in _powers(inventory, limit):
        on = power.is_on() if power else None
        rows.append({"host": name, "power": power.describe() if power else None, "on": on})
    if as_json:
        document = {"schema_version": JSON_SCHEMA_VERSION, "hosts": rows}
        click.echo(json.dumps(document, indent=2))
        return
    for row in rows:
        word = {True: "on", False: "off"}.get(bool(row["on"])) if row["on"] is not None else None
        click.echo(f"{row['host']}: {word or 'unknown'} ({row['power'] or 'no power control'})")


def _changing(name: str, done: str, text: str) -> None:
    @command.command(name, help=text)
    @click.argument("inventory", shell_complete=inventory_names)
    @_LIMIT
    @click.option("--yes", is_flag=True, help="Do not ask.")
    @click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
    def change(inventory: str, limit: str | None, yes: bool, dry_run: bool) -> None:
        powers = _powers(inventory, limit)
        without = [host for host, power in powers if power is None]
        if without:
            raise HotkitError(
                f"no power control is set for {', '.join(without)}",
                hint="hotkit_power in the inventory (docs/power.md), or --limit",
            )
        for host, power in powers:
            assert power is not None
            click.echo(f"{host}: {name} by {power.describe()}", err=True)
        if dry_run or not approver(f"{name} {len(powers)} host(s)?", yes=yes)():
            return
        for host, power in powers:
            getattr(power, name)()
            click.echo(f"{host}: {done}")


_changing("reset", "was reset", "Press reset: what runs there is lost, the next boot is GRUB's.")
_changing("on", "was switched on", "Switch on; a machine of the lab boots cold from its disk.")
_changing("off", "is off", "Cut the power, as pulling the plug does.")


def _powers(inventory: str, limit: str | None) -> list[tuple[str, Power | None]]:
    hosts = load_inventory(inventory, limit).hosts
    return [(host.name, power_of(host.name, host.variables)) for host in hosts]
