"""The lab's disk image: Debian packages in, a bootable disk with the real GRUB out.

No loop device, no mount, no root needed where user namespaces are allowed: mmdebstrap unpacks the
packages, `mke2fs -d` fills a file system inside the disk file, and one boot with init=/bin/sh runs
the distribution's own grub-install and update-grub.

An image lives in `$XDG_CACHE_HOME/hotkit/images/<recipe>-<date>/`: `base.raw` (sparse, never
written again: machines are overlays), `vmlinuz`, `initrd.img`, `config`, `manifest.json` and
`bake.log`.
`recipe` is a hash of everything that decides what is built, except the versions of the Debian
packages: an image stays as it is until somebody asks for a newer one (`--rebuild`), so that two
days in the lab are comparable; the manifest names every package version.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hotkit.assets import data
from hotkit.core.units import GIB, MIB
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.dirs import cache_dir
from hotkit.host.run import require, run, which

Say = Callable[[str], None]

IMAGE_SCHEMA_VERSION = 1
SUITE = "bookworm"
DISK_BYTES = 4 * GIB
PARTITION_START = MIB  # where parted and the Debian installer put it; GRUB's core fits before it
FS_UUID = "6a1f0f7e-0000-4000-8000-000000000001"
_RECIPE_VERSION = "1"  # raise when this file changes what comes out
_BAKE_TIMEOUT_S = 420
_TOOLS = (
    ("mmdebstrap", "mmdebstrap"),
    ("fakeroot", "fakeroot"),
    ("mke2fs", "e2fsprogs"),
    ("qemu-system-x86_64", "qemu-system-x86"),
)


@dataclass(frozen=True, slots=True)
class LabImage:
    """A finished image in the cache."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def disk(self) -> Path:
        return self.path / "base.raw"

    @property
    def kernel(self) -> Path:
        return self.path / "vmlinuz"

    @property
    def kernel_release(self) -> str:
        return str(self.manifest()["kernel_release"])

    def manifest(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.path / "manifest.json").read_text())
        return loaded


def images_dir() -> Path:
    path = cache_dir() / "images"
    path.mkdir(exist_ok=True, mode=0o700)
    return path


def packages() -> list[str]:
    """The package list of the image, comments taken off."""
    lines = (data("lab") / "packages.txt").read_text().splitlines()
    words = (line.partition("#")[0].strip() for line in lines)
    return [word for word in words if word]


def recipe() -> str:
    """Twelve hex digits over everything that decides what an image is, package versions apart."""
    digest = hashlib.sha256()
    for part in (_RECIPE_VERSION, SUITE, str(DISK_BYTES), FS_UUID, *packages()):
        digest.update(part.encode() + b"\0")
    for name in ("hook-essential.sh", "hook-customize.sh", "bake.sh"):
        digest.update((data("lab") / name).read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def find_image() -> LabImage | None:
    """The newest finished image of today's recipe, or None. (A build renames when it is whole.)"""
    found = sorted(images_dir().glob(f"{recipe()}-*/manifest.json"))
    return LabImage(found[-1].parent) if found else None


def ensure_image(say: Say, *, rebuild: bool = False, mirror: str | None = None) -> LabImage:
    """Return the image, building it first when there is none, or anew with `rebuild`.

    One builder at a time: a second caller waits, then finds the first one's image.
    """
    asked = time.time()
    image = find_image()
    if image and not rebuild:
        return image
    with _builder_lock(say):
        image = find_image()
        if image and (not rebuild or image.path.stat().st_mtime > asked):
            return image
        return _build(say, mirror)


@contextmanager
def _builder_lock(say: Say) -> Iterator[None]:
    with (images_dir() / "build.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another hotkit is building the image: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(say: Say, mirror: str | None) -> LabImage:
    for tool, package in _TOOLS:
        require(tool, package)
    for leftover in images_dir().glob(".building-*"):  # we hold the lock: its builder is dead
        shutil.rmtree(leftover)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    final = images_dir() / f"{recipe()}-{stamp}"
    work = images_dir() / f".building-{final.name}"
    work.mkdir(mode=0o700)
    timings: dict[str, float] = {}
    try:
        with _step("packages", say, timings):
            _bootstrap(work, mirror)
        with _step("disk", say, timings):
            _pack(work)
        with _step("bake", say, timings):
            _bake(work)
        _write_manifest(work, timings)
        work.rename(final)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    return LabImage(final)


_STEPS = {
    "packages": "1/3 Debian packages into a root file system (mmdebstrap)",
    "disk": "2/3 a disk of it (mke2fs -d, no loop device)",
    "bake": "3/3 first boot: the real grub-install and update-grub",
}


@contextmanager
def _step(name: str, say: Say, timings: dict[str, float]) -> Iterator[None]:
    say(_STEPS[name])
    began = time.monotonic()
    yield
    timings[f"{name}_s"] = round(time.monotonic() - began, 1)


def _bootstrap(work: Path, mirror: str | None) -> None:
    """Unpack and configure the packages: `work`/root.tar."""
    mode = "root" if os.getuid() == 0 else "unshare"
    if mode == "unshare" and which("newuidmap") is None:
        raise HotkitError(
            "building the image as a user needs newuidmap",
            hint="apt-get install uidmap, or run `hotkit lab image build` once as root",
        )
    run(
        [
            "mmdebstrap", f"--mode={mode}", "--variant=minbase", "--quiet",
            f"--include={','.join(packages())}",
            "--aptopt=APT::Install-Recommends \"false\"",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-exclude=/usr/share/man/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*",
            f"--essential-hook={data('lab') / 'hook-essential.sh'}",
            f"--customize-hook={data('lab') / 'hook-customize.sh'}",
            SUITE, work / "root.tar", *([mirror] if mirror else []),
        ],
        env={"FSUUID": FS_UUID},
        timeout=1800,
    )  # fmt: skip


# Under fakeroot, so that the owners in the tar survive without being root. $1: the work directory.
_PACK = f"""
set -eu
cd "$1"
mkdir root
tar -C root -xf root.tar
cp -L root/vmlinuz vmlinuz
cp -L root/initrd.img initrd.img
cp root/boot/config-* config
cp root/usr/share/hotkit-lab-packages packages
mke2fs -q -t ext4 -U {FS_UUID} -L root -E offset={PARTITION_START},root_owner=0:0 \
    -d root base.raw {(DISK_BYTES - PARTITION_START) // 1024}k
"""


def _pack(work: Path) -> None:
    """`root.tar` -> `base.raw`: a partition table by hand, the file system behind it."""
    with (work / "base.raw").open("wb") as disk:
        disk.truncate(DISK_BYTES)
        disk.write(_partition_table())
    run(["fakeroot", "sh", "-c", _PACK, "pack", work], timeout=600)
    shutil.rmtree(work / "root")
    (work / "root.tar").unlink()


def _partition_table() -> bytes:
    """An MBR with one active Linux partition (CHS fields say "use the LBA ones")."""
    table = bytearray(512)
    start, end = PARTITION_START // 512, DISK_BYTES // 512
    table[440:444] = b"HKIT"  # the disk's signature
    table[446:462] = struct.pack(
        "<B3sB3sII", 0x80, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", start, end - start
    )
    table[510:512] = b"\x55\xaa"
    return bytes(table)


def _bake(work: Path) -> None:
    """Boot the disk once, past its missing loader, and let Debian's own tools install GRUB."""
    script = "; ".join(
        line
        for line in (data("lab") / "bake.sh").read_text().replace("\\\n", " ").splitlines()
        if line and not line.startswith("#")
    )
    # Software emulation always does, and takes half a minute: no accelerator is probed for this.
    run(
        [
            "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-machine", "q35", "-cpu", "max",
            "-smp", "2", "-m", "1G", "-display", "none", "-nodefaults", "-no-reboot",
            "-serial", f"file:{work / 'bake.log'}",
            "-kernel", work / "vmlinuz", "-initrd", work / "initrd.img",
            "-append", f"root=UUID={FS_UUID} rw console=ttyS0,115200 panic=-1 "
                       f'init=/bin/sh -- -c "{script}"',
            "-drive", f"file={work / 'base.raw'},format=raw,if=virtio,cache=unsafe",
            "-device", "virtio-rng-pci",
        ],
        timeout=_BAKE_TIMEOUT_S,
    )  # fmt: skip
    log = (work / "bake.log").read_text(errors="replace")
    if "\nHOTKIT-BAKE-OK" not in log.replace("\r", ""):
        tail = "\n".join(log.strip().splitlines()[-15:])
        raise HotkitError(
            f"GRUB could not be installed into the lab image:\n{tail}",
            exit_code=ExitCode.VERDICT_FAILED,
        )


def _write_manifest(work: Path, timings: dict[str, float]) -> None:
    versions = dict(line.split() for line in (work / "packages").read_text().splitlines())
    (work / "packages").unlink()
    release = next(
        name.removeprefix("linux-image-") for name in versions if name.startswith("linux-image-6")
    )
    manifest = {
        "schema_version": IMAGE_SCHEMA_VERSION,
        "recipe": recipe(),
        "suite": SUITE,
        "built": datetime.now(UTC).isoformat(timespec="seconds"),
        "kernel_release": release,
        "disk_bytes": DISK_BYTES,
        "timings": timings,
        "packages": versions,
    }
    (work / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
