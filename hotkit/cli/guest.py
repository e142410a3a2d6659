"""`hotkit guest`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click
from rich.console import Console

from hotkit.cli.asking import asking
from hotkit.cli.completion import guest_names, inventory_names
from hotkit.core.guestoutcome import GuestOutcome, exit_code
from hotkit.guestplay import change
from hotkit.guests import enter, look
from hotkit.report.guest import print_guests

JSON_SCHEMA_VERSION = 1

_INVENTORY = click.argument("inventory", default="lab", shell_complete=inventory_names)
_LIMIT = click.option(
    "--limit", metavar="PATTERN", help="Only these hosts (an Ansible host pattern)."
)
_GUEST = click.option(
    "--guest", metavar="NAME", shell_complete=guest_names, help="Only the guest of this name."
)
_DRY_RUN = click.option(
    "--dry-run", is_flag=True, help="Say what would be done; start, end and copy nothing."
)
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")


def _options(*options: Callable[..., Any]) -> Callable[..., Any]:
    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@click.group("guest")
def command() -> None:
    """Start, end and look at guests: the VMs of hosts, for trackers in the guest and over it.

    An inventory says what guests a host has (hotkit_guests): one that hotkit starts, QEMU with
    KVM, or one that runs already, by libvirt or anybody. All of a guest on its host is below
    /var/lib/hotkit/guests (docs/guests.md).

    \b
    Example:
      hotkit guest up my-lab --limit tier1
      hotkit guest ssh my-lab --limit tier1 numactl -H
      hotkit guest down my-lab
    """


@command.command("up")
@_options(_INVENTORY, _LIMIT, _GUEST, _DRY_RUN, _JSON)
def up(inventory: str, limit: str | None, guest: str | None, dry_run: bool, as_json: bool) -> int:
    """Start the guests of INVENTORY; return when each can be logged in to from its host.

    A guest that runs is left alone, unless it was started from another description: that is said,
    and `down` comes first. A guest of somebody else (process in the inventory) is found, and the
    way to it written down. One that does not come up hinders no other.

    \b
    Examples:
      hotkit guest up lab --limit lab-nested
      hotkit guest up my-lab --guest g1 --dry-run

    Undo: hotkit guest down. Without hotkit: ansible-playbook playbooks/guests.yml (docs/guests.md).

    Exit codes: 0 all are up, 1 one is not, 2 bad input, 3 a host is unreachable.
    """
    return _change("up", inventory, limit, guest, dry_run, as_json)


@command.command("down")
@_options(_INVENTORY, _LIMIT, _GUEST, _DRY_RUN, _JSON)
def down(inventory: str, limit: str | None, guest: str | None, dry_run: bool, as_json: bool) -> int:
    """End the guests of INVENTORY that hotkit started; what they wrote to their disk is gone.

    Guests of somebody else are left running. Needed before another description of a guest counts;
    a reboot of the host (`hotkit provision`, `hotkit rollback`) ends guests, too.

    \b
    Examples:
      hotkit guest down lab
      hotkit guest down my-lab --limit tier1 --json | jq '.guests[] | {guest, state}'

    Exit codes: 0 all are down, 1 one is not, 2 bad input, 3 a host is unreachable.
    """
    return _change("down", inventory, limit, guest, dry_run, as_json)


@command.command("status")
@_options(_INVENTORY, _LIMIT, _GUEST, _JSON)
def status(inventory: str, limit: str | None, guest: str | None, as_json: bool) -> int:
    """Say how each guest of INVENTORY is, asked of the agent on its host.

    \b
    State:
      running   its process is there, and it answers its host by ssh
      starting  its process is there, and it does not answer (yet)
      hangs     it has answered before, and does not any more
      died      it was started in this boot of its host, and its process is gone
      down      it does not run

    Nothing is changed but hotkit's own: the agent is installed where it is not, and it is kept
    which guests have answered.

    \b
    Example:
      hotkit guest status my-lab --json | jq -r '.guests[] | select(.state == "died") | .problems[]'

    Exit codes: 0 no guest has a problem, 1 one has, 2 bad input, 3 a host is unreachable.
    """
    with asking() as say:
        outcomes = look(inventory, limit=limit, guest=guest, say=say)
    return _show("status", outcomes, inventory, False, as_json)


@command.command("ssh", context_settings={"ignore_unknown_options": True})
@_options(_INVENTORY, _LIMIT, _GUEST)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND]...")
def ssh(inventory: str, limit: str | None, guest: str | None, words: tuple[str, ...]) -> None:
    """Log in to a guest through its host, or run a command there.

    Where there are several, --limit and --guest say which is meant. One word goes to the guest's
    shell, as with ssh.

    \b
    Examples:
      hotkit guest ssh my-lab --limit tier1 --guest g1
      hotkit guest ssh lab cat /proc/cmdline
      hotkit guest ssh lab 'dmesg | grep kvm'
    """
    enter(inventory, words, limit=limit, guest=guest, tty=sys.stdin.isatty())


def _change(
    act: str, inventory: str, limit: str | None, guest: str | None, dry_run: bool, as_json: bool
) -> int:
    with asking() as say:
        outcomes = change(inventory, act, limit=limit, guest=guest, dry_run=dry_run, say=say)
    return _show(act, outcomes, inventory, dry_run, as_json)


def _show(
    act: str, outcomes: Sequence[GuestOutcome], inventory: str, dry_run: bool, as_json: bool
) -> int:
    if as_json:
        document = {
            "schema_version": JSON_SCHEMA_VERSION,
            "inventory": inventory,
            "act": act,
            "dry_run": dry_run,
            "guests": [outcome.to_dict() for outcome in outcomes],
        }
        click.echo(json.dumps(document, indent=2))
    else:
        width = None if sys.stdout.isatty() else 140
        print_guests(outcomes, Console(file=sys.stdout, highlight=False, width=width))
    return exit_code(outcomes, act)
