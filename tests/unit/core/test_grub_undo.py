"""--undo: every stage of a spelling, and what the kernel makes of the end."""

from __future__ import annotations

import pytest

from hotkit.core.grub_undo import READERS, undo
from hotkit.errors import HotkitError


@pytest.mark.parametrize(
    ("spelling", "written_in", "kernel", "effect"),
    [
        ("memmap=127796M$5324M", "grub", "memmap=127796MM", "no RAM above"),
        ("memmap=512M\\$1G", "grub", "memmap=512M$1G", "reserved"),
        ('"quiet memmap=256M$1G"', "drop-in", "quiet memmap=256M/usr/sbin/grub-probeG", "no RAM"),
        ("'quiet memmap=256M\\$1G'", "drop-in", "quiet memmap=256M$1G", "reserved"),
        (
            "GRUB_CMDLINE_LINUX='memmap=256M$1G'",
            "drop-in",
            "memmap=256MDebian GNU/LinuxG",
            "no RAM",
        ),
        ("memmap=1G\\$5G maxcpus=4", "bls", "memmap=1G$5G maxcpus=4", "reserved"),
        ("memmap=1G\\$5G maxcpus=4", "bls-old", "memmap=1Gmaxcpus=4", "no RAM above 1 GiB"),
        ("memmap=1G$5G", "systemd-boot", "memmap=1G$5G", "reserved"),
    ],
)
def test_undo(spelling: str, written_in: str, kernel: str, effect: str) -> None:
    undone = undo(spelling, written_in)
    assert undone.kernel == kernel
    assert effect in " ".join(undone.effects)
    assert len(undone.stages) == len(READERS[written_in]) + 1


@pytest.mark.parametrize(
    ("spelling", "written_in", "what"),
    [
        ("memmap=1G$,2G", "grub", "GRUB, to the kernel refuses"),
        ('"open', "drop-in", "sh, into grub.cfg refuses"),
        ('"$(date)"', "drop-in", "command's output"),
    ],
)
def test_a_reader_that_refuses_is_named(spelling: str, written_in: str, what: str) -> None:
    with pytest.raises(HotkitError, match=what):
        undo(spelling, written_in)
