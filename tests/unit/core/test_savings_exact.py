"""Named savings to the last byte and word: buckets won, who writes an argument, and refusals."""

import pytest

from hotkit.core.savings import (
    SAVINGS,
    read_save,
    read_units,
    replaced_by,
    save_arguments,
    smaller_hash_bytes,
    written_by,
)
from hotkit.core.units import GIB, KIB, MIB


@pytest.mark.parametrize(
    ("ram", "won"),
    [
        # 2^21 dentries and 2^20 inodes of 8 bytes become 2^18 and 2^17; twice 2^15 mounts become
        # 2^12; 2^17 connections 2^14, with 2^16 x 32 bytes for ports and 2^13 x 16 for listeners;
        # twice 2^13 x 32 bytes of UDP become 2^10.
        (16 * GIB, (14 + 7) * MIB + (2 * 224 + 896 + 1536 - 128 + 2 * 224) * KIB),
        # 2^13 and 2^12 become 2^10 and 2^9; UDP's 2^8 stay, the listeners' 2^8 become TCP's 2^9.
        (64 * MIB, 7168 * 8 + 3584 * 8 - 256 * 16),
        # So little that nothing shrinks: not less than nothing is won.
        (4 * MIB, 0),
    ],
)
def test_what_smaller_hashes_win_to_the_last_byte(ram, won):
    assert smaller_hash_bytes(ram) == won


def test_the_fewest_buckets_fill_a_page():
    assert save_arguments(["hashes"], [], 64 * MIB) == (
        "dhash_entries=1024", "ihash_entries=512", "mhash_entries=512", "mphash_entries=512",
        "thash_entries=512", "uhash_entries=256",
    )  # fmt: skip


def test_arguments_stand_in_the_order_of_their_names_and_units_last():
    assert save_arguments(["trace-buffers", "no-debug"], ["b.mount", "a.service"], GIB) == (
        "trace_buf_size=64K", "page_owner=off", "slub_debug=-", "stack_depot_disable=on",
        "systemd.mask=b.mount", "systemd.mask=a.service",
    )  # fmt: skip
    assert save_arguments([], [], GIB) == ()


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ([], set()),
        (["crashkernel=0", "hugepages=0", "page_owner=off"],
         {"crashkernel", "hugepages", "hugepagesz"}),
        (["crashkernel=0 "], set()),
        (["hugepages=0x"], set()),
    ],
)  # fmt: skip
def test_only_what_a_name_writes_in_full_replaces(arguments, names):
    found = replaced_by(iter(arguments))
    assert (found, type(found)) == (names, frozenset)


@pytest.mark.parametrize(
    ("word", "writer"),
    [
        ("stack-depot-disable=off", "save: no-debug"),
        ("page_owner", "save: no-debug"),
        ("uhash_entries=1", "save: hashes"),
        ("hugepages=1", "save: no-hugepages"),
        ("hugepagesz=2M", "save: no-hugepages"),
        ("quiet uhash_entries=1", "save: hashes"),
        ("crashkernel=1G", None),
        ("systemd.mask=b.mount", "mask_units: b.mount"),
        ("quiet systemd-mask=b.mount", None),
        ("systemd.mask=c.mount", None),
        ("systemd.wants=b.mount", None),
        ("systemd.mask", None),
        ("", None),
    ],
)
def test_who_writes_an_argument_already(word, writer):
    save = ("no-debug", "hashes", "no-hugepages")
    assert written_by(save, ("a.service", "b.mount"), word) == writer


def test_values_that_are_good_come_back_in_their_order():
    assert read_save(["no-debug", "hashes"]) == ("no-debug", "hashes")
    assert read_save(()) == read_units([]) == ()
    assert read_units(("b.mount", "a@1:2.timer")) == ("b.mount", "a@1:2.timer")


KINDS = ".service, .socket, .timer, .path, .mount, .automount, .swap"


@pytest.mark.parametrize(
    ("read", "value", "problem"),
    [
        (read_save, "hashes", "is a list of names"),
        (read_save, ["hashes", 1], "is a list of names"),
        (read_units, "a.service", "is a list of systemd units"),
        (read_units, None, "is a list of systemd units"),
        (read_save, ["b", "a", "a", "b", "c"], "b stands there twice"),
        (read_units, ["c.mount", "a.mount", "a.mount"], "a.mount stands there twice"),
        (read_save, ["hashes", "hash", "x"], f"'hash' is not known; known: {', '.join(SAVINGS)}"),
        (read_units, ["a.mount", "x\\y.mount"],
         "'x\\\\y.mount' holds a backslash, which GRUB passes on escaped"),
        (read_units, ["a.mount", "b.target"],
         f"'b.target' is not a unit that can be masked: write NAME and one of {KINDS}"),
        (read_units, ["a.mount", "ssh.service"],
         "ssh.service is needed to reach the machine or to bring it back"),
    ],
)  # fmt: skip
def test_a_refusal_is_one_whole_sentence(read, value, problem):
    with pytest.raises(ValueError, match=" ") as caught:
        read(value)
    assert str(caught.value) == problem
