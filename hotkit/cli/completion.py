"""What the shell offers after TAB; cheap, because it runs at every key press."""

from __future__ import annotations

import re

import click
from click.shell_completion import CompletionItem

from hotkit.assets import asset, data
from hotkit.errors import HotkitError


def inventory_names(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The folders under inventories/, and files for whoever keeps an inventory elsewhere."""
    folders = sorted(item.name for item in asset("inventories").iterdir() if item.is_dir())
    return _names_or_files(folders, incomplete)


def machine_names(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The lab's machines, each of which has a file of variables."""
    folder = asset("inventories") / "lab" / "host_vars"
    names = sorted(item.stem for item in folder.glob("*.yml"))
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def topology_names(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """`local`, the lab's machines, the beginning of an address, and captures in files."""
    machines = [str(item.value) for item in machine_names(ctx, param, "")]
    return _names_or_files(["local", *machines, "ssh://"], incomplete)


def profile_names(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The shipped profiles, and files. A reader of YAML would take longer than all the rest."""
    text = data("profiles.yml").read_text(encoding="utf-8")
    return _names_or_files(re.findall(r"(?m)^  ([\w-]+):$", text), incomplete)


def _names_or_files(names: list[str], incomplete: str) -> list[CompletionItem]:
    found = [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return found or [CompletionItem(incomplete, type="file")]


def guest_names(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Names of guests in the inventory's files; none where there is a mistake in them."""
    # Here and not above: it brings a reader of YAML, which no other completion needs.
    from hotkit.host.guestspec import names_written_in

    try:
        names = names_written_in(ctx.params.get("inventory") or "lab")
    except HotkitError:
        return []
    return [CompletionItem(name) for name in dict.fromkeys(names) if name.startswith(incomplete)]
