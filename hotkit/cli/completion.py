"""What the shell offers after TAB; cheap, because it runs at every key press."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from hotkit.assets import asset
from hotkit.errors import HotkitError


def inventory_names(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The folders under inventories/, and files for whoever keeps an inventory elsewhere."""
    folders = sorted(item.name for item in asset("inventories").iterdir() if item.is_dir())
    found = [CompletionItem(name) for name in folders if name.startswith(incomplete)]
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
