"""What the kernel and its tools print is read back, whatever the figures: one printer per format,
after the function that prints it (named beside each)."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.memfacts import AllocSite, Process, SlabCache, VmallocArea, Zone
from hotkit.core.ranges import Range
from hotkit.core.units import KIB, MIB, PAGE_BYTES
from hotkit.parse.allocinfo import parse_allocinfo
from hotkit.parse.cpulist import parse_cpulist
from hotkit.parse.dmesg import parse_dmesg
from hotkit.parse.firmware_memmap import TYPE_OF_NAME, parse_firmware_memmap
from hotkit.parse.iomem import Resource, parse_iomem
from hotkit.parse.madt import parse_madt
from hotkit.parse.meminfo import parse_meminfo, read_meminfo
from hotkit.parse.numactl import parse_numactl
from hotkit.parse.psrss import parse_ps
from hotkit.parse.slabinfo import parse_slabinfo
from hotkit.parse.slit import parse_slit
from hotkit.parse.vmallocinfo import parse_vmallocinfo
from hotkit.parse.zoneinfo import parse_zoneinfo
from tests.unit.parse.test_acpi_tables import (
    lapic,
    made,
    madt,
    srat,
    srat_cpu,
    srat_memory,
    srat_x2apic,
)

COUNTS = st.integers(0, (1 << 52) - 1)
PAGES = st.integers(0, 1 << 30)
NAMES = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,18}", fullmatch=True)
NODES = st.integers(0, 1023)


@given(st.sets(st.integers(0, 8191), max_size=60))
def test_cpulist(numbers):
    """bitmap_print_to_pagebuf(), %*pbl: runs in rising order."""
    runs = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    text = ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)
    assert parse_cpulist(text + "\n") == tuple(sorted(numbers))


@given(st.dictionaries(NAMES, COUNTS, max_size=20), NODES)
def test_meminfo_of_the_machine_and_of_a_node(fields, node):
    """show_val_kb(), fs/proc/meminfo.c; node_read_meminfo(), drivers/base/node.c."""
    fields = {"MemTotal": 5, **fields}
    sizes = {name: value * KIB for name, value in fields.items()}
    whole = "".join(f"{name + ': ':<16}{value:>8} kB\n" for name, value in fields.items())
    of_node = "".join(
        f"Node {node} {name + ':':<15} {value:>8} kB\n" for name, value in fields.items()
    )
    for text in (whole, of_node):
        assert parse_meminfo(text) == sizes
        assert read_meminfo(text) == (sizes, ())


RANGES = st.tuples(st.integers(0, (1 << 52) - 2), st.integers(1, 1 << 40)).map(
    lambda pair: Range(pair[0], pair[0] + pair[1])
)


@given(st.lists(st.tuples(RANGES, st.integers(0, 4), st.text("Sytem RAM(kd:.)-", min_size=1))))
def test_iomem(lines):
    """r_show(), kernel/resource.c: two blanks a level, the last byte included."""
    lines = [(item, depth, name.strip() or "x") for item, depth, name in lines]
    text = "".join(
        f"{'  ' * depth}{item.start:08x}-{item.end - 1:08x} : {name}\n"
        for item, depth, name in lines
    )
    wanted = tuple(Resource(item, name, depth) for item, depth, name in lines if item.end > 1)
    if wanted:
        assert parse_iomem(text).resources == wanted


@given(st.dictionaries(NODES, st.tuples(st.sets(st.integers(0, 500)), PAGES, PAGES), min_size=1))
def test_numactl(nodes):
    """hardware() and print_distances(), numactl.c."""
    order = sorted(nodes)
    text = f"available: {len(nodes)} nodes (0-{order[-1]})\n"
    for node in order:
        cpus, size, free = nodes[node]
        text += f"node {node} cpus:{''.join(f' {cpu}' for cpu in sorted(cpus))}\n"
        text += f"node {node} size: {size} MB\nnode {node} free: {free} MB\n"
    text += f"node distances:\nnode {''.join(f'{node:4}' for node in order)} \n"
    rows = [[10 + abs(a - b) % 90 for b in order] for a in order]
    for node, row in zip(order, rows, strict=True):
        text += f"{node:4}:{''.join(f'  {distance}' for distance in row)} \n"
    found = parse_numactl(text)
    assert found.nodes == tuple(order)
    assert found.cpus == {node: tuple(sorted(nodes[node][0])) for node in order}
    assert found.sizes_bytes == {node: nodes[node][1] * MIB for node in order}
    assert found.free_bytes == {node: nodes[node][2] * MIB for node in order}
    assert found.distances == tuple(map(tuple, rows))


@given(st.lists(st.tuples(NAMES, PAGES, PAGES, st.integers(1, 64), st.integers(0, 1 << 20))))
def test_slabinfo(caches):
    """cache_show(), mm/slab_common.c."""
    text = "slabinfo - version: 2.1\n# name            <active_objs> ...\n"
    for name, objects, size, pages, slabs in caches:
        text += (
            f"{name:<17} {objects:6} {objects:6} {size:6} {8:4} {pages:4} : tunables {0:4} {0:4} "
            f"{0:4} : slabdata {slabs:6} {slabs:6} {0:6}\n"
        )
    wanted = tuple(
        SlabCache(name=name, size_bytes=slabs * pages * PAGE_BYTES, objects=objects,
                  object_bytes=size)
        for name, objects, size, pages, slabs in caches if slabs
    )  # fmt: skip
    assert parse_slabinfo(text) == (wanted, ())


@given(st.lists(st.tuples(NODES, NAMES, PAGES, PAGES, PAGES, st.lists(PAGES, max_size=4), PAGES)))
def test_zoneinfo(zones):
    """zoneinfo_show_print(), mm/vmstat.c: what is asked for and some that is not."""
    text, wanted = "", []
    for node, name, free, present, managed, kept, low in zones:
        text += f"Node {node}, zone {name:>8}\n  pages free     {free}\n        boost    0\n"
        text += f"        min      3\n        low      {low}\n        spanned  9\n"
        text += f"        present  {present}\n        managed  {managed}\n"
        text += "        protection: (0, 1, 2)\n      nr_zspages   4\n  pagesets\n"
        for cpu, count in enumerate(kept):
            text += f"    cpu: {cpu}\n              count:    {count}\n              high:     8\n"
        if present:
            wanted.append(
                Zone(node=node, name=name, present=present, managed=managed, free=free, low=low,
                     per_cpu_free=sum(kept), zspages=4)
            )  # fmt: skip
    assert parse_zoneinfo(text) == (tuple(wanted), ())


@given(st.lists(st.tuples(COUNTS, PAGES, NAMES, st.integers(1, 9999), NAMES, st.none() | NAMES)))
def test_allocinfo(sites):
    """alloc_tag_to_text(), lib/alloc_tag.c."""
    text = "allocinfo - version: 1.0\n#     <size>  <calls> <tag info>\n"
    wanted = []
    for size, calls, file, line, function, module in sites:
        owner = f" [{module}]" if module else ""
        text += f"{size:12} {calls:8} mm/{file}.c:{line}{owner} func:{function} \n"
        if size:
            place = f"mm/{file}.c:{line}"
            wanted.append(
                AllocSite(
                    size_bytes=size, calls=calls, place=place, function=function, module=module
                )
            )
    assert parse_allocinfo(text) == (tuple(wanted), ())


@given(st.lists(st.tuples(st.integers(1, 1 << 22), PAGES, NAMES)))
def test_ps(processes):
    """`ps aux`: eleven columns, the last is the command."""
    text = "USER         PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND\n"
    text += "".join(
        f"root {pid:>9}  0.0  0.1 {7:>6} {rss:>5} ?        Ss   10:00   0:01 /usr/bin/{name} -x y\n"
        for pid, rss, name in processes
    )
    wanted = [
        Process(pid=pid, name=f"/usr/bin/{name} -x y", rss_bytes=rss * KIB)
        for pid, rss, name in processes
        if rss
    ]
    assert parse_ps(text) == (tuple(wanted), ())


@given(
    st.lists(
        st.tuples(
            NAMES, st.none() | NAMES, st.dictionaries(NODES, st.integers(1, 1 << 20), max_size=3),
            st.booleans(),
        )
    )
)  # fmt: skip
def test_vmallocinfo(areas):
    """vmalloc_info_show() and show_numa_info(), mm/vmalloc.c."""
    text, wanted = "", []
    for caller, module, nodes, is_io in areas:
        pages = None if is_io else sum(nodes.values())
        size = (pages or 0) * PAGE_BYTES + PAGE_BYTES
        owner = f" [{module}]" if module else ""
        text += f"0x00000000d0d0d0d0-0x00000000d0d0d0f0 {size:7} {caller}+0x1f/0x60{owner}"
        kinds = ("ioremap",) if is_io else ("vmalloc",)
        if pages:
            text += f" pages={pages}"
        text += f" {kinds[0]}"
        spread = {} if is_io else nodes
        text += "".join(f" N{node}={count}" for node, count in spread.items()) + "\n"
        wanted.append(
            VmallocArea(size_bytes=size, caller=caller + owner, pages=pages or None, kinds=kinds,
                        nodes=spread)
        )  # fmt: skip
    assert parse_vmallocinfo(text) == (tuple(wanted), ())


U32 = st.integers(0, (1 << 32) - 1)
CPUS = st.dictionaries(st.integers(0, 254), st.integers(0, (1 << 16) - 1), max_size=6)
WIDE = st.dictionaries(st.integers(256, (1 << 32) - 2), U32, max_size=6)
MEMORY = st.lists(st.tuples(U32, RANGES, st.booleans(), st.booleans()), max_size=6)


@given(CPUS, WIDE, MEMORY)
def test_srat(cpus, wide, memory):
    """ACPI 6.4, 5.2.16."""
    found = srat(
        *(srat_cpu(apic, domain) for apic, domain in cpus.items()),
        *(srat_x2apic(apic, domain) for apic, domain in wide.items()),
        *(srat_memory(domain, item.start, item.size_bytes, 1 | hot << 1 | pmem << 2)
          for domain, item, hot, pmem in memory),
    )  # fmt: skip
    assert found.cpus == cpus | wide
    assert [
        (item.domain, item.range, item.hotplug, item.nonvolatile) for item in found.memory
    ] == memory
    met = dict.fromkeys([*cpus.values(), *wide.values(), *(item[0] for item in memory)])
    assert found.nodes == {domain: node for node, domain in enumerate(met)}


@given(st.lists(st.tuples(st.integers(0, 254), st.booleans()), unique_by=lambda pair: pair[0]))
def test_madt(cpus):
    """ACPI 6.4, 5.2.12.2: the enabled ones in the table's order."""
    found = parse_madt(madt(*(lapic(apic, int(on)) for apic, on in cpus)))
    assert found.apic_ids == tuple(apic for apic, on in cpus if on)
    assert found.disabled == sum(not on for _, on in cpus)


def squares(size):
    row = st.lists(st.integers(0, 255), min_size=size, max_size=size)
    return st.lists(row, min_size=size, max_size=size)


@given(st.integers(0, 12).flatmap(squares))
def test_slit(matrix):
    """ACPI 6.4, 5.2.17."""
    raw = struct.pack("<Q", len(matrix)) + b"".join(map(bytes, matrix))
    assert parse_slit(made(b"SLIT", raw)) == tuple(map(tuple, matrix))


E820 = st.lists(st.tuples(RANGES, st.sampled_from(["usable", "reserved", "ACPI data"])), max_size=9)


@given(E820, st.lists(st.tuples(NODES, RANGES, st.booleans(), st.booleans()), max_size=6))
def test_dmesg(firmware, memory):
    """e820__print_table(), arch/x86/kernel/e820.c; acpi_numa_memory_affinity_init()."""
    log = "".join(
        f"[    0.000000] BIOS-e820: [mem {item.start:#018x}-{item.end - 1:#018x}] {kind}\n"
        for item, kind in firmware
    )
    for node, item, hot, pmem in memory:
        log += f"[    0.017089] ACPI: SRAT: Node {node} PXM {node} "
        log += f"[mem {item.start:#010x}-{item.end - 1:#010x}]"
        log += f"{' hotplug' * hot}{' non-volatile' * pmem}\n"
    found = parse_dmesg(log)
    types = {"usable": 1, "reserved": 2, "ACPI data": 3}
    assert [(entry.range, entry.type) for entry in found.e820] == [
        (item, types[kind]) for item, kind in firmware
    ]
    assert [
        (item.node, item.range, item.hotplug, item.nonvolatile) for item in found.affinity
    ] == memory


@given(st.lists(st.tuples(RANGES, st.sampled_from([*TYPE_OF_NAME, "Unknown E820 type"]))))
def test_firmware_memmap(entries):
    """drivers/firmware/memmap.c, as the agent gathers it: ends are included there."""
    items = [
        {"start": item.start, "end_inclusive": item.end - 1, "type": name} for item, name in entries
    ]
    found = parse_firmware_memmap(items)
    assert sorted((entry.range, int(entry.type)) for entry in found) == sorted(
        (item, TYPE_OF_NAME.get(name, 2)) for item, name in entries
    )
