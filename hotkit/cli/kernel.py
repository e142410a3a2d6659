"""`hotkit kernel`: build, list, show, check."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from hotkit import kernel
from hotkit.errors import ExitCode
from hotkit.host.kernelbase import FLAVOURS, VARIANTS, kernel_bases
from hotkit.host.kernelbuild import Progress as Advance
from hotkit.host.kernelbuild import Say, built_kernels
from hotkit.report.kernel import print_kernel, print_kernels, print_proof, print_recipe

JSON_SCHEMA_VERSION = 1


@click.group("kernel")
def command() -> None:
    """Build the patched kernel: DAMON that flushes, switched at run time, with honest counters."""


@command.command()
@click.option(
    "--base",
    "flavour",
    type=click.Choice(FLAVOURS),
    default="lab",
    show_default=True,
    help="lab: small, no modules; host: on top of a machine's own configuration (--config).",
)
@click.option("--linux", metavar="VERSION", help="Which Linux (default: see hotkit kernel list).")
@click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="With --base host: the configuration of the machine that is to boot it.",
)
@click.option(
    "--modules",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="With --config: what lsmod says on that machine; no other modules are built.",
)
@click.option(
    "--variant",
    type=click.Choice(VARIANTS),
    help="For `kernel prove`: without the patches, or with the kernel's own checkers.",
)
@click.option("--jobs", type=click.IntRange(1), help="Compilers at once (default: one a CPU).")
@click.option("--dry-run", is_flag=True, help="Say what would be built; fetch and build nothing.")
@click.option("--json", "as_json", is_flag=True, help="The build's record as JSON on stdout.")
def build(
    flavour: str, linux: str | None, config: Path | None, modules: Path | None, variant: str | None,
    jobs: int | None, dry_run: bool, as_json: bool,
) -> int:  # fmt: skip
    """Build the kernel and its package, unless it is built already.

    Fetches the source package through apt, applies kernel/patches, compiles, and packs a .deb (and
    an .rpm where rpmbuild is). No root is needed. Takes about 7 minutes on two cores (base lab); a
    build that is cut off goes on where it was. What comes out is kept below ~/.cache/hotkit/kernels
    by a hash of source, patches and configuration, with a record of the build.

    \b
    Examples:
      hotkit kernel build
      hotkit kernel build --base host --config /boot/config-6.1.0-18-amd64 --jobs 64
      hotkit kernel build --base host --config config --modules lsmod.txt
    """
    wanted = kernel.recipe(linux, flavour, config, variant, modules)
    if dry_run:
        print_recipe(wanted, Console(file=sys.stdout, highlight=False, soft_wrap=True))
        return ExitCode.OK
    with _progress() as (say, advance):
        built, fresh = kernel.build(wanted, say, advance, jobs=jobs)
    if as_json:
        click.echo(json.dumps({**built.record, "path": str(built.path), "cached": not fresh}))
    else:
        print_kernel(built, Console(file=sys.stdout, highlight=False, soft_wrap=True))
    return ExitCode.OK


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def list_kernels(as_json: bool) -> int:
    """List what there are patches for, and what is built.

    \b
    Example: hotkit kernel list
    """
    bases, default = kernel_bases()
    built = built_kernels()
    if as_json:
        document: dict[str, Any] = {
            "schema_version": JSON_SCHEMA_VERSION,
            "bases": [
                {"linux": base.name, "package": base.package, "state": base.state,
                 "tried": base.tried, "default": base.name == default}
                for base in bases
            ],
            "built": [{**item.record, "path": str(item.path)} for item in built],
        }  # fmt: skip
        click.echo(json.dumps(document, indent=2))
    else:
        print_kernels(bases, default, built, Console(file=sys.stdout, highlight=False))
    return ExitCode.OK


@command.command()
@click.argument("key")
@click.option("--json", "as_json", is_flag=True, help="The record as JSON on stdout.")
def show(key: str, as_json: bool) -> int:
    """Show the record of one build: source, patches, compiler, hashes, times, warnings.

    KEY is the beginning of its key, or its release (what uname -r says).

    \b
    Example: hotkit kernel show $(uname -r)
    """
    built = kernel.find(key)
    if as_json:
        click.echo(json.dumps({**built.record, "path": str(built.path)}, indent=2))
    else:
        print_kernel(built, Console(file=sys.stdout, highlight=False, soft_wrap=True))
    return ExitCode.OK


@command.command()
@click.argument("key", required=False)
@click.option("--json", "as_json", is_flag=True, help="Verdicts and every measured line as JSON.")
def prove(key: str | None, as_json: bool) -> int:
    """Boot a built kernel in QEMU and show that its switches do what they say.

    A program touches a few of its pages in a tight loop on a CPU of its own. DAMON, idle page
    tracking and folio_referenced watch, in stock mode and flushing: stock mode sees the hot
    pages in nearly none of the checks that were taken, flushing in nearly all, and neither sees
    the cold ones. Counters are held against kprobes; demotion, promotion and a kswapd that is woken
    for nothing are shown. So is the memory of a VM, watched in its host: there only a flush of
    KVM's (mode 3) shows what is hot. KVM's dirty log is held against what the guest wrote, and two
    programs of the kernel's own source, built once (half a minute), are a second witness. KEY is
    the beginning of a build's key (default: the newest lab kernel). Two minutes or three;
    without KVM the figures are emulated, and labelled so.

    \b
    Example: hotkit kernel prove

    Exit codes: 0 all as it should be, 1 not.
    """
    built = kernel.find(key) if key else kernel.newest("lab")
    with _progress() as (say, _):
        proof = kernel.prove(built, say)
    if as_json:
        click.echo(json.dumps(proof.to_dict(), indent=1))
    else:
        print_proof(proof, Console(file=sys.stdout, highlight=False, soft_wrap=True))
    return ExitCode.OK if proof.ok else ExitCode.VERDICT_FAILED


@command.command()
@click.argument("linux", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def check(linux: tuple[str, ...], as_json: bool) -> int:
    """Apply the patches to fresh source trees (of all versions, or of those named).

    \b
    Example: hotkit kernel check 6.1

    Exit codes: 0 all apply, 1 one does not (file and hunk are named).
    """
    with _progress() as (say, _):
        done = kernel.check(linux, say)
    if as_json:
        rows = [
            {"linux": item.base.name, "ok": item.problem is None, "problem": item.problem,
             "source": item.source.version if item.source else None}
            for item in done
        ]  # fmt: skip
        click.echo(json.dumps({"schema_version": JSON_SCHEMA_VERSION, "bases": rows}, indent=2))
    else:
        for item in done:
            version = item.source.version if item.source else item.base.package
            said = item.problem or f"all {len(item.base.patches)} patches apply"
            click.echo(f"Linux {item.base.name} ({version}): {said}")
    return ExitCode.VERDICT_FAILED if any(item.problem for item in done) else ExitCode.OK


@contextlib.contextmanager
def _progress() -> Iterator[tuple[Say, Advance]]:
    """Lines on stderr as steps begin; a bar on a terminal, elsewhere a line every 30 seconds."""
    console = Console(stderr=True, highlight=False)
    began = time.monotonic()
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}"),
        TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True,
        disable=not console.is_terminal,
    )  # fmt: skip
    task = bar.add_task("", total=None)
    told = began

    def say(text: str) -> None:
        console.print(f"[bold]kernel[/bold] [dim]{time.monotonic() - began:5.1f} s[/dim] {text}")

    def advance(text: str, done: int, known: int) -> None:
        nonlocal told
        total = max(known, done) if known else None
        bar.update(task, description=text, completed=done, total=total)
        if not console.is_terminal and time.monotonic() - told > 30:
            told = time.monotonic()
            say(f"{text}: {done}" + (f" of about {known}" if known else ""))

    with bar:
        yield say, advance
