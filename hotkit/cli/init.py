"""`hotkit init`: an inventory for a host that was looked at."""

from __future__ import annotations

import json
from pathlib import Path

import click

from hotkit.cli.approval import approver
from hotkit.cli.asking import asking
from hotkit.cli.completion import profile_names
from hotkit.cli.topology import topology_dict
from hotkit.newhost import look_at, write
from hotkit.report.layout import show
from hotkit.report.newhost import found_dict, found_report


@click.command("init")
@click.argument("host", metavar="HOST")
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Where to (default: a folder of the host's name, here).",
)
@click.option("--name", metavar="NAME", help="What to call the host (default: as in HOST).")
@click.option(
    "--profile",
    metavar="NAME",
    shell_complete=profile_names,
    help="The layout to ask for (default: the first of the shipped ones that fits).",
)
@click.option("--key", metavar="FILE", type=click.Path(path_type=Path), help="ssh's private key.")
@click.option(
    "--ssh-args", metavar="ARGS", default="", help="More for ssh, like '-J gate.example.org'."
)
@click.option("--dry-run", is_flag=True, help="Show what would be written; write nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before writing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(
    host: str,
    out: Path | None,
    name: str | None,
    profile: str | None,
    key: Path | None,
    ssh_args: str,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Look at HOST and write an inventory for it: DIR/hosts.yml. Nothing is overwritten.

    HOST is [user@]host[:port] or ssh://[user@]host[:port]; a name of ~/.ssh/config will do. The
    login must be root's, or one that may sudo without a password. Two questions go to the host;
    nothing is installed or changed there. What it says is shown first: nodes, RAM, CPUs, kernel,
    boot loader, a BMC if it can be seen, and for each profile whether it fits, by the very plan
    that provision makes.

    \b
    Examples:
      hotkit init root@tier1 --dry-run
      hotkit init root@tier1
      hotkit init student@10.0.0.7:2222 --name tier2 --out my-lab --profile 4C16G-pmem
      hotkit provision tier1 --check --diff

    More hosts go into the same file; every variable: docs/provisioning.md, docs/your-server.md.

    Exit codes: 0 written, or --dry-run; 1 you said no; 2 bad input, nothing was written;
    3 unreachable.
    """
    with asking() as say:
        say(host, "is looked at")
        found = look_at(host, folder=out, name=name, profile=profile, key=key, ssh_args=ssh_args)
    if not as_json:
        show(found_report(found))
    written = not dry_run and approver("Write this?", yes=yes, dry="--dry-run")()
    if written:
        write(found)
    if as_json:
        document = found_dict(found, written=written)
        click.echo(json.dumps(document | {"topology": topology_dict(found.topology)}, indent=2))
    elif written:
        click.echo(f"written: {found.path}\nnext: {found.next_command}")
    else:
        click.echo("nothing was written")
    return 0 if written or dry_run else 1
