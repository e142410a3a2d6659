"""The story of `hotkit kernel`: decide what to build, build or find it, check the patches."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hotkit.core.check import Check, failed, judged
from hotkit.core.kconfig import merged, parse_config
from hotkit.core.kernelproof import SCANS, judge
from hotkit.core.kernelwish import KernelWish
from hotkit.core.vmproof import notes
from hotkit.errors import HotkitError
from hotkit.host.accel import accelerator
from hotkit.host.kernelbase import (
    FLAVOURS,
    UNPATCHED,
    KernelBase,
    fragment,
    kernel_base,
    kernel_bases,
)
from hotkit.host.kernelbuild import (
    BuiltKernel,
    Progress,
    Recipe,
    Say,
    build_kernel,
    built_kernels,
    default_jobs,
    find_kernel,
)
from hotkit.host.kernelproof import boot_cost, boot_proof
from hotkit.host.kernelsource import SourcePackage, apply_series, fetch, find_source, unpack
from hotkit.host.kernelwitness import WITNESSES, witnesses
from hotkit.host.labimage import ensure_image
from hotkit.parse.kvm_selftest import read_witness

PROOF_SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Applied:
    """One base's series on a fresh tree; `problem` says where it does not apply."""

    base: KernelBase
    source: SourcePackage | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class Proof:
    """A kernel's proof: every line that the machine wrote, and the verdicts."""

    kernel: BuiltKernel
    label: str
    lines: tuple[dict[str, Any], ...]
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        return not failed(self.checks)

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be measured here, and why."""
        return notes(self.lines)

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "schema_version": PROOF_SCHEMA_VERSION,
            "label": self.label,
            "release": self.kernel.release,
            "build_id": self.kernel.record["build_id"],
            "ok": self.ok,
            "checks": [check.to_dict() for check in self.checks],
            "notes": list(self.notes),
            "lines": list(self.lines),
        }


def recipe(
    linux: str | None,
    flavour: str,
    config: Path | None = None,
    variant: str | None = None,
    modules: Path | None = None,
) -> Recipe:
    """What a build of `flavour` ("lab" or "host") is made of today.

    "host" needs `config`, a whole .config of the machine that is to boot it; `modules` is what
    lsmod says there, for a build of these modules only. Raises HotkitError.
    """
    base = kernel_base(linux)
    options = fragment(flavour)
    if variant == UNPATCHED:
        base = replace(base, patches=())
        options = tuple(option for option in options if option.name != "HOTKIT")
    elif variant is not None:
        options = merged(options, fragment(variant))
    text, loaded = None, None
    if flavour == "host":
        text = _config(config)
        loaded = _modules(modules) if modules else None
    elif config is not None or modules is not None:
        raise HotkitError(
            "--config and --modules are for --base host: the lab's kernel has all its options"
        )
    return Recipe(
        base=base,
        source=find_source(base.package),
        flavour=flavour,
        options=options,
        config=text,
        modules=loaded,
        variant=variant,
    )


def build(
    wanted: Recipe, say: Say, progress: Progress, *, jobs: int | None = None
) -> tuple[BuiltKernel, bool]:
    """The kernel, and whether it had to be built."""
    found = find_kernel(wanted.key)
    if found:
        return found, False
    return build_kernel(wanted, say, progress, jobs=jobs or default_jobs()), True


def find(key: str) -> BuiltKernel:
    """The built kernel whose key or release begins with `key`; HotkitError unless it is one."""
    found = [item for item in built_kernels() if item.key.startswith(key) or item.release == key]
    if len(found) == 1:
        return found[0]
    known = ", ".join(item.key for item in built_kernels()) or "none is built"
    raise HotkitError(
        f"{'several kernels begin' if found else 'no kernel begins'} with {key!r}",
        hint=f"built: {known}",
    )


def newest(flavour: str) -> BuiltKernel:
    """The newest build of a flavour on the default base; HotkitError when there is none."""
    base = kernel_base(None).name
    found = [
        item for item in built_kernels()
        if (item.record["flavour"], item.record["variant"]) == (flavour, None)
        and item.record["base"] == base
    ]  # fmt: skip
    if not found:
        raise HotkitError(
            f"no kernel of kind {flavour} is built", hint=f"hotkit kernel build --base {flavour}"
        )
    return found[-1]


def chosen(name: str) -> BuiltKernel:
    """What an inventory's `hotkit_kernel` means: "lab" or "host" (the newest), a key, a release."""
    return newest(name) if name in FLAVOURS else find(name)


def wish(built: BuiltKernel) -> KernelWish:
    """A build as a host's plan needs it."""
    record = built.record
    return KernelWish(
        release=built.release,
        build_id=str(record["build_id"]),
        vmlinuz_sha256=str(record["vmlinuz_sha256"]),
        boot_bytes=int(record["boot_bytes"]),
        init_bytes=int.from_bytes(built.vmlinuz.read_bytes()[0x260:0x264], "little"),
        packages={
            item["file"].rpartition(".")[2]: {"file": item["file"], "sha256": item["sha256"]}
            for item in record["packages"]
        },
    )


def package_path(wanted: Mapping[str, Any], kind: str) -> Path:
    """The package ("deb" or "rpm") of a KernelWish.to_dict() in this controller's cache."""
    built = find(str(wanted["release"]))
    item = wanted["packages"].get(kind)
    if item is None:
        raise HotkitError(
            f"{built.release} has no .{kind} package",
            hint="install rpmbuild (apt-get install rpm), then build it anew"
            if kind == "rpm" else "hotkit kernel build",
        )  # fmt: skip
    return built.path / str(item["file"])


def check(names: Sequence[str], say: Say) -> tuple[Applied, ...]:
    """Apply the series of these bases (none: of all) to fresh trees."""
    bases, _ = kernel_bases()
    chosen = [kernel_base(name) for name in names] or list(bases)
    done = []
    for base in chosen:
        say(f"Linux {base.name}: {len(base.patches)} patches")
        folder = Path(tempfile.mkdtemp(prefix="hotkit-kernel-"))
        try:
            source = find_source(base.package)
            unpack(fetch(source), folder / "source")
            apply_series(folder / "source", base.patches)
            done.append(Applied(base, source, None))
        except HotkitError as error:
            done.append(Applied(base, None, error.message))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return tuple(done)


def prove(kernel: BuiltKernel, seen: Callable[[str], None]) -> Proof:
    """Boot the kernel in QEMU and hold its trackers against what a program really touched."""
    patched = kernel.record["variant"] != UNPATCHED
    accel = accelerator(ensure_image(seen).kernel)
    programs, missing = witness_programs(kernel, seen)
    lines = boot_proof(kernel.vmlinuz, accel=accel, seen=seen, witnesses=programs)
    lines = [read_witness(line) if line["proof"] == "witness" else line for line in lines]
    lines += missing
    about = lines[0]
    checks = [
        judged("release", kernel.release, about["release"], about["release"] == kernel.release,
               f"{about['release']} runs"),
        judged("build id", kernel.record["build_id"], about["build_id"],
               about["build_id"] == kernel.record["build_id"], "the build id of the record"),
    ]  # fmt: skip
    if patched:
        stock = [about[scan] for scan in SCANS] == ["0"] * len(SCANS)
        checks.append(judged("modes", "0 0 0", " ".join(about[scan] for scan in SCANS), stock,
                             "all modes are stock after boot"))  # fmt: skip
    checks += judge(lines, patched=patched)
    return Proof(kernel, "emulated" if accel == "tcg" else "virtual", tuple(lines), tuple(checks))


def witness_programs(
    kernel: BuiltKernel, say: Callable[[str], None]
) -> tuple[Mapping[str, Path], list[dict[str, Any]]]:
    """The KVM programs of the kernel's source, or a proof's lines that say why there are none."""
    try:
        return witnesses(SourcePackage(**kernel.record["source"]), say), []
    except HotkitError as error:
        told = error.message.splitlines()
        why = next((line for line in told if "error:" in line), told[-1])
        row = {"proof": "witness", "option": "", "why": f"it could not be built: {why}"}
        return {}, [{**row, "test": name} for name in WITNESSES]


def cost(kernel: BuiltKernel) -> list[dict[str, Any]]:
    """What its scans cost in stock mode, in instructions (kernel/proof/cost.c): measured lines."""
    lines = boot_cost(kernel.vmlinuz, lambda name: None)
    for line in lines:
        if line["proof"] == "error":
            raise HotkitError(f"the cost of {kernel.release}: {line['message']}")
    return [line for line in lines if line["proof"] in ("cost", "damon")]


def _config(path: Path | None) -> str:
    if path is None:
        raise HotkitError(
            "a host's kernel is built on top of the machine's own configuration",
            hint="--config FILE: /boot/config-$(uname -r) of that machine, or its /proc/config.gz "
            "unpacked",
        )
    text = _text(path)
    if "X86_64" not in parse_config(text):
        raise HotkitError(
            f"{path}: is no configuration of an x86-64 kernel: it has no CONFIG_X86_64 line"
        )
    return text


def _modules(path: Path) -> str:
    text = _text(path)
    if not text.startswith("Module "):
        raise HotkitError(
            f"{path}:1: is not what lsmod says: its first line begins with Module",
            hint="ssh MACHINE /sbin/lsmod > FILE, with everything loaded that it is to use",
        )
    # Sizes and use counts change from one look to the next: a build is for the names.
    names = sorted(line.split()[0] for line in text.splitlines()[1:] if line.strip())
    return "\n".join(["Module Size Used by", *(f"{name} 0 0" for name in names), ""])


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise HotkitError(f"{path}: cannot be read as text: {error}") from error
