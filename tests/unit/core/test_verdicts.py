"""Verdicts and diagnoses on the two-socket machine of the captures, good and broken."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hotkit.core import memmap
from hotkit.core.check import Check, Verdict
from hotkit.core.diagnosis import diagnose
from hotkit.core.e820 import E820Entry, E820Type
from hotkit.core.footprint import layout_memtotal_bounds
from hotkit.core.labels import Label, Platform
from hotkit.core.layout import Layout
from hotkit.core.observed import NodeState, Observed
from hotkit.core.plan import plan
from hotkit.core.profile import Profile, Tier
from hotkit.core.ranges import Range, RangeSet
from hotkit.core.topology import Cpu, MemoryAffinity, Topology
from hotkit.core.units import GIB, MIB
from hotkit.core.verdicts import cpu_list, expectations

G = GIB
PMEM_2 = Range(0x4080000000, 0xBE80000000)
TOPOLOGY = Topology(
    name="two-socket",
    source="test",
    nodes=(0, 1, 2),
    firmware=(
        E820Entry(Range(0, 0x9FC00), E820Type.RAM),
        E820Entry(Range(0x9FC00, 0xA0000), E820Type.RESERVED),
        E820Entry(Range(0xF0000, 0x100000), E820Type.RESERVED),
        E820Entry(Range(0x100000, 0x7FFD9000), E820Type.RAM),
        E820Entry(Range(0x7FFD9000, 0x80000000), E820Type.RESERVED),
        E820Entry(Range(4 * G, 258 * G), E820Type.RAM),
    ),
    affinity=(
        MemoryAffinity(node=0, range=Range(0, 2 * G)),
        MemoryAffinity(node=0, range=Range(4 * G, 130 * G)),
        MemoryAffinity(node=1, range=Range(130 * G, 258 * G)),
        MemoryAffinity(node=2, range=PMEM_2, nonvolatile=True),
    ),
    cpus=tuple(Cpu(number=n, node=0 if n < 4 else 1) for n in range(8)),
)
PROFILE = Profile(
    name="4C16G",
    cpus=4,
    fast=Tier(node=0, size_bytes=3276 * MIB),
    slow=Tier(node=1, size_bytes=13108 * MIB),
)
LAYOUT = plan(TOPOLOGY, PROFILE)
BOOT = "BOOT_IMAGE=/boot/vmlinuz-6.1.0-18-amd64 root=/dev/vda1 ro console=ttyS0"
GOOD_LINE = f"{BOOT} {LAYOUT.cmdline} panic=10 {LAYOUT.token} hotkit.trial=1"


def running(cmdline: str, *, cpus: int = 4, topology: Topology = TOPOLOGY) -> Observed:
    """What the machine would show after a boot with `cmdline`, by the model of the kernel."""
    ram = memmap.system_ram_under(topology.firmware, cmdline)
    nodes = []
    for node in (0, 1):
        here = ram.intersect(topology.span(node)).size_bytes
        total = here - here // 64 - 40 * MIB if here else 0
        nodes.append(
            NodeState(
                node=node,
                memtotal_bytes=total,
                numactl_bytes=total // MIB * MIB,
                cpus=tuple(n for n in range(cpus) if (n >= 4) == bool(node)),
            )
        )
    return Observed(
        host="lab",
        cmdline=cmdline,
        kernel_release="6.1.0-18-amd64",
        label=Label(platform=Platform.EMULATED),
        topology=topology,
        system_ram=ram,
        pmem=RangeSet((PMEM_2,)),
        nodes=tuple(nodes),
        numactl_nodes=(0, 1),
        cpus_online=tuple(range(cpus)),
        cpu_nodes=tuple((n, 0 if n < 4 else 1) for n in range(8)),
    )


def checks(observed: Observed, layout: Layout = LAYOUT, **options: str) -> dict[str, Check]:
    bounds = layout_memtotal_bounds(layout, len(TOPOLOGY.cpus))
    found = expectations(layout, observed, memtotal=bounds, **options)
    assert len({item.name for item in found}) == len(found)
    return {item.name: item for item in found}


def failing(observed: Observed, layout: Layout = LAYOUT) -> set[str]:
    return {name for name, item in checks(observed, layout).items() if item.verdict is Verdict.FAIL}


def kinds(observed: Observed, layout: Layout = LAYOUT) -> list[str]:
    return [cause.kind for cause in diagnose(layout, observed)]


def test_the_good_layout_passes_every_check_and_has_no_diagnosis():
    good = running(GOOD_LINE)
    assert {item.verdict for item in checks(good, kernel="6.1.0-18-amd64").values()} == {
        Verdict.PASS
    }
    assert kinds(good) == []


def test_every_promise_of_the_issue_is_a_check():
    assert set(checks(running(GOOD_LINE), kernel="x")) == {
        "entry", "cmdline", "kernel", "cpus", "cpu-nodes", "system-ram-node0",
        "system-ram-node1", "no-other-ram", "memtotal-node0", "memtotal-node1", "numactl",
        "pmem-node2", "distance-node1", "tier-node1",
    }  # fmt: skip


def test_one_page_less_or_more_is_seen():
    good = running(GOOD_LINE)
    assert good.system_ram is not None
    last = LAYOUT.nodes[1].predicted.ranges[-1]
    page_less = good.system_ram.subtract(RangeSet((Range(last.end - 4096, last.end),)))
    page_more = good.system_ram.union(RangeSet((Range(last.end, last.end + 4096),)))
    for ram in (page_less, page_more):
        assert failing(replace(good, system_ram=ram)) == {"system-ram-node1"}


def test_less_than_a_page_is_not_seen():
    good = running(GOOD_LINE)
    assert good.system_ram is not None
    first = good.system_ram.ranges[0]
    ram = good.system_ram.subtract(RangeSet((Range(first.end - 100, first.end),)))
    assert failing(replace(good, system_ram=ram)) == set()


def test_the_stock_entry():
    stock = running(BOOT, cpus=8)
    assert {"entry", "cmdline", "cpus", "cpu-nodes", "system-ram-node0"} <= failing(stock)
    (cause,) = diagnose(LAYOUT, replace(stock, state="armed"))
    assert cause.kind == "stock-entry"
    assert "fell back" in cause.sentence


def test_another_layout_runs():
    other = running(f"{BOOT} maxcpus=4 memmap=1G$5G nokaslr hotkit.id=0123456789ab")
    assert checks(other)["entry"].found == "hotkit.id=0123456789ab"
    assert kinds(other) == ["other-layout"]


MEMMAP = next(arg for arg in LAYOUT.args if arg.startswith("memmap="))


@pytest.mark.parametrize(
    ("arrived", "spelling"),
    [
        # research/grub-and-provisioning.md 2.3: every `$` with the digits behind it is gone.
        (MEMMAP, None),
        ("EATEN", '$ or "$" in custom.cfg'),
        (MEMMAP.replace("$", r"\\$"), r"\\\$ or "),
        (MEMMAP.replace("$", r"\$"), r"\$ in a loader that expands nothing"),
    ],
)
def test_a_lost_escape_is_named_by_the_spelling_that_makes_it(arrived, spelling):
    if arrived == "EATEN":
        sizes = [part.partition("$")[0] for part in MEMMAP.split(",")]
        arrived = ",".join(f"{size}M" for size in sizes)
        assert arrived.endswith("MM")
    line = GOOD_LINE.replace(MEMMAP, arrived)
    broken = running(line)
    if spelling is None:
        assert kinds(broken) == []
        return
    assert {"cmdline", "system-ram-node0", "system-ram-node1"} <= failing(broken)
    causes = {cause.kind: cause for cause in diagnose(LAYOUT, broken)}
    assert set(causes) == {"lost-escape", "capped"}
    assert spelling in causes["lost-escape"].sentence
    assert arrived in causes["lost-escape"].sentence


def test_the_line_of_the_hosts_custom_cfg_is_named():
    sizes = [part.partition("$")[0] for part in MEMMAP.split(",")]
    broken = running(GOOD_LINE.replace(MEMMAP, ",".join(f"{size}M" for size in sizes)))
    text = f"menuentry 'x' --id hotkit-x {{\n  linux /vmlinuz {MEMMAP}\n}}\n"
    (cause, _) = diagnose(LAYOUT, replace(broken, entry_text=text))
    assert f"Line 2 of the host's custom.cfg has {MEMMAP}." in cause.sentence


def test_the_hosts_own_spelling_is_told_from_others_that_give_the_same():
    broken = running(GOOD_LINE.replace(MEMMAP, MEMMAP.replace("$", r"\\$")))
    spelt = MEMMAP.replace("$", r"\$")
    text = f"menuentry 'x' --id hotkit-x {{\n\tlinux /vmlinuz\t'{spelt}'\n}}\n"
    (cause, _) = diagnose(LAYOUT, replace(broken, entry_text=text))
    assert "inside single quotes the backslash stays" in cause.sentence
    assert f"Line 2 of the host's custom.cfg has {spelt}." in cause.sentence


def test_a_cap_says_how_much_is_left():
    broken = running(f"{BOOT} maxcpus=4 memmap=256M nokaslr {LAYOUT.token}")
    causes = {cause.kind: cause.sentence for cause in diagnose(LAYOUT, broken)}
    assert "capped at 256 MiB" in causes["capped"]
    assert "instead there is memmap=256M" in causes["changed-arguments"]
    assert {"numactl", "memtotal-node0", "memtotal-node1"} <= failing(broken)


def test_cpus_that_came_online_later():
    late = running(GOOD_LINE, cpus=6)
    assert failing(late) == {"cpus", "cpu-nodes"}
    assert "CPU 4-5 is online and should not be" in checks(late)["cpus"].sentence
    assert kinds(late) == ["late-cpus"]


def test_cpus_on_the_wrong_node():
    interleaved = replace(running(GOOD_LINE), cpu_nodes=tuple((n, n % 2) for n in range(8)))
    check = checks(interleaved)["cpu-nodes"]
    assert (check.verdict, check.expected) == (Verdict.FAIL, "node 0")
    assert check.found == "node 0: 0,2; node 1: 1,3"


def test_a_cpu_that_did_not_come_up():
    assert "CPU 3 did not come online" in checks(running(GOOD_LINE, cpus=3))["cpus"].sentence


@pytest.mark.parametrize(
    ("added", "problem"),
    [
        ("memmap=1G$8G", "not ours: memmap=1G$8G"),
        ("mem=64G", "not ours: mem=64G"),
        ("maxcpus=2", "not ours: maxcpus=2"),
        ("nokaslr", "twice: nokaslr"),
    ],
)
def test_arguments_that_do_not_belong_there(added, problem):
    check = checks(running(f"{GOOD_LINE} {added}"))["cmdline"]
    assert check.verdict is Verdict.FAIL
    assert problem in check.sentence


def test_arguments_for_init_do_not_count():
    check = checks(running(f"{GOOD_LINE} -- mem=4G"))["cmdline"]
    assert check.verdict is Verdict.PASS


def test_pmem_that_became_ram():
    onlined = replace(running(GOOD_LINE), hotplugged_ram=RangeSet((PMEM_2,)))
    assert failing(onlined) == {"pmem-node2", "no-other-ram"}
    assert kinds(onlined) == ["pmem-as-ram"]


def test_pmem_that_is_gone():
    gone = replace(TOPOLOGY, affinity=TOPOLOGY.affinity[:3])
    assert failing(running(GOOD_LINE, topology=gone)) == {"pmem-node2"}


def test_pmem_without_a_driver_is_as_planned():
    check = checks(replace(running(GOOD_LINE), pmem=RangeSet()))["pmem-node2"]
    assert check.verdict is Verdict.PASS
    assert "no driver" in check.found


def test_hidden_addresses_are_unknown_and_not_a_pass():
    hidden = checks(replace(running(GOOD_LINE), system_ram=None))
    names = {name for name, item in hidden.items() if item.verdict is Verdict.UNKNOWN}
    assert names == {"system-ram-node0", "system-ram-node1", "no-other-ram", "pmem-node2"}


def test_no_numactl_is_unknown():
    check = checks(replace(running(GOOD_LINE), numactl_nodes=None))["numactl"]
    assert check.verdict is Verdict.UNKNOWN
    assert "install" in check.sentence


def test_a_kernel_that_was_not_asked_for():
    check = checks(running(GOOD_LINE), kernel="6.1.0-hotkit")["kernel"]
    assert (check.verdict, check.found) == (Verdict.FAIL, "6.1.0-18-amd64")


def test_memory_that_the_firmware_no_longer_has():
    smaller = replace(
        TOPOLOGY,
        firmware=(
            *TOPOLOGY.firmware[:3],
            E820Entry(Range(0x100000, 0x60000000), E820Type.RAM),
            *TOPOLOGY.firmware[4:],
        ),
    )
    changed = running(GOOD_LINE, topology=smaller)
    assert "system-ram-node0" in failing(changed)
    assert kinds(changed) == ["other-firmware"]


def test_check_survives_json():
    for item in checks(running(BOOT)).values():
        assert Check.from_dict(item.to_dict()) == item


@pytest.mark.parametrize(
    ("cpus", "text"), [((), "none"), ((3,), "3"), ((0, 1, 2, 5, 7, 8), "0-2,5,7-8")]
)
def test_cpu_list(cpus, text):
    assert cpu_list(cpus) == text


def test_a_profile_that_asks_for_no_cpus_takes_any():
    free = replace(LAYOUT, cpus=())
    line = GOOD_LINE.replace(LAYOUT.token, free.token)
    found = checks(running(line, cpus=6), free)
    assert found["cpus"].verdict is found["cpu-nodes"].verdict is Verdict.PASS
    assert (found["cpus"].expected, found["cpus"].found) == ("any", "0-5")


def test_cpus_whose_node_nobody_says():
    found = checks(replace(running(GOOD_LINE), cpu_nodes=()))["cpu-nodes"]
    assert (found.verdict, found.found) == (Verdict.UNKNOWN, "node ?: 0-3")


def test_where_cpus_belong_without_the_firmware():
    bare = replace(running(GOOD_LINE), topology=None)
    assert checks(bare)["cpu-nodes"].verdict is Verdict.PASS
    moved = replace(bare, cpu_nodes=tuple((n, 1) for n in range(8)))
    found = checks(moved)["cpu-nodes"]
    assert (found.verdict, found.expected) == (Verdict.FAIL, "node 0")
    assert found.sentence == "CPU 0-3 is on another node than the plan's CPUs."


def test_the_very_build_of_a_patched_kernel():
    build = {"build_id": "ab"}
    switches = dict.fromkeys(("damon_mode", "page_idle_mode", "folio_referenced_mode"), "0")
    good = replace(running(GOOD_LINE), build_id="ab", switches=switches)
    found = checks(good, build=build)
    assert found["kernel-build"].verdict is found["kernel-switches"].verdict is Verdict.PASS
    assert checks(replace(good, build_id="cd"), build=build)["kernel-build"].verdict is Verdict.FAIL
    silent = checks(replace(good, build_id=None, switches=None), build=build)
    assert silent["kernel-build"].verdict is Verdict.UNKNOWN
    assert silent["kernel-switches"].sentence.startswith("Not in debugfs hotkit/: damon_mode, page")


def test_nothing_is_told_of_addresses_that_are_hidden():
    hidden = checks(replace(running(GOOD_LINE), system_ram=None, topology=None))
    assert hidden["no-other-ram"].verdict is hidden["pmem-node2"].verdict is Verdict.UNKNOWN
    bare = checks(replace(running(GOOD_LINE), topology=None))
    assert bare["pmem-node2"].sentence.startswith("The firmware's SRAT could not be read")


def test_ram_that_nobody_planned():
    good = running(GOOD_LINE)
    stray = RangeSet((Range(300 * G, 301 * G),))
    found = checks(replace(good, system_ram=good.system_ram.union(stray)))["no-other-ram"]
    assert found.verdict is Verdict.FAIL and "no planned node owns it" in found.sentence
    added = checks(replace(good, hotplugged_ram=stray))["no-other-ram"]
    assert added.verdict is Verdict.FAIL and "a driver turned it into RAM" in added.sentence


def test_memory_of_a_node_that_is_not_shown_or_not_there():
    good = running(GOOD_LINE)
    mute = replace(good, nodes=(replace(good.nodes[0], memtotal_bytes=None), good.nodes[1]))
    assert checks(mute)["memtotal-node0"].verdict is Verdict.UNKNOWN
    gone = checks(replace(good, nodes=good.nodes[:1]))
    assert gone["memtotal-node1"].verdict is Verdict.FAIL
    assert gone["memtotal-node1"].found == "node not online"
    assert "node 1 has no RAM" in gone["numactl"].sentence
    more = replace(good.nodes[0], memtotal_bytes=900 * G)
    assert (
        "above what the model allows"
        in checks(replace(good, nodes=(more, good.nodes[1])))["memtotal-node0"].sentence
    )


def test_numactl_that_is_not_there_or_sees_another_size():
    good = running(GOOD_LINE)
    assert checks(replace(good, numactl_nodes=None))["numactl"].verdict is Verdict.UNKNOWN
    odd = replace(good.nodes[0], numactl_bytes=MIB)
    said = checks(replace(good, nodes=(odd, good.nodes[1])))["numactl"].sentence
    assert said == "node 0: its size is not the node's MemTotal."
    third = NodeState(node=2, numactl_bytes=G)
    said = checks(replace(good, nodes=(*good.nodes, third), numactl_nodes=(0, 1, 2)))["numactl"]
    assert said.sentence == "node 2 has RAM that was not planned."


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("armed", "it did not boot, or it fell back"),
        ("committed", "and yet another one was booted"),
        (None, "hotkit has no record on this host"),
        ("odd", "hotkit has no record on this host"),
    ],
)
def test_why_a_stock_entry_may_run(state, said):
    (cause,) = diagnose(LAYOUT, replace(running(BOOT, cpus=8), state=state))[:1]
    assert cause.kind == "stock-entry" and said in cause.sentence
    assert cause.to_dict()["kind"] == "stock-entry"
