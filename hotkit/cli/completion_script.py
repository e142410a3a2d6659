"""hotkit completion: what a shell reads so that TAB knows hotkit."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

# click's own name for it: the variable through which the shell asks.
_VARIABLE = "_HOTKIT_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the script that makes TAB complete commands, options, inventories and profiles.

    \b
    For good, one of:
      hotkit completion bash > ~/.local/share/bash-completion/completions/hotkit
      hotkit completion zsh > ~/.zfunc/_hotkit          (fpath+=~/.zfunc before compinit)
      hotkit completion fish > ~/.config/fish/completions/hotkit.fish

    For this shell alone: eval "$(hotkit completion bash)". hotkit must be on PATH.
    """
    found = get_completion_class(shell)
    assert found is not None  # the choice above offers what click has
    click.echo(found(ctx.find_root().command, {}, "hotkit", _VARIABLE).source())
