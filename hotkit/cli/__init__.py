"""The command line: one thin file per command; `main` is the only place that catches errors."""

from __future__ import annotations

import logging
import sys

import click

from hotkit import __version__
from hotkit.cli.lazygroup import LazyGroup
from hotkit.errors import ExitCode, HotkitError

# name -> module below hotkit.cli that holds a click command of the name `command`. Modules are
# imported when asked for, so that `hotkit --help` does not pay for pandas.
COMMANDS = {
    "compare": "compare",
    "completion": "completion_script",
    "doctor": "doctor",
    "export": "export",
    "guest": "guest",
    "init": "init",
    "kernel": "kernel",
    "lab": "lab",
    "layout": "layout",
    "memory": "memory",
    "power": "power",
    "provision": "provision",
    "record": "record",
    "report": "report",
    "rollback": "rollback",
    "status": "status",
    "sweep": "sweep",
    "topology": "topology",
    "trackers": "trackers",
    "verify": "verify",
}


@click.group(
    cls=LazyGroup, elsewhere=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="hotkit")
@click.option("-v", "--verbose", count=True, help="Say more: -v steps, -vv every command run.")
def cli(verbose: int) -> None:
    """Make a big machine look like a small tiered-memory VM, then measure hotness trackers on it.

    \b
    The first ten minutes, on a laptop:
      hotkit lab up lab-2s-256g        a QEMU machine with a real server's NUMA layout
      hotkit layout plan 4C16G-remote --topology lab-2s-256g
      hotkit provision lab             install the layout's GRUB entry, boot it once, verify
      hotkit sweep                     a first A/B measurement
    On a server of yours:
      hotkit init root@HOST            what it is, which layouts fit; writes an inventory

    \b
    Exit codes: 0 ok; 1 a verdict failed; 2 bad input; 3 unreachable; 4 fell back to the stock
    entry; 5 statistic undefined or session not trustworthy; 130 interrupted.
    """
    levels = [logging.WARNING, logging.INFO, logging.DEBUG]
    logging.basicConfig(level=levels[min(verbose, 2)], format="%(message)s", stream=sys.stderr)


def main(argv: list[str] | None = None) -> int:
    """Run the command line; every expected failure ends here as one sentence and an exit code."""
    try:
        result = cli.main(args=argv, prog_name="hotkit", standalone_mode=False)
        return result if isinstance(result, int) else ExitCode.OK
    except HotkitError as error:
        click.echo(f"hotkit: {error.message}", err=True)
        if error.hint:
            click.echo(f"  {error.hint}", err=True)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return ExitCode.BAD_INPUT
    except (click.Abort, KeyboardInterrupt):
        click.echo("hotkit: interrupted", err=True)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`hotkit ... | head`): nobody is left to tell.
        sys.stderr.close()
        return ExitCode.OK


def entry_point() -> None:
    """What the `hotkit` script calls."""
    sys.exit(main())
