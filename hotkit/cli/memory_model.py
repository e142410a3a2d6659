"""`hotkit memory model`."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from hotkit.core.memorypair import model_error
from hotkit.host.memorypairs import kept_pairs
from hotkit.report.layout import show
from hotkit.report.memoryforecast import model_report

JSON_SCHEMA_VERSION = 1


@click.command("model")
@click.option("--host", metavar="NAME", help="Only the boots of this host.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(host: str | None, as_json: bool) -> int:
    """Show how far forecasts were off: each layout that was booted, beside what was foretold.

    `hotkit provision` foretells MemTotal of each node and the memory in use after boot, before it
    writes anything; `hotkit verify` (which provision ends with) keeps the forecast beside what
    came, once per boot. What is looked at more than an hour after the boot counts for MemTotal
    only. The pairs are on this controller, in $XDG_STATE_HOME/hotkit/memory/pairs.jsonl.

    \b
    Examples:
      hotkit memory model
      hotkit memory model --json | jq '.pairs[] | select(.within | not)'

    Exit codes: 0 all fresh boots are within the stated doubt (or there are none), 1 one is not.
    """
    pairs = [pair for pair in kept_pairs() if host in (None, pair.host)]
    error = model_error(pairs)
    if as_json:
        document = {
            "schema_version": JSON_SCHEMA_VERSION,
            "error": asdict(error) if error else None,
            "pairs": [pair.to_dict() for pair in pairs],
        }
        click.echo(json.dumps(document, indent=1))
    else:
        show(model_report(pairs, error))
    return 1 if error is not None and error.within < error.pairs else 0
