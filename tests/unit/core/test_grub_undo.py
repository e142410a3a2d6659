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


def test_every_stage_is_named_and_shown() -> None:
    written = "GRUB_CMDLINE_LINUX='quiet memmap=256M\\$1G '"
    undone = undo(written, "drop-in")
    assert [(item.reader, item.text) for item in undone.stages] == [
        ("as written (drop-in)", written),
        ("sh, into grub.cfg", "quiet memmap=256M\\$1G"),
        ("GRUB, to the kernel", "quiet memmap=256M$1G"),
    ]
    assert undone.effects == ("256M$1G: 256 MiB at [mem 0x40000000-0x4fffffff] become reserved",)
    readers = {name: [reader for reader, _ in stages] for name, stages in READERS.items()}
    assert readers == {
        "drop-in": ["sh, into grub.cfg", "GRUB, to the kernel"],
        "grub": ["GRUB, to the kernel"],
        "bls": ["blscfg (since May 2025)", "GRUB, to the kernel"],
        "bls-old": ["blscfg (older)", "GRUB, to the kernel"],
        "systemd-boot": ["systemd-boot, to the kernel"],
    }


def test_the_title_of_the_entry_is_the_first_parameter() -> None:
    assert undo("a$1b", "grub").kernel == "aDebian GNU/Linuxb"
    assert undo("a$1b", "grub", title="X").kernel == "aXb"
    assert undo("'a$1b'", "drop-in", title="X").kernel == "aXb"


def test_only_a_line_that_sets_the_variable_is_one() -> None:
    assert undo("'a=b'", "drop-in").stages[1].text == "a=b"
    assert undo("GRUB_CMDLINE_LINUX_DEFAULT=' a=b '", "drop-in").stages[1].text == "a=b"
    assert undo("GRUB_CMDLINE_LINUX", "drop-in").stages[1].text == "GRUB_CMDLINE_LINUX"


def test_what_a_reader_says_is_passed_on() -> None:
    with pytest.raises(HotkitError) as caught:
        undo('"$(date)"', "drop-in")
    assert caught.value.message == (
        "sh, into grub.cfg refuses '\"$(date)\"': the value needs a command's output"
    )
    assert caught.value.hint is None
    with pytest.raises(HotkitError) as caught:
        undo("a \\", "grub")
    assert caught.value.message == (
        "GRUB, to the kernel refuses 'a \\\\': GRUB script, line 1, column 12: "
        "the line goes on behind \\, but the script ends"
    )
    with pytest.raises(HotkitError, match="the drop-in, line 1"):
        undo('"open', "drop-in")
