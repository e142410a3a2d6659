"""What an initramfs and a kernel will take, from their files."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from pathlib import Path

import pytest

from hotkit.agent.bootimages import cpio_end, unpacked_bytes
from hotkit.host import cpio


def archive(size: int) -> bytes:
    """A cpio archive with one file, not compressed."""
    return gzip.decompress(cpio.pack([cpio.Item("f", cpio.PROGRAM, b"x" * size)]))


def test_compressed_after_one_that_is_not(tmp_path: Path) -> None:
    """Microcode comes first, as it is; then the archive proper."""
    early, late = archive(5000), archive(300_000)
    path = tmp_path / "initrd.img"
    path.write_bytes(early + gzip.compress(late))
    assert unpacked_bytes(path) == len(early) + len(late)
    path.write_bytes(early)
    assert unpacked_bytes(path) == len(early)


@pytest.mark.parametrize("tool", ["zstd", "xz"])
def test_other_packers(tool: str, tmp_path: Path) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed: tools/setup installs it")
    late = archive(100_000)
    packed = subprocess.run([tool, "-c"], input=late, capture_output=True, check=True).stdout
    path = tmp_path / "initrd.img"
    path.write_bytes(packed)
    assert unpacked_bytes(path) == len(late)


def test_what_nobody_can_read_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "initrd.img"
    path.write_bytes(b"\x1f\x8b" + b"no gzip" * 100)
    assert unpacked_bytes(path) is None
    path.write_bytes(b"who knows")
    assert unpacked_bytes(path) is None


def test_an_archive_that_is_cut_off_ends_somewhere() -> None:
    whole = archive(5000)
    assert cpio_end(whole, 0) <= len(whole) + 512
    assert cpio_end(whole[:200], 0) >= 200
