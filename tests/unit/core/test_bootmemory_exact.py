"""The forecast on a made machine of round figures, each term worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hotkit.core import kernelhashes
from hotkit.core.bootmemory import Fit, Forecast, NodeForecast, Term, forecast
from hotkit.core.bootreference import NODE_DATA_BYTES, BootReference
from hotkit.core.layout import Layout, NodePlan
from hotkit.core.ranges import Range, RangeSet
from hotkit.core.savings import smaller_hash_bytes
from hotkit.core.units import GIB, KIB, MIB


def ram(*ranges: tuple[int, int]) -> RangeSet:
    """Ranges in MiB."""
    return RangeSet.of(Range(start * MIB, end * MIB) for start, end in ranges)


# Node 0 below 4 GiB, node 1 above; 700 and 300 MiB in use, 300 of them page cache.
MADE = BootReference(
    name="made",
    ram={0: ram((0, 4096)), 1: ram((4096, 8192))},
    memtotal={0: 3700 * MIB, 1: 3900 * MIB},
    memfree={0: 3000 * MIB, 1: 3600 * MIB},
    image_at=1 * MIB,
    image_bytes=50 * MIB,
    swiotlb_bytes=64 * MIB,
    cpu_nodes={0: 0, 1: 0, 2: 1, 3: 1},
    cpus_online=4,
    reclaimable_bytes=300 * MIB,
    programs_bytes=100 * MIB,
    percpu_first_bytes=MIB,
    percpu_bytes=12 * MIB,
    initrd_bytes=20 * MIB,
    initrd_unpacked_bytes=70 * MIB,
    uptime_s=60,
)
# What node 0 and 1 keep beyond the memory map, the kernel, bounce buffers and per-CPU areas.
REST_0 = (4096 - 3700 - 64 - 50 - 64 - 2) * MIB
REST_1 = (4096 - 3900 - 64 - 2) * MIB


def layout(
    *sizes: RangeSet, cpus: tuple[int, ...] = (0, 1), args: tuple[str, ...] = ("nokaslr",)
) -> Layout:
    nodes = tuple(
        NodePlan(node=node, role="fast", wanted_bytes=None, present_bytes=4 * GIB, reserved=(),
                 predicted=predicted)
        for node, predicted in enumerate(sizes)
    )  # fmt: skip
    return Layout(profile="p", topology="t", style="$", size_means="present", args=args,
                  nodes=nodes, cpus=cpus)  # fmt: skip


SMALL = layout(ram((0, 1024)), ram((4096, 5632)))


def memtotal(said: Forecast) -> dict[int, float]:
    return {node.node: node.memtotal_bytes / MIB for node in said.nodes}


def hashes(size_mib: int, nodes: int) -> int:
    return kernelhashes.used_bytes(size_mib * MIB, nodes)


def terms(said: Forecast) -> dict[str, int]:
    return {term.name: term.change_bytes for term in said.terms}


# ---- MemTotal ---------------------------------------------------------------------------------


def test_memtotal_of_two_nodes() -> None:
    # System RAM - its memory map - kernel at 16 MiB - bounce buffers - two CPUs each - the rest.
    assert memtotal(forecast(MADE, SMALL)) == {
        0: 1024 - 16 - 50 - 64 - 2 - REST_0 / MIB,
        1: 1536 - 24 - 2 - REST_1 / MIB,
    }
    larger = memtotal(forecast(MADE, SMALL, image_change_bytes=7 * MIB))
    assert larger[0] == memtotal(forecast(MADE, SMALL))[0] - 7


def test_memtotal_where_one_node_is_left() -> None:
    """It takes the CPUs of the other, what lies at the highest RAM, and the early hashes."""
    one = forecast(MADE, layout(ram((0, 2048)), RangeSet()))
    early = kernelhashes.early_bytes(2 * GIB, 1)
    assert early > 0
    top = REST_1 - NODE_DATA_BYTES
    taken = (32 + 50 + 64 + 4) * MIB + REST_0 + top + early
    assert one.nodes[0].memtotal_bytes == 2 * GIB - taken
    # The upper one: no RAM below 4 GiB for bounce buffers or at 16 MiB, and nothing moves.
    assert terms(one)["large hashes"] == hashes(2048, 1) - hashes(8192, 2)
    assert one.nodes[0].used_bytes == one.used[1]
    other = forecast(MADE, layout(RangeSet(), ram((4096, 6144))))
    assert [node.node for node in other.nodes] == [1]
    assert other.nodes[0].memtotal_bytes == 2 * GIB - (32 + 4) * MIB - REST_1 - early
    # Without nokaslr the firmware finds a place for the kernel: the lowest RAM that there is.
    free = forecast(MADE, layout(RangeSet(), ram((4096, 6144)), args=("maxcpus=2",)))
    assert other.nodes[0].memtotal_bytes - free.nodes[0].memtotal_bytes == 50 * MIB


def test_where_the_kernel_lies() -> None:
    def first(sizes: RangeSet, *args: str) -> float:
        return memtotal(forecast(MADE, layout(sizes, ram((4096, 5632)), args=args)))[0]

    # A hole from 40 MiB on: of 50 MiB from 16 MiB on 24 lie there.
    whole, hole = ram((0, 1024)), ram((0, 40), (128, 1112))
    assert first(whole, "nokaslr") - first(hole, "nokaslr") == 2 - 26
    assert first(whole) - first(hole) == 2
    at_16 = ram((16, 66), (1024, 2048))
    assert first(at_16, "nokaslr") == first(at_16)
    # A MiB less of RAM is a MiB less of the kernel.
    assert first(ram((16, 65), (1024, 2048)), "nokaslr") == first(at_16)
    assert first(ram((17, 66), (1024, 2048)), "nokaslr") == first(at_16)
    # Where the reference does not say where it lay, it is a part of what the node keeps.
    unknown = replace(MADE, image_at=None)
    assert memtotal(forecast(unknown, SMALL)) == memtotal(forecast(MADE, SMALL))
    on_one = layout(RangeSet(), ram((4096, 6144)), args=())
    assert memtotal(forecast(unknown, on_one))[1] == memtotal(forecast(MADE, on_one))[1] + 50


def test_the_node_with_the_lowest_ram_need_not_be_node_0() -> None:
    turned = replace(MADE, ram={0: MADE.ram[1], 1: MADE.ram[0]}, image_at=None)
    was, now = (
        forecast(replace(turned, image_at=at), layout(*turned.ram.values(), args=()))
        for at in (None, 1 * MIB)
    )
    assert memtotal(was) == memtotal(now) == {0: 3700, 1: 3900}
    small = forecast(
        replace(turned, image_at=5000 * MIB), layout(*turned.ram.values(), args=("quiet",))
    )
    # It lay on node 0 and goes to where the firmware finds room first.
    assert memtotal(small) == {0: 3750, 1: 3850}


def test_a_layout_without_ram_does_not_boot() -> None:
    nothing = forecast(MADE, layout(RangeSet(), RangeSet()))
    assert (nothing.nodes, nothing.memtotal_bytes, nothing.fit) == ((), 0, Fit.NO_BOOT)


def test_a_reference_of_one_node() -> None:
    one = replace(
        MADE, ram={0: MADE.ram[0]}, memtotal={0: MADE.memtotal[0]}, memfree={0: MADE.memfree[0]}
    )
    said = forecast(one, layout(ram((0, 2048)), RangeSet()))
    assert terms(said)["large hashes"] == hashes(2048, 1) - hashes(4096, 1)


def test_a_node_that_the_reference_did_not_see_keeps_its_own_data() -> None:
    unseen = replace(MADE, ram={0: MADE.ram[0]})
    said = forecast(unseen, SMALL)
    assert said.nodes[1].memtotal_bytes == (1536 - 24 - 2) * MIB - NODE_DATA_BYTES


def test_a_node_that_is_too_small_for_what_it_keeps_has_nothing() -> None:
    said = forecast(MADE, layout(ram((0, 300)), ram((4096, 5632))))
    assert said.nodes[0].memtotal_bytes == 0 and said.nodes[0].free_bytes == 0
    assert said.nodes[0].used_bytes == 0
    assert said.nodes[0].ram_bytes == 300 * MIB


@pytest.mark.parametrize(
    ("args", "possible"),
    [
        ((), 4), (("nr_cpus=1",), 1), (("nr_cpus=3", "nr_cpus=2"), 2), (("nr_cpus=9",), 4),
        (("nr_cpus=x",), 4), (("nr_cpus=3", "nr_cpus=0"), 3), (("nr_cpus=2", "nr_cpus=3"), 2),
        (("nr_cpus",), 4), (("maxcpus=1",), 4),
    ],
)  # fmt: skip
def test_cpus_that_may_come_have_memory(args: tuple[str, ...], possible: int) -> None:
    every = forecast(MADE, layout(ram((0, 1024)), ram((4096, 5632)), args=("nokaslr",)))
    said = forecast(MADE, layout(ram((0, 1024)), ram((4096, 5632)), args=("nokaslr", *args)))
    assert said.memtotal_bytes - every.memtotal_bytes == (4 - possible) * MIB
    # Of 3 MiB per CPU one is of the first chunk, outside MemTotal.
    assert terms(said).get("per-CPU memory", 0) == (possible - 4) * 2 * MIB


def test_per_cpu_memory_that_is_not_known_changes_nothing() -> None:
    two = layout(ram((0, 1024)), ram((4096, 5632)), args=("nr_cpus=2",))
    assert "per-CPU memory" not in terms(forecast(replace(MADE, percpu_bytes=0), two))
    assert "per-CPU memory" not in terms(forecast(replace(MADE, cpu_nodes={}), two))
    alone = replace(MADE, cpu_nodes={0: 0}, percpu_bytes=3 * MIB, cpus_online=2)
    assert "per-CPU memory" not in terms(forecast(alone, two))
    both = replace(alone, cpu_nodes={0: 0, 1: 0, 2: 0}, percpu_bytes=9 * MIB)
    assert terms(forecast(both, two))["per-CPU memory"] == -2 * MIB


# ---- what is used ------------------------------------------------------------------------------


def test_the_terms_and_what_they_say() -> None:
    pmem = replace(MADE, pmem_online_bytes=640 * MIB)
    args = ("nokaslr", "nr_cpus=2", "dhash_entries=512")
    said = forecast(
        pmem,
        layout(ram((0, 1024)), ram((4096, 5632)), args=args),
        pmem_pages_bytes=30 * MIB,
        trace_bytes=64 * MIB,
    )
    before, after = hashes(8192, 2), hashes(2560, 2)
    assert (before / MIB, after / MIB) == (15, 7.5)
    saved = smaller_hash_bytes(2560 * MIB)
    assert said.terms == (
        Term(
            name="large hashes",
            change_bytes=after - before,
            sentence="15 MiB for 8 GiB of RAM, 7680 KiB for 2560 MiB",
        ),
        Term(name="smaller hashes", change_bytes=-saved, sentence="save: [hashes]"),
        Term(
            name="CPUs",
            change_bytes=-2 * (11 * MIB // 10),
            sentence="2 online instead of 4, 1.1 to 7 MiB each",
        ),
        Term(
            name="per-CPU memory",
            change_bytes=-4 * MIB,
            sentence="2 CPUs possible instead of 4, 2 MiB each",
        ),
        Term(
            name="struct pages of PMEM",
            change_bytes=20 * MIB,
            sentence="30 MiB instead of 10 MiB",
        ),
        Term(
            name="trace buffers", change_bytes=64 * MIB, sentence="page_alloc is traced from boot"
        ),
    )
    changed = sum(term.change_bytes for term in said.terms)
    assert said.used[1] == 1000 * MIB + changed


def test_a_layout_that_changes_nothing_has_no_terms() -> None:
    same = forecast(MADE, layout(*MADE.ram.values(), cpus=(), args=()))
    assert same.terms == () and same.used[1] == 1000 * MIB
    assert memtotal(same) == {0: 3700, 1: 3900}
    assert same.reference == "made" and same.layout_id == layout(args=()).id


def test_the_bounds_of_what_is_used() -> None:
    said = forecast(MADE, layout(*MADE.ram.values(), cpus=(), args=()))
    # A tenth of 1000 MiB, and the least without the page cache.
    assert [size / MIB for size in said.used] == [1000 - 100 - 300, 1000, 1100]
    assert said.cache_bytes == 300 * MIB
    # Fewer CPUs: each may have held 7 MiB instead of 1.1.
    cpus = forecast(MADE, layout(*MADE.ram.values(), cpus=(0,), args=()))
    likely = 1000 * MIB - 3 * (11 * MIB // 10)
    doubt = likely // 10
    metal = 3 * (7 * MIB - 11 * MIB // 10)
    assert cpus.used == (likely - doubt - metal - 300 * MIB, likely, likely + doubt)
    # More CPUs widen nothing.
    more = forecast(replace(MADE, cpus_online=2), layout(*MADE.ram.values(), cpus=(), args=()))
    assert more.used == said.used
    # 64 MiB at least.
    little = replace(MADE, memfree={0: 3600 * MIB, 1: 3800 * MIB}, reclaimable_bytes=0)
    low = forecast(little, layout(*MADE.ram.values(), cpus=(), args=()))
    assert [size / MIB for size in low.used] == [200 - 64, 200, 264]
    # Nothing below zero.
    none = replace(little, memfree={0: 3690 * MIB, 1: 3900 * MIB}, reclaimable_bytes=5 * MIB)
    assert forecast(none, layout(*MADE.ram.values(), cpus=(), args=())).used[0] == 0


def test_page_cache_that_does_not_fit_is_given_back() -> None:
    said = forecast(MADE, SMALL)
    total = said.memtotal_bytes
    before = 1000 * MIB + sum(term.change_bytes for term in said.terms if term.name != "page cache")
    assert "page cache" not in terms(said)
    busy = replace(MADE, memfree={0: 2300 * MIB, 1: 3300 * MIB})  # 2000 MiB used, 300 cache
    tight = forecast(busy, SMALL)
    whole = before + 1000 * MIB
    assert 0.75 * total < whole - 300 * MIB
    assert tight.terms[-1] == Term(
        name="page cache",
        change_bytes=-300 * MIB,
        sentence="page cache that does not fit is given back, or is not read ahead",
    )
    assert tight.cache_bytes == 0 and tight.used[1] == whole - 300 * MIB
    # A part of it: three quarters of MemTotal are filled.
    some = replace(busy, reclaimable_bytes=1500 * MIB)
    partly = forecast(some, SMALL)
    given = whole - int(0.75 * total)
    assert terms(partly)["page cache"] == -given
    assert partly.used[1] == int(0.75 * total)
    assert partly.cache_bytes == 1500 * MIB - given


# ---- where it lies -----------------------------------------------------------------------------


def shares(said: Forecast) -> dict[int, int]:
    return {node.node: node.used_bytes for node in said.nodes}


def test_use_lies_where_the_cpus_are_and_hashes_lie_everywhere() -> None:
    same = layout(*MADE.ram.values(), cpus=(0, 1, 2), args=())
    said = forecast(MADE, same)
    table = hashes(8192, 2)
    rest = said.used[1] - table
    assert shares(said) == {0: rest * 2 // 3 + table // 2, 1: rest // 3 + table // 2}
    assert said.nodes[0].free_bytes == said.nodes[0].memtotal_bytes - said.nodes[0].used_bytes
    # Every CPU, where the layout names none; a CPU that nobody knows is nowhere.
    every = forecast(MADE, layout(*MADE.ram.values(), cpus=(), args=()))
    assert shares(every)[0] == (every.used[1] - table) // 2 + table // 2
    strange = forecast(MADE, layout(*MADE.ram.values(), cpus=(0, 9), args=()))
    assert shares(strange) == {0: strange.used[1] - table + table // 2, 1: table // 2}
    # CPUs on no node with RAM: half each.
    none = forecast(MADE, layout(*MADE.ram.values(), cpus=(9,), args=()))
    assert shares(none)[0] == shares(none)[1] == (none.used[1] - table) // 2 + table // 2


def test_what_has_no_room_goes_to_the_other_node() -> None:
    said = forecast(MADE, layout(ram((0, 1024)), ram((4096, 8192)), cpus=(0,)))
    first, second = said.nodes
    table = hashes(5120, 2)
    room = first.memtotal_bytes * 19 // 20
    rest = said.used[1] - table
    assert rest > room
    assert first.used_bytes == room + table // 2
    assert second.used_bytes == rest - room + table // 2
    # No node is said to hold more than it has.
    full = replace(MADE, memfree={0: 0, 1: 0}, reclaimable_bytes=0)
    crowded = forecast(full, SMALL)
    assert "page cache" not in terms(crowded)
    assert [node.free_bytes for node in crowded.nodes] == [
        node.memtotal_bytes - (node.memtotal_bytes * 19 // 20 + hashes(2560, 2) // 2)
        for node in crowded.nodes
    ]


def test_the_only_node_holds_no_more_than_it_has_room_for() -> None:
    full = replace(MADE, memfree={0: 0, 1: 0}, reclaimable_bytes=0)
    (node,) = forecast(full, layout(ram((0, 2048)), RangeSet())).nodes
    assert node.used_bytes == node.memtotal_bytes * 19 // 20 + hashes(2048, 1)


def test_what_has_no_room_fills_one_node_after_the_other() -> None:
    sizes = ram((0, 1024)), ram((4096, 4608)), ram((5120, 7168)), ram((8192, 9216))
    three = replace(
        MADE, ram=dict(enumerate(sizes)), image_at=None, swiotlb_bytes=0,
        memtotal={0: 1000 * MIB, 1: 500 * MIB, 2: 2000 * MIB, 3: 1000 * MIB},
        memfree={0: 0, 1: 100 * MIB, 2: 2000 * MIB, 3: 1000 * MIB}, reclaimable_bytes=0,
    )  # fmt: skip
    said = forecast(three, layout(*sizes, cpus=(0,), args=()))
    table, room = hashes(4608, 4), [950 * MIB, 475 * MIB, 1900 * MIB, 950 * MIB]
    rest = said.used[1] - table
    assert room[0] < rest < room[0] + room[1]
    held = [room[0], rest - room[0], 0, 0]
    assert [node.used_bytes for node in said.nodes] == [part + table // 4 for part in held]
    more = forecast(
        replace(three, memfree=three.memfree | {1: 0, 2: 1500 * MIB}),
        layout(*sizes, cpus=(0,), args=()),
    )
    rest = more.used[1] - table
    held = [room[0], room[1], rest - room[0] - room[1], 0]
    assert [node.used_bytes for node in more.nodes] == [part + table // 4 for part in held]
    assert all(isinstance(node.used_bytes, int) for node in more.nodes)


# ---- whether it boots --------------------------------------------------------------------------


def test_what_booting_takes() -> None:
    same = layout(*MADE.ram.values(), cpus=(), args=())
    # Of 1000 MiB used 700 cannot be given back: 0.8, 1.0 and 1.1 of it, and 24, 40, 80 MiB.
    assert [size / MIB for size in forecast(MADE, same).need] == [584, 740, 850]
    # An old machine's programs need not be there: 600 MiB are certain.
    hour, older = replace(MADE, uptime_s=3600), replace(MADE, uptime_s=3601)
    assert [size / MIB for size in forecast(hour, same).need] == [584, 740, 850]
    assert [size / MIB for size in forecast(older, same).need] == [504, 740, 850]
    # A large initramfs needs more than services: 40 MiB, the archive and what it unpacks to.
    large = replace(MADE, initrd_bytes=300 * MIB, initrd_unpacked_bytes=660 * MIB)
    assert [size / MIB for size in forecast(large, same).need] == [800, 1000, 1300]
    assert all(isinstance(size, int) for size in forecast(large, same).need)
    # Nothing below zero.
    idle = replace(MADE, memfree=MADE.memtotal, uptime_s=9999, initrd_bytes=0,
                   initrd_unpacked_bytes=0)  # fmt: skip
    assert [size / MIB for size in forecast(idle, same).need] == [32, 40, 80]
    assert forecast(idle, SMALL).used == (0, 0, 64 * MIB)


NEED = (100 * MIB, 200 * MIB, 300 * MIB)


def made(memtotal_mib: int) -> Forecast:
    size = memtotal_mib * MIB
    nodes = (
        NodeForecast(node=0, ram_bytes=size, memtotal_bytes=size - MIB, used_bytes=3 * MIB),
        NodeForecast(node=2, ram_bytes=2 * MIB, memtotal_bytes=MIB, used_bytes=MIB),
    )
    return Forecast(layout_id="id", reference="r", nodes=nodes, need=NEED, terms=(),
                    used=(5 * MIB, 6 * MIB, 7 * MIB), cache_bytes=9)  # fmt: skip


@pytest.mark.parametrize(
    ("memtotal_mib", "fit", "sentence"),
    [
        (99, Fit.NO_BOOT, "will not boot: 99 MiB for the kernel to hand out, booting takes at "
                          "least 100 MiB, likely 200 MiB"),
        (100, Fit.TIGHT, "is tight: 100 MiB for the kernel to hand out, 6 MiB of it used after "
                         "boot (5 MiB to 7 MiB), and booting takes 100 MiB to 300 MiB"),
        (299, Fit.TIGHT, "is tight: 299 MiB for the kernel to hand out, 6 MiB of it used after "
                         "boot (5 MiB to 7 MiB), and booting takes 100 MiB to 300 MiB"),
        (300, Fit.FITS, "fits: 300 MiB for the kernel to hand out, 6 MiB of it used after boot "
                        "(5 MiB to 7 MiB)"),
    ],
)  # fmt: skip
def test_the_verdict(memtotal_mib: int, fit: Fit, sentence: str) -> None:
    assert (made(memtotal_mib).fit, made(memtotal_mib).sentence) == (fit, sentence)


def test_the_forecast_as_json() -> None:
    said = replace(made(300), terms=(Term(name="n", change_bytes=-1, sentence="s"),))
    assert said.to_dict() == {
        "schema_version": 1,
        "layout_id": "id",
        "reference": "r",
        "fit": "fits",
        "sentence": said.sentence,
        "memtotal_bytes": 300 * MIB,
        "nodes": [
            {"node": 0, "ram_bytes": 300 * MIB, "memtotal_bytes": 299 * MIB,
             "used_bytes": 3 * MIB, "free_bytes": 296 * MIB},
            {"node": 2, "ram_bytes": 2 * MIB, "memtotal_bytes": MIB, "used_bytes": MIB,
             "free_bytes": 0},
        ],
        "used_bytes": {"least": 5 * MIB, "likely": 6 * MIB, "most": 7 * MIB},
        "cache_bytes": 9,
        "need_bytes": {"least": 100 * MIB, "likely": 200 * MIB, "most": 300 * MIB},
        "terms": [{"name": "n", "change_bytes": -1, "sentence": "s"}],
    }  # fmt: skip
    assert NODE_DATA_BYTES == 172 * KIB
