"""What `hotkit kernel` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hotkit.core.check import Check, failed
from hotkit.core.kernelproof import VM, Row, rows


class Base(Protocol):
    """A kernel that there are patches for."""

    @property
    def name(self) -> str: ...
    @property
    def package(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def tried(self) -> str: ...
    @property
    def notes(self) -> str: ...
    @property
    def patches(self) -> Sequence[Any]: ...


class Built(Protocol):
    """A build in the cache."""

    @property
    def path(self) -> Any: ...
    @property
    def record(self) -> Mapping[str, Any]: ...


class Recipe(Protocol):
    """What a build would be."""

    @property
    def base(self) -> Base: ...
    @property
    def source(self) -> Any: ...
    @property
    def key(self) -> str: ...
    @property
    def release(self) -> str: ...
    @property
    def options(self) -> Sequence[Any]: ...


def print_recipe(recipe: Recipe, console: Console) -> None:
    """The plan of a build."""
    source = recipe.source
    console.print(f"would build {recipe.release}")
    console.print(f"  source   {source.package} {source.version} (sha256 {source.sha256[:16]}…)")
    console.print(f"  options  {len(recipe.options)}, each with its reason in kernel/config/")
    for patch in recipe.base.patches:
        console.print(f"  patch    {patch.subject}", markup=False)


def print_kernels(
    bases: Sequence[Base], default: str, built: Sequence[Built], console: Console
) -> None:
    """What there are patches for, and what is built."""
    table = Table(show_edge=False, pad_edge=False)
    for name in ("linux", "source", "patches", "state", "tried"):
        table.add_column(name)
    for base in bases:
        mark = f"{base.name} (default)" if base.name == default else base.name
        table.add_row(mark, base.package, str(len(base.patches)), base.state, base.tried)
    console.print(table)
    console.print()
    if not built:
        console.print("Nothing is built yet: hotkit kernel build")
        return
    table = Table(show_edge=False, pad_edge=False)
    for name in ("key", "release", "built", "compiled in"):
        table.add_column(name, overflow="fold")
    for item in built:
        record = item.record
        seconds = record["timings"]["compile_s"]
        table.add_row(
            record["key"], record["release"], record["built"][:16].replace("T", " "),
            f"{seconds / 60:.1f} min, {record['jobs']} jobs",
        )  # fmt: skip
    console.print(table)


class Proof(Protocol):
    """What `hotkit kernel prove` found."""

    @property
    def kernel(self) -> Any: ...
    @property
    def label(self) -> str: ...
    @property
    def lines(self) -> Sequence[Mapping[str, Any]]: ...
    @property
    def checks(self) -> Sequence[Check]: ...
    @property
    def notes(self) -> Sequence[str]: ...


def print_proof(proof: Proof, console: Console) -> None:
    """The table of trackers and modes, then every verdict that is not in it."""
    table = Table(
        title=f"Seen, of the checks taken ({proof.label})", title_justify="left", show_edge=False,
        pad_edge=False,
    )  # fmt: skip
    for name in ("tracker", "memory", "beside", "mode", "checks", "hot", "cold", "flushes"):
        table.add_column(name, justify="right" if name in ("checks", "flushes") else "left")
    for row in rows(proof.lines):
        table.add_row(
            row.tracker, row.memory, row.company or "nobody", str(row.mode),
            str(row.checks), f"{row.hot:.1%}", f"{row.cold:.1%}", _flushes(row),
        )  # fmt: skip
    console.print(table)
    if any(row.memory == VM for row in rows(proof.lines)):
        console.print(f"vm: the memory of a VM, watched in its host ({proof.label}, nested);")
        console.print(
            "    flushes: of CPUs + of KVM. Each tick of the host's timer ends a run of the VM."
        )
    console.print()
    bad = failed(proof.checks)
    in_table = {row.name for row in rows(proof.lines)}
    for check in proof.checks:
        if check not in bad and check.name not in in_table:
            console.print(Text(f"ok   {check.sentence}"))
    for note in proof.notes:
        console.print(Text(f"note {note}"))
    for check in bad:
        console.print(Text(f"FAIL {check.sentence}; expected {check.expected}", style="bold red"))
    good = len(proof.checks) - len(bad)
    console.print(
        f"{proof.kernel.release}, {proof.label}: {good} of {len(proof.checks)} checks hold"
    )


def _flushes(row: Row) -> str:
    cpus = "-" if row.flushes is None else str(row.flushes)
    return cpus if row.kvm_flushes is None else f"{cpus}+{row.kvm_flushes}"


def print_kernel(built: Built, console: Console) -> None:
    """The record of one build."""
    record = built.record
    source = record["source"]
    rows = [
        ("release", record["release"]),
        ("build id", record["build_id"]),
        ("source", f"{source['package']} {source['version']}, sha256 {source['sha256'][:16]}…"),
        ("config", f"{record['flavour']}, sha256 {record['config_sha256'][:16]}…"),
        ("compiler", record["compiler"]),
        ("built", f"{record['built']}, {record['objects']} objects, {record['jobs']} jobs"),
        ("times", ", ".join(f"{key[:-2]} {value} s" for key, value in record["timings"].items())),
        ("warnings", f"{len(record['warnings'])}"),
    ]
    rows += [("patch", patch["subject"]) for patch in record["patches"]]
    rows += [("package", f"{built.path}/{item['file']}") for item in record["packages"]]
    for name, value in rows:
        console.print(Text(f"{name:<9}", style="bold"), Text(str(value)), sep=" ")
