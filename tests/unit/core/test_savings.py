"""Named savings: what each writes, that everybody who lists them lists all, and what is refused."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.assets import data
from hotkit.cli.layout import plan_command
from hotkit.core import cmdline
from hotkit.core.grub_quote import check_argument
from hotkit.core.kernelhashes import TABLES, entries
from hotkit.core.savings import (
    SAVINGS,
    read_save,
    read_units,
    replaced_by,
    save_arguments,
    smaller_hash_bytes,
    written_by,
)
from hotkit.core.units import GIB, MIB, TIB

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads(data("inventory.schema.json").read_text())["$defs"]["profile"]["properties"]


def test_everybody_lists_the_same_names():
    assert SCHEMA["save"]["items"]["enum"] == list(SAVINGS)
    words = re.findall(r"[a-z-]+", plan_command.help or "")
    assert set(SAVINGS) <= set(words)
    table = (ROOT / "docs/layouts.md").read_text()
    for item in SAVINGS.values():
        row = next(line for line in table.splitlines() if line.startswith(f"| `{item.name}` |"))
        for argument in item.arguments(GIB):
            assert argument.partition("=")[0] in row


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("memmap-on-memory", ("memory_hotplug.memmap_on_memory=1",)),
        ("no-crashkernel", ("crashkernel=0",)),
        ("no-hugepages", ("hugepages=0",)),
        ("no-pmem", ("initcall_blacklist=nd_pmem_driver_init,dax_pmem_init",)),
        ("no-debug", ("page_owner=off", "slub_debug=-", "stack_depot_disable=on")),
        ("trace-buffers", ("trace_buf_size=64K",)),
        (
            "hashes",
            ("dhash_entries=262144", "ihash_entries=131072", "mhash_entries=4096",
             "mphash_entries=4096", "thash_entries=16384", "uhash_entries=1024"),
        ),
    ],
)  # fmt: skip
def test_what_a_name_writes(name, arguments):
    assert save_arguments([name], [], 16 * GIB) == arguments
    assert all(check_argument(item) == item for item in arguments)


def test_units_come_last_one_argument_each():
    found = save_arguments(["no-crashkernel"], ["caddy.service", "data.mount"], GIB)
    assert found == ("crashkernel=0", "systemd.mask=caddy.service", "systemd.mask=data.mount")


@given(st.integers(64 * MIB, 4 * TIB))
def test_smaller_hashes(ram):
    """Every number is one the kernel would choose too, is smaller, and never wins more than all."""
    named = {item.name: int(item.value or 0)
             for item in cmdline.parse(" ".join(save_arguments(["hashes"], [], ram)))}  # fmt: skip
    assert len(named) == 6
    assert all(number & (number - 1) == 0 for number in named.values())
    udp = next(table for table in TABLES if table.name == "UDP")
    assert named["uhash_entries"] <= entries(udp, ram)
    dentries = entries(TABLES[0], ram)
    assert named["dhash_entries"] == max(512, dentries // 8)
    everything = sum(entries(table, ram) * table.bucket_bytes for table in TABLES)
    assert 0 <= smaller_hash_bytes(ram) < everything


@pytest.mark.parametrize(("gib", "won_mib"), [(4, 6.5), (16, 24.1), (64, 90.5), (256, 178.5)])
def test_what_smaller_hashes_win(gib, won_mib):
    """By hand for 16 GiB: dentries 16 -> 2, inodes 8 -> 1, mounts 2 x 0.25 -> 0.03, TCP 1 -> 0.125
    and 2 -> 0.5, UDP 2 x 0.25 -> 0.03, and TCP's listeners 0.125 -> 0.25 MiB."""
    assert smaller_hash_bytes(gib * GIB) / MIB == pytest.approx(won_mib, abs=0.05)


def test_what_takes_the_place_of_stock_arguments():
    assert replaced_by(["maxcpus=4", "crashkernel=0"]) == {"crashkernel"}
    assert replaced_by(["hugepages=0"]) == {"hugepages", "hugepagesz"}
    assert not replaced_by(["crashkernel=256M", "page_owner=off"])


@pytest.mark.parametrize(
    ("word", "writer"),
    [
        ("dhash-entries=5", "save: hashes"),
        ("crashkernel=1G,high", "save: no-crashkernel"),
        ("hugepagesz=1G", "save: no-hugepages"),
        ("systemd.mask=caddy.service", "mask_units: caddy.service"),
        ("systemd.mask=other.service", None),
        ("quiet", None),
    ],
)
def test_who_writes_an_argument(word, writer):
    save = ("hashes", "no-crashkernel", "no-hugepages")
    assert written_by(save, ("caddy.service",), word) == writer
    assert written_by((), (), word) is None


@pytest.mark.parametrize(
    ("read", "value", "problem"),
    [
        (read_save, "hashes", "is a list"),
        (read_save, {"hashes": 1}, "is a list"),
        (read_save, None, "is a list"),
        (read_save, ["hash"], "known: hashes, "),
        (read_save, ["hashes", "hashes"], "twice"),
        (read_units, ["mnt-my\\x2ddisk.mount"], "a backslash"),
        (read_units, ["caddy"], "not a unit that can be masked"),
        (read_units, ["multi-user.target"], "not a unit that can be masked"),
        (read_units, ["a b.service"], "not a unit that can be masked"),
        (read_units, [1], "is a list"),
    ],
)
def test_refused(read, value, problem):
    with pytest.raises(ValueError, match=problem.replace("\\", "\\\\")):
        read(value)


@pytest.mark.parametrize(
    "unit",
    ["ssh.service", "sshd.service", "ssh.socket", "sshd@.service", "hotkit-guard.service",
     "systemd-journald.socket", "systemd-remount-fs.service", "NetworkManager.service",
     "-.mount", "var.mount", "boot.mount", "dbus.socket"],
)  # fmt: skip
def test_a_unit_that_the_way_back_needs(unit):
    with pytest.raises(ValueError, match="is needed to reach"):
        read_units([unit])


@pytest.mark.parametrize(
    "unit", ["caddy.service", "getty@tty1.service", "data.mount", "tmp.mount", "fstrim.timer"]
)
def test_a_unit_that_may_stay_away(unit):
    assert read_units([unit]) == (unit,)
    assert re.search(SCHEMA["mask_units"]["items"]["pattern"], unit)
