"""The source of a kernel: fetched as a Debian package, unpacked, patched, all without root."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hotkit.core.patchseries import Patch, read_failure
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.dirs import cache_dir
from hotkit.host.run import require, run


@dataclass(frozen=True, slots=True)
class SourcePackage:
    """A source package as apt knows it; `sha256` is of the .deb."""

    package: str
    version: str
    sha256: str

    @property
    def release(self) -> str:
        """The kernel's own version: 6.1.192 of 6.1.192-2."""
        return self.version.partition("-")[0].partition("~")[0]


def find_source(package: str) -> SourcePackage:
    """The candidate that apt would install; HotkitError when it knows of none."""
    require("apt-cache", "apt")
    said = run(["apt-cache", "show", "--no-all-versions", package], check=False).stdout
    version = re.search(r"^Version: (\S+)$", said, re.MULTILINE)
    digest = re.search(r"^SHA256: (\w{64})$", said, re.MULTILINE)
    if version is None or digest is None:
        raise HotkitError(
            f"apt knows no package {package}",
            hint="on Debian 12: apt-get update; linux-source-6.12 is in bookworm-backports",
        )
    return SourcePackage(package, version[1], digest[1])


def fetch(source: SourcePackage) -> Path:
    """The .deb in the cache, downloaded unless it is there; its sum is checked."""
    folder = cache_dir() / "kernels" / "sources"
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{source.package}_{source.sha256[:16]}.deb"
    if kept.exists():
        return kept
    work = folder / f".fetching-{kept.stem}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        run(
            ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download",
             f"{source.package}={source.version}"],
            cwd=work, timeout=1800,
        )  # fmt: skip
        (deb,) = work.glob("*.deb")
        with deb.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != source.sha256:
            raise HotkitError(
                f"{deb.name}: sha256 is {found}, apt's index says {source.sha256}",
                hint="apt-get update, then try again",
                exit_code=ExitCode.VERDICT_FAILED,
            )
        deb.rename(kept)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return kept


def unpack(deb: Path, target: Path, parts: Sequence[str] = ()) -> int:
    """The source tree at `target` (not there yet); returns its date in epoch seconds.

    `parts`: no more than these files and folders of it, as patterns of tar's.
    """
    work = target.with_name(f".unpacking-{target.name}")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        run(["dpkg-deb", "-x", deb, work / "deb"], timeout=600)
        (archive,) = (work / "deb").glob("usr/src/*.tar.*")
        date = int(archive.stat().st_mtime)
        (work / "tree").mkdir()
        only = ["--wildcards", "--no-wildcards-match-slash", *(f"*/{part}" for part in parts)]
        run(
            ["tar", "-C", work / "tree", "--strip-components=1", "-xf", archive,
             *(only if parts else [])],
            timeout=600,
        )  # fmt: skip
        (work / "tree").rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return date


def apply_series(tree: Path, patches: Sequence[Patch]) -> None:
    """Apply all patches in order; HotkitError names the file and hunk that does not fit.

    patch(1) may find a hunk at another line, but only with its whole context (--fuzz=0).
    """
    require("patch", "patch")
    for patch in patches:
        # --force, not --batch: that one would take a patch back that is applied already.
        words = ["patch", "-p1", "--fuzz=0", "--force", "--no-backup-if-mismatch", "-r-"]
        tried = run([*words, "--dry-run"], cwd=tree, input=patch.text, check=False, timeout=120)
        if tried.returncode:
            failure = read_failure(patch.name, tried.stdout + tried.stderr)
            raise HotkitError(
                failure.sentence,
                hint="port the patch to this source: kernel/README.md says how",
                exit_code=ExitCode.VERDICT_FAILED,
            )
        run(words, cwd=tree, input=patch.text, timeout=120)
