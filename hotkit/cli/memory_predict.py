"""`hotkit memory predict`."""

from __future__ import annotations

import json

import click
from rich.console import Console

from hotkit.cli.completion import profile_names
from hotkit.cli.options import where_hosts_are
from hotkit.core.bootmemory import Fit
from hotkit.errors import HotkitError
from hotkit.forecasting import predict
from hotkit.host.profiles import merge_settings, parse_setting
from hotkit.report.layout import show
from hotkit.report.memoryforecast import forecast_report
from hotkit.report.memremedies import print_remedies

JSON_SCHEMA_VERSION = 1


@click.command("predict")
@click.argument("profile", metavar="PROFILE", shell_complete=profile_names)
@click.argument("host", metavar="[HOST]", required=False)
@click.option("--host", "host_option", metavar="HOST", help="The same as the argument.")
@click.option(
    "--capture",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False),
    help="A directory that `hotkit memory capture` made, in place of a machine that runs.",
)
@where_hosts_are
@click.option("--set", "settings", metavar="KEY=VALUE", multiple=True, help="Change a profile key.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(
    profile: str,
    host: str | None,
    host_option: str | None,
    capture: str | None,
    inventory: str | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> int:
    """Foretell what PROFILE leaves of a machine, node by node, and whether it can boot.

    HOST is `local`, ssh://[user@]host[:port] or a host of an inventory; with --capture a directory
    stands in for it. The forecast stands on the boot that is seen there. What is computed (struct
    pages, large hashes, per-CPU memory, where the kernel and its bounce buffers lie) changes by
    the kernel's own rules, what cannot be computed is taken over; `hotkit memory model` shows how
    far earlier forecasts were off. `hotkit provision` makes the same forecast before it writes.

    The verdict: fits; is tight (it may run out of memory while it boots); will not boot. Below it
    stands what can be won, and how.

    \b
    Examples:
      hotkit memory predict 4C16G-remote tier1
      hotkit memory predict 4C16G-pmem --capture tier1-stock
      hotkit memory predict 4C16G-remote tier1 --set cpu_limit=nr_cpus --json

    Exit codes: 0 fits or is tight, 1 will not boot, 2 bad input, 3 unreachable.
    """
    refs = [ref for ref in (host, host_option, capture) if ref]
    if len(refs) != 1:
        raise HotkitError(
            "which machine? name a host, or a directory with --capture"
            if not refs
            else f"one machine at a time: {' and '.join(refs)} are named",
            hint="hotkit memory predict 4C16G-remote HOST",
        )
    overrides = merge_settings([parse_setting(item) for item in settings])
    found = predict(profile, refs[0], inventory=inventory, overrides=overrides)
    said = found.forecast
    if as_json:
        document = {
            "schema_version": JSON_SCHEMA_VERSION,
            "reference": {
                "name": found.reference.name,
                "platform": str(found.reference.label.platform) if found.reference.label else None,
                "nested": found.reference.label.nested if found.reference.label else None,
                "ram_bytes": found.reference.ram_bytes,
                "used_bytes": found.reference.used_bytes,
                "reclaimable_bytes": found.reference.reclaimable_bytes,
            },
            "layout": found.layout.to_dict(),
            "forecast": said.to_dict(),
            "remedies": [item.to_dict() for item in found.remedies],
        }
        click.echo(json.dumps(document, indent=1))
    else:
        show(forecast_report(said, found.layout, found.reference), "", "What can be won:")
        print_remedies(found.remedies, Console())
    return 1 if said.fit is Fit.NO_BOOT else 0
