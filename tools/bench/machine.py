"""lab-small for a benchmark: a lab of its own, taken down at the end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from hotkit import kernel, lab
from hotkit.assets import asset
from hotkit.errors import HotkitError
from hotkit.host.inventory import load_inventory
from hotkit.host.kernelbuild import built_kernels
from hotkit.host.ssh import Ssh

MACHINE = "lab-small"


@contextmanager
def own_lab() -> Iterator[Path]:
    """lab-small, up, in a state directory that nobody else knows; the directory."""
    before = os.environ.get("XDG_STATE_HOME")
    with tempfile.TemporaryDirectory(prefix="hotkit-bench-") as state:
        os.environ["XDG_STATE_HOME"] = state
        try:
            lab.up(lab.known_machine(MACHINE), _quiet)
            yield Path(state)
        finally:
            for name in lab.up_or_died():
                lab.down(name, _quiet)
            if before is None:
                del os.environ["XDG_STATE_HOME"]
            else:
                os.environ["XDG_STATE_HOME"] = before


@contextmanager
def patched_machine(console: Console) -> Iterator[Ssh]:
    """lab-small with its layout and the patched kernel: the newest in the cache, else one is built.

    Raises HotkitError when it cannot be provisioned.
    """
    key = _newest_kernel(console)
    with own_lab() as state:
        inventory = state / "inventory"
        shutil.copytree(asset("inventories") / "lab", inventory)
        with (inventory / "host_vars" / f"{MACHINE}.yml").open("a") as stream:
            stream.write(f"hotkit_kernel: {key}\n")
        console.print(f"provisioning {MACHINE} with kernel {key} (a few minutes)")
        words = [sys.executable, "-m", "hotkit", "provision", str(inventory), "--limit", MACHINE]
        done = subprocess.run([*words, "--yes", "--json"], capture_output=True, text=True)
        if done.returncode:
            said = done.stderr
            if done.stdout:
                said = json.loads(done.stdout)["hosts"][0]["sentence"]
            raise HotkitError(f"{MACHINE} could not be provisioned: {said[-500:]}")
        yield Ssh(load_inventory("lab", MACHINE).host(MACHINE).way)


def copy_there(link: Ssh, file: Path, name: str) -> str:
    """Copy a program there; its path."""
    path = f"/root/{name}"
    link.run(
        ["sh", "-c", f"cat > {path} && chmod 755 {path}"], input=file.read_bytes(), binary=True
    )
    return path


def _newest_kernel(console: Console) -> str:
    known = [
        one for one in built_kernels()
        if one.record["flavour"] == "lab" and one.record["variant"] is None
    ]  # fmt: skip
    if known:
        return known[-1].key
    console.print("building the patched kernel (`hotkit kernel build`, about 7 minutes)")
    return kernel.build(
        kernel.recipe(None, "lab"), lambda text: None, lambda text, done, known: None
    )[0].key


def _quiet(name: str, text: str) -> None:
    """Progress that nobody watches."""
