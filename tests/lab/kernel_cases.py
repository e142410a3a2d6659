"""A kernel of hotkit's own on a lab machine, from install to removal: for tests and `make soak`."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hotkit import kernel
from hotkit.assets import asset
from hotkit.core.check import failed
from hotkit.errors import HotkitError
from hotkit.host.kernelbase import UNPATCHED
from hotkit.host.kernelbuild import BuiltKernel, Recipe
from tests.lab.cases import EVERY_BYTE, LABEL, NAME, sh, told

# Which Linux (a name in kernel/support-matrix.yml), which variant.
KERNELS = (("6.1", None), ("6.1", UNPATCHED), ("6.1", "lockdep"), ("6.1", "kasan"), ("6.12", None))
_TOUCHED = re.compile(r"^\+\+\+ b/(\S+)", re.MULTILINE)
_EVERYTHING = f"{EVERY_BYTE}; dpkg-query --show; ls /lib/modules"
_GRUB = "sha256sum /boot/grub/grub.cfg; grub-editenv list | grep saved; ls /boot"
_TIERS = "cat /sys/devices/virtual/memory_tiering/memory_tier*/nodelist"


def lab_inventory(folder: Path, wanted: str, name: str = NAME) -> Path:
    """A copy of the lab's inventory in `folder`, in which that machine asks for this kernel."""
    shutil.copytree(asset("inventories") / "lab", folder)
    file = folder / "host_vars" / f"{name}.yml"
    rows = [row for row in file.read_text().splitlines() if not row.startswith("hotkit_kernel:")]
    file.write_text("\n".join([*rows, f"hotkit_kernel: {wanted}", ""]))
    return folder


def round_trip(built: BuiltKernel, inventory: Path) -> list[str]:
    """Provision, again, verify, rollback; the sentences of what was not as it should be."""
    before = everything()
    return provisioned(built, inventory) or rolled_back(built, inventory, before)


def everything(name: str = NAME) -> str:
    """Every byte of /boot and /etc, the packages, the modules."""
    return sh(_EVERYTHING, name)


def provisioned(built: BuiltKernel, inventory: Path, name: str = NAME) -> list[str]:
    """Provision, again, verify; the sentences of what was not as it should be."""
    grub = sh(_GRUB, name)
    first = _hotkit("provision", inventory, name)
    if (first["status"], first.get("state")) != ("ok", "verified"):
        return [f"provision: {first['sentence']}"]
    verdicts = {check["name"]: check["verdict"] for check in first["verdict"]["checks"]}
    wanted = ("kernel", "kernel-build", "kernel-switches")
    # Only hotkit's own files are new: GRUB's menu and the stock kernels are what they were.
    found = {
        "the release": sh("uname -r", name).strip() == built.release,
        "the checks of the kernel": all(verdicts.get(name) == "pass" for name in wanted),
        "GRUB's files and /boot": sh(_GRUB, name).replace("hotkit\n", "") == grub,
        "remote DRAM as a tier of its own": sh(_TIERS, name).split() == ["0", "1"],
        f"memory as foretold {first['verdict']['memory']}": first["verdict"]["memory"]["within"],
    }
    second = _hotkit("provision", inventory, name)
    found["a second run without a change"] = (
        second["status"] == "ok" and second["changed"] == 0 and not second["rebooted"]
    )
    verified = _hotkit("verify", inventory, name)
    found["verify"] = verified["outcome"] == "pass" and "kernel-build" in str(verified["checks"])
    return _wrong(found)


def rolled_back(built: BuiltKernel, inventory: Path, before: str, name: str = NAME) -> list[str]:
    """Rollback leaves `before`; the sentences of what was not as it should be."""
    undone = _hotkit("rollback", inventory, name)
    found = {}
    found["rollback"] = undone["status"] == "ok"
    found["every byte of /boot and /etc, and no package left"] = everything(name) == before
    found["the stock kernel"] = sh("uname -r", name).strip() != built.release
    return _wrong(found)


def _wrong(found: dict[str, bool]) -> list[str]:
    return [f"not as it should be: {name}" for name, ok in found.items() if not ok]


def build(wanted: Recipe) -> BuiltKernel:
    """The kernel, with its steps told on standard output."""
    return kernel.build(wanted, print, lambda text, done, known: None)[0]


def build_and_prove(wanted: Recipe) -> tuple[BuiltKernel, dict[str, Any]]:
    """The kernel, and what a campaign keeps of its build and its proof."""
    built = build(wanted)
    proof = kernel.prove(built, lambda text: None)
    # What the compiler says of a file that no patch touches is said of a stock kernel as well.
    touched = {path for patch in wanted.base.patches for path in _TOUCHED.findall(patch.text)}
    ours = [text for text in built.record["warnings"] if text.partition(":")[0] in touched]
    return built, {
        "ok": proof.ok and not ours,
        "label": LABEL,
        "release": built.release,
        "build_id": built.record["build_id"],
        "objects": built.record["objects"],
        "timings": built.record["timings"],
        "compiler_warnings": built.record["warnings"],
        "compiler_warnings_of_the_patches": ours,
        "checks": len(proof.checks),
        "failed": [check.sentence for check in failed(proof.checks)],
        "lines": list(proof.lines),
    }


def kernel_case(number: int) -> dict[str, Any]:
    """Build one of the lab's kernels and prove it."""
    linux, variant = KERNELS[number]
    kept: dict[str, Any] = {"linux": linux, "variant": variant, "label": LABEL}
    try:
        built, proven = build_and_prove(kernel.recipe(linux, "lab", variant=variant))
        # What lockdep and KASAN cost is not the patches'.
        costs = kernel.cost(built) if variant in (None, UNPATCHED) else []
    except HotkitError as error:
        return kept | {"ok": False, "error": error.message}
    return kept | proven | {"cost": costs}


def host_kernel_case(number: int) -> dict[str, Any]:
    """A kernel on top of lab-small's own configuration and modules: built, proven, round trip."""
    with tempfile.TemporaryDirectory(prefix=f"hotkit-host-kernel-{number}-") as name:
        folder = Path(name)
        config, modules = folder / "config", folder / "lsmod"
        config.write_text(sh("cat /boot/config-$(uname -r)"))
        modules.write_text(sh("/sbin/lsmod"))
        built, kept = build_and_prove(kernel.recipe(None, "host", config, modules=modules))
        problems = round_trip(built, lab_inventory(folder / "lab", built.key))
        loaded = len(modules.read_text().splitlines()) - 1
    return kept | {"ok": kept["ok"] and not problems, "modules": loaded, "problems": problems}


def _hotkit(what: str, inventory: Path, name: str) -> dict[str, Any]:
    """What the command says of the machine."""
    return told(what, inventory, name)[1]
