"""What the shell offers after TAB; cheap, because it runs at every key press."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from hotkit.assets import asset


def inventory_names(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The folders under inventories/, and files for whoever keeps an inventory elsewhere."""
    folders = sorted(item.name for item in asset("inventories").iterdir() if item.is_dir())
    found = [CompletionItem(name) for name in folders if name.startswith(incomplete)]
    return found or [CompletionItem(incomplete, type="file")]
