"""hotkit lab: QEMU machines with the memory layout of big ones."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator

import click
from rich.console import Console

from hotkit import lab
from hotkit.cli.completion import machine_names
from hotkit.errors import ExitCode, HotkitError
from hotkit.host import labssh
from hotkit.host.console import attach
from hotkit.host.labimage import ensure_image
from hotkit.host.ssh import Ssh
from hotkit.report.lab import status_table

DEFAULT = "lab-2s-256g"

_inventory = click.option(
    "-i", "--inventory", default="lab", show_default=True, help="Where machines are described."
)
_names = click.argument("names", nargs=-1, metavar="[MACHINE]...", shell_complete=machine_names)


@click.group()
def command() -> None:
    """Start, look at and reset the lab: QEMU machines with the memory layout of big ones.

    No special hardware, no root and no KVM are needed (KVM is used where it works). Machines are
    described in an inventory (hotkit_machine in host_vars); each is a copy-on-write disk over one
    Debian 12 image with the real GRUB. The first start boots, later ones take seconds.

    \b
    Example:
      hotkit lab up lab-small          start it (builds the image the first time: two minutes)
      hotkit lab ssh lab-small numactl -H
      hotkit lab reset lab-small       as if nothing had happened
      hotkit lab down                  end all machines, leave nothing behind
    """


@command.command()
@_names
@_inventory
@click.option("--all", "everything", is_flag=True, help="Every machine of the inventory.")
def up(names: tuple[str, ...], inventory: str, everything: bool) -> None:
    """Start machines, several at once; return when their ssh answers.

    Without a name it is lab-2s-256g, or the only machine of the inventory.

    \b
    Example: hotkit lab up lab-2s-256g lab-small
    """
    known = lab.known_machines(inventory)
    if everything:
        names = tuple(known)
    elif not names:
        names = (DEFAULT,) if DEFAULT in known else tuple(known)
        if len(names) != 1:
            raise HotkitError("say which machine", hint=f"machines: {', '.join(known)}")
    with _progress() as say:
        started = lab.up_many(list(names), say, inventory)
    for status in started:
        for note in status.machine.notes:
            click.echo(f"{status.name}: note: {note}", err=True)


@command.command()
@_names
@_inventory
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def status(names: tuple[str, ...], inventory: str, as_json: bool) -> int:
    """Show machines: running, died (its QEMU is gone) or down.

    The exit code is 1 when a machine has died.

    \b
    Example: hotkit lab status --json
    """
    found = lab.status(list(names), inventory)
    items = [item.to_dict() | {"described": item.machine.describe()} for item in found]
    if as_json:
        click.echo(json.dumps({"schema_version": 1, "machines": items}, indent=1))
    else:
        Console().print(status_table(items))
        for item in found:
            click.echo(f"{item.name}: {item.machine.describe()}")
            for note in item.machine.notes:
                click.echo(f"  note: {note}")
            if item.state == "died":
                click.echo(
                    f"{item.name}: its QEMU ended without `lab down`; "
                    f"`hotkit lab up {item.name}` starts it anew, `hotkit lab down` cleans up"
                )
    return ExitCode.VERDICT_FAILED if any(x.state == "died" for x in found) else ExitCode.OK


@command.command(context_settings={"ignore_unknown_options": True})
@click.argument("name", required=False, metavar="[MACHINE]", shell_complete=machine_names)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND]...")
def ssh(name: str | None, words: tuple[str, ...]) -> None:
    """Log in, or run a command there. One word goes to the machine's shell, as with ssh.

    \b
    Examples:
      hotkit lab ssh lab-small cat /proc/cmdline
      hotkit lab ssh lab-small 'dmesg | grep e820'
    """
    chosen = _one(name)
    lab.machine_dir(chosen)
    Ssh(labssh.way(chosen)).become(["sh", "-c", *words] if len(words) == 1 else words)


@command.command()
@click.argument("name", required=False, metavar="[MACHINE]", shell_complete=machine_names)
def console(name: str | None) -> None:
    """Join the serial console (GRUB's menu, the kernel's messages, a login). Ctrl-] leaves.

    \b
    Example: hotkit lab console lab-small
    """
    chosen = _one(name)
    click.echo(f"{chosen}: serial console; Ctrl-] leaves, Enter wakes a login", err=True)
    attach(lab.console_socket(chosen))


@command.command()
@click.argument("name", required=False, metavar="[MACHINE]", shell_complete=machine_names)
@click.option("-n", "--lines", type=click.IntRange(1), help="Only the last so many lines.")
@click.option("-f", "--follow", is_flag=True, help="Go on as more comes, until Ctrl-C.")
def logs(name: str | None, lines: int | None, follow: bool) -> None:
    """Print what a machine wrote to its serial console; kept after `lab down`, too.

    \b
    Example: hotkit lab logs lab-small -n 20
    """
    path = lab.console_log(name or _one(None))
    with path.open(errors="replace", newline="") as log:
        text = log.read().replace("\r\n", "\n")
        shown = text.splitlines()[-lines:] if lines else text.splitlines()
        click.echo("\n".join(shown))
        while follow:
            more = log.read()
            if more:
                click.echo(more.replace("\r\n", "\n"), nl=False)
            else:
                time.sleep(0.2)


@command.command()
@_names
def reset(names: tuple[str, ...]) -> None:
    """Put machines (all running ones) back to the moment they first were ready.

    Disk, memory and PMEM are as they were then; the ssh port stays. Takes a second or two.

    \b
    Example: hotkit lab reset lab-small
    """
    chosen = names or tuple(lab.running())
    if not chosen:
        click.echo("no machine is up", err=True)
    with _progress() as say:
        for name in chosen:
            lab.reset(name, say)


@command.command()
@_names
def down(names: tuple[str, ...]) -> None:
    """End machines (all that are up) and remove everything of theirs but the console log.

    \b
    Example: hotkit lab down lab-small
    """
    chosen = names or tuple(lab.up_or_died())
    if not chosen:
        click.echo("no machine is up", err=True)
    with _progress() as say:
        for name in chosen:
            lab.down(name, say)


@command.group()
def image() -> None:
    """The disk image that all lab machines start from."""


@image.command()
@click.option("--rebuild", is_flag=True, help="Build anew, with today's package versions.")
@click.option("--mirror", metavar="URL", help="A Debian mirror of your own.")
def build(rebuild: bool, mirror: str | None) -> None:
    """Build the Debian 12 image unless there is one: about a minute, 160 MB of downloads.

    An image stays until the recipe changes or you ask with --rebuild: package versions do not
    drift by themselves. Machines that are up keep the image they were started from.

    \b
    Example: hotkit lab image build
    """
    with _progress() as say:
        built = ensure_image(lambda text: say("image", text), rebuild=rebuild, mirror=mirror)
        facts = built.manifest()
        say("image", f"{built.id}: kernel {facts['kernel_release']}, built {facts['built']}")


def _one(name: str | None) -> str:
    """The machine that is meant: the named one, or the only one that runs."""
    if name:
        return name
    found = lab.running()
    if len(found) == 1:
        return found[0]
    raise HotkitError(
        "say which machine" if found else "no machine is up",
        hint=f"running: {', '.join(found)}" if found else "hotkit lab up",
        exit_code=ExitCode.BAD_INPUT if found else ExitCode.UNREACHABLE,
    )


@contextlib.contextmanager
def _progress() -> Iterator[lab.Say]:
    """Lines on stderr as things happen, and on a terminal a clock while nothing does."""
    console = Console(stderr=True, highlight=False)
    began = time.monotonic()

    def say(name: str, text: str) -> None:
        console.print(f"[bold]{name}[/bold] [dim]{time.monotonic() - began:5.1f} s[/dim] {text}")

    waiting = console.status("working ...") if console.is_terminal else contextlib.nullcontext()
    with waiting:
        yield say
