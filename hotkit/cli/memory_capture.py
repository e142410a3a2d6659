"""`hotkit memory capture`."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import click
from rich.console import Console

from hotkit.cli.options import where_hosts_are
from hotkit.core.plaintext import plain_line
from hotkit.memory import gather, write_capture

JSON_SCHEMA_VERSION = 1


@click.command("capture")
@click.argument("ref", metavar="HOST")
@click.option("--out", "-o", "out", metavar="DIR", required=True, help="The directory to make.")
@where_hosts_are
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(ref: str, out: str, inventory: str | None, as_json: bool) -> None:
    """Keep what HOST says of its memory now, in a directory of text files.

    HOST is `local`, ssh://[user@]host[:port], or a host of an inventory. It is read once, over one
    ssh connection, in seconds; nothing is installed or changed there. As root (or with sudo) it
    sees all: meminfo of each node, vmallocinfo, slabinfo, allocinfo where the kernel has it,
    zoneinfo, what each process, cgroup, tmpfs and trace buffer holds, PMEM namespaces and where
    their struct pages lie, huge pages, the crash kernel, page_owner and a trace of page_alloc where
    they are on. As another user it says what it could not see.

    Take it right after a boot, before a workload fills the page cache. A directory that holds
    something else than a capture of hotkit's is never overwritten. The directory is a topology
    reference too (`hotkit topology show DIR`).

    \b
    Examples:
      hotkit memory capture tier1 --out tier1-stock
      hotkit memory explain --capture tier1-stock
      hotkit memory capture ssh://root@tier1 --out tier1-maxcpus4
      hotkit memory diff tier1-stock tier1-maxcpus4

    Exit codes: 0 done, 2 bad input, 3 unreachable.
    """
    console = Console(stderr=True, highlight=False)
    waiting = (
        console.status(f"asking {ref} ...", spinner="line")
        if console.is_terminal
        else contextlib.nullcontext()
    )
    with waiting:
        texts, record = gather(ref, inventory)
        write_capture(Path(out), texts, record)
    problems = [plain_line(str(item)) for item in record["problems"]]
    if as_json:
        document = {
            "schema_version": JSON_SCHEMA_VERSION,
            "out": out,
            "hostname": record.get("hostname"),
            "kernel_release": record.get("kernel_release"),
            "taken": record.get("taken"),
            "sources": {source: len(text) for source, text in texts.items()},
            "problems": problems,
        }
        click.echo(json.dumps(document, indent=2))
        return
    host = plain_line(str(record.get("hostname") or ref), 80)
    release = plain_line(str(record.get("kernel_release") or "unknown"), 80)
    click.echo(f"{out}: {host}, Linux {release}, {len(texts)} sources and memory.json")
    for problem in problems:
        click.echo(f"  not seen: {problem}")
    click.echo(f"look at it: hotkit memory explain --capture {out}")
