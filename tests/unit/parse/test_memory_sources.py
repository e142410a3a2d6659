"""vmallocinfo, slabinfo, allocinfo, zoneinfo and ps: whole, cut, damaged, of other kernels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.units import KIB, MIB, PAGE_BYTES
from hotkit.parse.allocinfo import parse_allocinfo
from hotkit.parse.psrss import parse_ps
from hotkit.parse.slabinfo import parse_slabinfo
from hotkit.parse.vmallocinfo import parse_vmallocinfo
from hotkit.parse.zoneinfo import parse_zoneinfo
from tests.unit.machines import CAPTURE

SLABS = """\
slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables ...
dentry            123456 130200    192   21    1 : tunables    0    0    0 : slabdata   6200   6200      0
kmalloc-8k           10     12   8192    4    8 : tunables    0    0    0 : slabdata      3      3      0
empty                 0      0     64   64    1 : tunables    0    0    0 : slabdata      0      0      0
"""  # noqa: E501
ZONES = """\
Node 0, zone      DMA
  per-node stats
      nr_inactive_anon 434423
  pages free     3840
        boost    0
        min      10
        low      13
        spanned  4095
        present  3998
        managed  3840
      nr_zspages   0
  pagesets
    cpu: 0
              count:    0
              high:     0
Node 0, zone   Normal
  pages free     1000
        low      20
        present  6000
        managed  5500
        protection: (0, 0)
      nr_zspages   7
  pagesets
    cpu: 0
              count:    650
    cpu: 1
              count:    14
Node 0, zone  Movable
  pages free     0
        low      0
        present  0
        managed  0
"""


def areas(line, **more):
    found, doubts = parse_vmallocinfo(line, **more)
    assert not doubts
    return found


def test_the_captured_listing():
    text = (CAPTURE / "vmallocinfo.txt").read_text(encoding="utf-8")
    found = areas(text)
    assert len(found) == 35
    f2fs = [area for area in found if area.caller == "f2fs_build_segment_manager"]
    assert sum(area.pages for area in f2fs) == 221007
    assert sum(area.nodes.get(1, 0) for area in f2fs) == 1536
    ioremap = [area for area in found if "ioremap" in area.kinds]
    assert {area.pages for area in ioremap} == {None}
    assert round(sum(area.size_bytes for area in ioremap) / MIB, 1) == 280.2


@pytest.mark.parametrize(
    ("line", "caller", "pages", "kinds", "nodes"),
    [
        ("0xffffc90000000000-0xffffc90000005000   20480 kernel_clone+0x94/0x3e0 pages=4 vmalloc "
         "N0=4", "kernel_clone", 4, ("vmalloc",), {0: 4}),
        ("0x(____ptrval____)-0x(____ptrval____) 8192 bpf_prog_alloc+0x1/0x2 pages=1 vmalloc N1=1",
         "bpf_prog_alloc", 1, ("vmalloc",), {1: 1}),
        ("0xf8a00000-0xf8a02000    8192 acpi_os_map_iomem+0x11b/0x1c0 phys=3f000000 ioremap",
         "acpi_os_map_iomem", None, ("ioremap",), {}),
        ("0x1-0x2 12288 nf_ct_alloc+0x5/0x9 [nf_conntrack] pages=2 vmalloc user vpages N0=1 N3=1",
         "nf_ct_alloc [nf_conntrack]", 2, ("vmalloc", "user", "vpages"), {0: 1, 3: 1}),
        ("0x1-0x2 8192 foo+0x5/0x9 [bar a1b2c3] pages=1 vmalloc N0=1", "foo [bar]", 1,
         ("vmalloc",), {0: 1}),
        ("0x1-0x2 20480 0x00000000deadbeef pages=4 vmalloc newword N0=4",
         "0x00000000deadbeef", 4, ("vmalloc", "newword"), {0: 4}),
        ("0x1-0x2    8192 vm_map_ram", "vm_map_ram", None, (), {}),
        ("0x1-0x2    8192 unpurged vm_area", "unpurged vm_area", None, (), {}),
        ("0x1-0x2    8192", "(no name)", None, (), {}),
        ("0x1-0x2 8192 __iommu_dma+0x1/0x2 dma-coherent", "__iommu_dma", None,
         ("dma-coherent",), {}),
    ],
)  # fmt: skip
def test_lines_of_many_kernels(line, caller, pages, kinds, nodes):
    for text in (line + "\n", f"  {line}\r\n"):
        (area,) = areas(text)
        assert area.caller == caller
        assert (area.pages, area.kinds, dict(area.nodes)) == (pages, kinds, nodes)


def test_a_listing_cut_in_its_last_line_loses_that_line_alone():
    whole = "0x1-0x2 20480 dup_task_struct+0x1/0x2 pages=4 vmalloc N0=4\n"
    for last in (
        "0x3-0x4 702550016 f2fs_build+0x3db/0x700 pages=171520 vmalloc vpages N0=171",
        "0x3-0x4 702550016 f2fs_build+0x3db/0x700 pages=17",
        "0x3-0x4 702550016 f2fs_b",
    ):
        found, doubts = parse_vmallocinfo(whole + last, "vm.txt")
        assert [area.caller for area in found] == ["dup_task_struct"]
        assert doubts[0].startswith("vm.txt, line 2: is cut short and left out: '0x3-0x4 702550016")
        assert len(parse_vmallocinfo(whole + whole.strip())[0]) == 2


def test_damaged_lines_are_named_the_first_three_of_them():
    text = "\x00\x1b[31mgarbage\n" * 5 + "0x1-0x2 4096 f+0x0/0x1 pages=9 vmalloc N0=9\n"
    found, doubts = parse_vmallocinfo(text)
    assert not found
    assert doubts[0] == "vmallocinfo, line 1: cannot be read: 'garbage'"
    assert doubts[-1] == "vmallocinfo: 3 more lines cannot be read"
    assert len(doubts) == 4


def test_slabs_take_whole_pages():
    found, doubts = parse_slabinfo(SLABS)
    assert not doubts
    assert [(item.name, item.size_bytes) for item in found] == [
        ("dentry", 6200 * PAGE_BYTES),
        ("kmalloc-8k", 3 * 8 * PAGE_BYTES),
    ]
    assert (found[0].objects, found[0].object_bytes) == (130200, 192)


def test_slabinfo_of_another_version_and_with_odd_names():
    text = SLABS.replace("2.1", "3.0").replace("dentry ", "my: cache")
    found, doubts = parse_slabinfo(text, "slabinfo.txt")
    assert found[0].name == "my: cache"
    assert doubts == ("slabinfo.txt: its version is 3.0, known is 2.1: read as if it were that",)
    assert parse_slabinfo("slabinfo - version: 2.1\n# name\n") == ((), ())
    found, doubts = parse_slabinfo(SLABS[:-20])
    assert doubts == () or "line 5" in doubts[0]
    found, doubts = parse_slabinfo(SLABS + "dentry2  1 2 3 4")
    assert len(found) == 2 and "line 6" in doubts[0]


def test_places_that_allocate():
    text = (
        "allocinfo - version: 1.0\n#     <size>  <calls> <tag info>\n"
        "   16777216     4096 mm/page_ext.c:270 func:alloc_page_ext \n"
        "    8388608       10 fs/f2fs/segment.c:10 [f2fs] func:f2fs_kvzalloc\n"
        "           0        0 mm/x.c:1 func:nothing\n"
        "     1048576       10 net/core/page_pool.c:5 func:pool accurate:no\n"
        "bad line\n"
    )
    found, doubts = parse_allocinfo(text)
    assert [(item.place, item.function, item.module) for item in found] == [
        ("mm/page_ext.c:270", "alloc_page_ext", None),
        ("fs/f2fs/segment.c:10", "f2fs_kvzalloc", "f2fs"),
        ("net/core/page_pool.c:5", "pool", None),
    ]
    assert found[0].size_bytes == 16 * MIB and found[0].calls == 4096
    assert "line 6: the kernel says that this figure is too small" in doubts[0]
    assert doubts[1] == "allocinfo, line 7: cannot be read: 'bad line'"
    assert "version is 9" in parse_allocinfo("allocinfo - version: 9\n")[1][0]


def test_zones_and_what_the_cpus_keep():
    found, doubts = parse_zoneinfo(ZONES)
    assert not doubts
    assert [(zone.name, zone.present, zone.managed, zone.free, zone.low) for zone in found] == [
        ("DMA", 3998, 3840, 3840, 13),
        ("Normal", 6000, 5500, 1000, 20),
    ]
    assert (found[1].per_cpu_free, found[1].zspages) == (664, 7)


def test_a_cut_zone_is_left_out_and_named():
    found, doubts = parse_zoneinfo(ZONES[: ZONES.index("        managed  5500")])
    assert [zone.name for zone in found] == ["DMA"]
    assert "line 16: this zone has no managed" in doubts[0]
    assert "no zoneinfo" in parse_zoneinfo("hello\n")[1][0]
    assert parse_zoneinfo("") == ((), ())


def test_a_zone_without_its_first_line_is_not_added_to_the_one_before():
    """Found by a round trip with a name that no zone has."""
    damaged = ZONES.replace("Node 0, zone   Normal", "Node 0, zone ???")
    (dma,), doubts = parse_zoneinfo(damaged)
    assert (dma.name, dma.free, dma.per_cpu_free) == ("DMA", 3840, 0)
    assert doubts == (
        "zoneinfo, line 17: its zone's first line is damaged: left out: 'pages free 1000'",
    )


def test_processes_with_a_resident_set():
    text = (CAPTURE / "ps-rss.txt").read_text(encoding="utf-8")
    found, doubts = parse_ps(text)
    assert not doubts
    assert found[0].name.endswith("Runner.Listener run --startuptype service")
    assert found[0].rss_bytes == 120352 * KIB
    assert sum(process.rss_bytes for process in found) == 303344 * KIB
    _, doubts = parse_ps(text + "root 12 half a line\n")
    assert doubts == ("ps-rss, line 11: cannot be read: 'root 12 half a line'",)


@given(st.text(), st.sampled_from([SLABS, ZONES, (CAPTURE / "vmallocinfo.txt").read_text()]))
def test_nothing_is_fatal(noise, real):
    """Noise alone and in the middle of a real text; numbers too long for Python's int() too."""
    for text in (noise, real[: len(real) // 2] + noise + real[len(real) // 2 :], "9" * 5000):
        for parse in (
            parse_vmallocinfo, parse_slabinfo, parse_allocinfo, parse_zoneinfo, parse_ps
        ):  # fmt: skip
            found, doubts = parse(text)
            assert isinstance(found, tuple)
            assert all(sentence.isprintable() for sentence in doubts)
