"""Each wrong spelling that was tried on real machines is recognised by what came out of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.grub_eval import kernel_cmdline
from hotkit.core.grub_quote import grub_script
from hotkit.core.spellings import SPELLINGS, derive

PUBLISHED = "memmap=127796M$5324M,117964M$146228M"


def named(argument: str, cmdline: str) -> set[tuple[str, str]]:
    return {(m.spelling.form, m.spelling.where) for m in derive(argument, "maxcpus=4", cmdline)}


# What a real update-grub and a real boot made of each spelling, with Debian's GRUB 2.06 (and the
# function of blscfg, run by itself). Left: what the kernel got.
TRIED = [
    ("memmap=512M$1G", "memmap=512Mhotkit-unescapedG", ("$", "menuentry")),
    ("memmap=256M$1G", "memmap=256M/usr/sbin/grub-probeG", ('"$"', "default_grub")),
    ("memmap=256M$1G", "memmap=256MDebian GNU/LinuxG", (r'"\$"', "default_grub")),
    ("memmap=256M$1G", "memmap=256MDebian GNU/LinuxG", ("'$'", "default_grub")),
    ("memmap=256M$1G", "memmap=256M/usr/sbin/grub-probeG", (r'"\\$"', "default_grub")),
    ("memmap=256M$1G", r"memmap=256M\\$1G", (r"'\\\$'", "default_grub")),
    ("memmap=512M$1G", r"memmap=512M\\$1G", (r'"\\\$"', "menuentry")),
    ("memmap=1M$5324M", "memmap=1MM", ("$", "menuentry")),
    ("memmap=1M$5324M", "memmap=1M324M", ('"$"', "default_grub")),
    (PUBLISHED, "memmap=127796M,117964Mmaxcpus=4", ("$", "bls")),
    (PUBLISHED, "memmap=127796M,117964Mmaxcpus=4", (r"\$", "bls")),
    (PUBLISHED, r"memmap=127796M\$5324M,117964M\$146228M", (r"\$", "as-is")),
]


@pytest.mark.parametrize(("argument", "arrived", "spelling"), TRIED)
def test_what_was_tried_on_real_machines(argument, arrived, spelling):
    assert spelling in named(argument, f"root=/dev/vda1 ro {arrived} maxcpus=4")


def test_the_entrys_title_is_found_out():
    (match, *_) = derive("memmap=512M$1G", "ro", "quiet memmap=512Mhotkit-unescapedG ro")
    assert (match.title, match.found) == ("hotkit-unescaped", "memmap=512Mhotkit-unescapedG")


@pytest.mark.parametrize(
    "cmdline",
    [
        "quiet",
        PUBLISHED,  # arrived as it should
        "memmap=64M",  # a cap, but no spelling of ours makes it
        "memmap=127796M$5324M",
    ],
)
def test_no_spelling_is_named_without_evidence(cmdline):
    assert derive(PUBLISHED, "maxcpus=4", cmdline) == ()


def test_an_argument_without_a_dollar_has_no_escape_to_lose():
    assert derive("memmap=1G%5G-1+2", "ro", "memmap=1G") == ()


SIZES = st.integers(min_value=1, max_value=200_000)


@given(size=SIZES, start=SIZES, title=st.sampled_from(["hotkit x", "linux", "Debian GNU/Linux"]))
def test_every_wrong_spelling_in_a_menuentry_is_recognised(size, start, title):
    argument = f"memmap={size}M${start}M"
    for spelling in SPELLINGS:
        if spelling.where == "menuentry":
            text = spelling.quote + spelling.spell(argument) + spelling.quote
            arrived = kernel_cmdline(f"linux /k {text} ro\n", params=(title,))
            assert (spelling.form, "menuentry") in named(argument, arrived), (spelling, arrived)


@given(size=SIZES, start=SIZES)
def test_the_right_spelling_is_never_called_wrong(size, start):
    argument = f"memmap={size}M${start}M"
    arrived = kernel_cmdline(f"linux /k {grub_script([argument])} ro\n", params=("title",))
    assert named(argument, arrived) == set()
