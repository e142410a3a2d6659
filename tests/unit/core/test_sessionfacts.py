"""What is the same in several sweeps: every fact with its name, weight and values."""

from __future__ import annotations

import copy

import pytest

from hotkit.core.sessionfacts import Fact, Weight, facts_of

OTHER_WORK = "what a tracker costs one piece of work says nothing about another"
OTHER_PLATFORM = "emulated, virtual and metal costs are different things"
OTHER_MACHINE = "work in a guest pays for nested paging, and its time is the guest's"
KNOBS = {"thp": "never", "ksm": None}
MACHINE = {
    "platform": "metal", "nested": False, "kernel_release": "6.1", "arch": "x86_64", "cpus": 4,
    "cmdline": "BOOT_IMAGE=/vmlinuz root=/dev/vda1 initrd=/i ro quiet", "memory_bytes": 1000,
    "clocksource": "tsc", "knobs": KNOBS, "boot_id": "b-1",
}  # fmt: skip
GUEST = {
    "name": "g1", "kind": "started", "backing": "4k", "vcpus": 2, "memory_bytes": 500,
    "machine": {"kernel_release": "6.2", "clocksource": "kvm-clock", "knobs": {"thp": "always"}},
}  # fmt: skip
SESSION = {
    "machine": MACHINE, "host": "m1", "seed": 7, "created": "2026-11-27", "hotkit": "1.0",
    "description": {"workload": {"kind": "hotset", "options": {"b": 1, "a": 2}}, "blocks": 6},
    "sha256": {"agent": "a" * 64, "workload": "w" * 64, "scan": "s" * 64},
}  # fmt: skip
BARE = {"machine": {}, "description": {"workload": {}}}


def session(machine=(), guest=None, **more):
    found = copy.deepcopy(SESSION) | more
    found["machine"] |= dict(machine)
    return found | ({"guest": copy.deepcopy(guest)} if guest is not None else {})


def named(sessions, works=None):
    return {item.name: item for item in facts_of(sessions, works or [None] * len(sessions))}


def refuses(name, why, *values):
    return Fact(name=name, weight=Weight.REFUSES, values=values, why=why)


def blocks(name, *values):
    return Fact(name=name, weight=Weight.BLOCKS, values=values, why="")


def free(name, *values):
    return Fact(name=name, weight=Weight.FREE, values=values, why="")


def test_all_facts_of_a_session_the_gravest_first():
    assert facts_of([session()], ["c0ffee"]) == (
        refuses("platform", OTHER_PLATFORM, "metal"),
        refuses("workload kind", OTHER_WORK, "hotset"),
        refuses("workload options", OTHER_WORK, '{"a": 2, "b": 1}'),
        blocks("nested", "false"),
        blocks("host", "m1"),
        blocks("kernel", "6.1"),
        blocks("command line", "ro quiet"),
        blocks("architecture", "x86_64"),
        blocks("CPUs", "4"),
        blocks("memory (bytes)", "1000"),
        blocks("clocksource", "tsc"),
        blocks("knob thp", "never"),
        blocks("knob ksm", None),
        blocks("agent SHA-256", "a" * 12),
        blocks("workload SHA-256", "w" * 12),
        blocks("scan SHA-256", "s" * 12),
        free("work done (checksum)", "c0ffee"),
        free("seed", "7"),
        free("blocks", "6"),
        free("boot id", "b-1"),
        free("measured", "2026-11-27"),
        free("hotkit", "1.0"),
    )


def test_what_was_not_recorded_is_none():
    found = facts_of([BARE], [None])
    assert {item.values for item in found} == {(None,)}
    assert len(found) == 18  # without workload and knobs


def test_facts_of_a_guest_follow_the_workload():
    found = facts_of([session(guest=GUEST)], [None])
    assert found[3:13] == (
        refuses("workload's machine", OTHER_MACHINE, "a guest"),
        blocks("guest", "g1"),
        blocks("guest kind", "started"),
        blocks("guest backing", "4k"),
        blocks("guest vCPUs", "2"),
        blocks("guest memory (bytes)", "500"),
        blocks("guest kernel", "6.2"),
        blocks("guest clocksource", "kvm-clock"),
        blocks("guest knob thp", "always"),
        blocks("nested", "false"),
    )
    bare = named([session(guest={"name": "g1"}), session(guest={"name": "g1"})])
    assert bare["guest"].values == ("g1", "g1")
    rest = ("kind", "backing", "vCPUs", "memory (bytes)", "kernel", "clocksource")
    assert {bare[f"guest {name}"].values for name in rest} == {(None, None)}
    assert "guest knob thp" not in bare


def test_a_guest_is_not_compared_with_the_host_itself():
    found = facts_of([session(guest=GUEST), session(), session(guest=None)], [None] * 3)
    where = refuses("workload's machine", OTHER_MACHINE, "a guest", *["the host itself"] * 2)
    assert found[3] == where and found[4].name == "nested"
    assert not any("guest" in name for name in named([session(), session()]))


def test_keys_of_a_workload_that_not_all_have_block_and_refuse_nothing():
    """In the order in which they come up."""
    one = session(description={"workload": {"size": 1, "kind": "a"}})
    two = session(description={"workload": {"kind": "b", "seed": None}})
    assert facts_of([one, two], [None, None])[1:4] == (
        Fact(name="workload size", weight=Weight.BLOCKS, values=("1", None), why=OTHER_WORK),
        refuses("workload kind", OTHER_WORK, "a", "b"),
        Fact(name="workload seed", weight=Weight.BLOCKS, values=(None, "null"), why=OTHER_WORK),
    )


def test_knobs_that_not_all_have():
    one, two = session({"knobs": {"a": "1"}}), session({"knobs": {"b": "2"}})
    found = named([one, two])
    assert found["knob a"].values == ("1", None) and found["knob b"].values == (None, "2")


@pytest.mark.parametrize(
    ("values", "agrees"),
    [(("a",), True), (("a", "a"), True), (("a", "b"), False), (("a", None), False),
     ((None, None), False), ((), False)],
)  # fmt: skip
def test_values_that_agree(values, agrees):
    assert free("x", *values).agrees is agrees


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ([1000, 1000], ("1000", "1000")),
        ([1000, 990], ("1000", "1000")),  # 1 % less is the same RAM
        ([991, None, 1000], ("1000", None, "1000")),
        ([1000, 989], ("1000", "989")),
        ([1000, 989, 995, None], ("1000", "989", "995", None)),
        ([None, None], (None, None)),
        ([0], ("0",)),
    ],
)
def test_sizes_that_differ_by_pages_only(sizes, said):
    guests = [GUEST | {"memory_bytes": size} for size in sizes]
    found = named([session({"memory_bytes": size}, guest)
                   for size, guest in zip(sizes, guests, strict=True)])  # fmt: skip
    assert found["memory (bytes)"].values == found["guest memory (bytes)"].values == said


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["ro quiet"], ("ro quiet",)),
        (["root=/dev/a ro quiet", "BOOT_IMAGE=/k ro  quiet initrd=/i"], ("ro quiet", "ro quiet")),
        # The order counts only where the words are the same.
        (["ro quiet", "quiet ro"], ("ro quiet", "quiet ro")),
        (["a b c", "c d a"], ("b", "d")),
        (["a b", "a"], ("b", "-")),
        (["a b b c", "a c"], ("b b", "-")),
        (["a", "a b", "a c d"], ("-", "b", "c d")),
        (["a b", None], ("a b", None)),
        (["a b", None, "a c"], ("b", None, "c")),
        ([None, None], (None, None)),
        (["", ""], ("", "")),
        (["", "a"], ("-", "a")),
    ],
)
def test_of_command_lines_only_what_differs(lines, said):
    found = named([session({"cmdline": line}) for line in lines])["command line"]
    assert found.values == said


def test_a_checksum_is_twelve_digits_and_an_empty_one_none():
    hashes = {"agent": "0123456789abcdef", "workload": "", "scan": None}
    found = named([session(sha256=hashes)])
    assert found["agent SHA-256"].values == ("0123456789ab",)
    assert found["workload SHA-256"].values == found["scan SHA-256"].values == (None,)
