"""A trace of page_alloc read back: what it leaves allocated, and what it says it missed.

The texts in tests/data/memory/traces were recorded on Linux 6.18 from one program: it wrote 64
pages to a file on tmpfs (24 in the one with stacks), touched a huge page, and cut a quarter off
the file again.
"""

from __future__ import annotations

import io
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.agent.pagetable import Owners, PageTable
from hotkit.agent.pagetrace import Matching, is_on, largest, pieces, read_trace, tracefs
from hotkit.agent.stackname import asker

TRACES = Path(__file__).parents[2] / "data" / "memory" / "traces"
PAGE = 4096
HUGE = 512


def matched(text: bytes, **how) -> Matching:
    found = Matching(**how)
    for piece in pieces(io.BytesIO(text)):
        found.take(piece)
    return found


def held(matching: Matching) -> dict[str, tuple[int, int]]:
    """Name -> (pages, of these movable)."""
    return {
        item["name"]: (item["size_bytes"] // PAGE, item["movable_bytes"] // PAGE)
        for item in matching.held()
    }


def event(
    what: str, pfn: int, order: int = 0, *, comm="cat", pid=7, cpu=0, at=1.0, gfp="GFP_KERNEL"
):
    more = f" migratetype=0 gfp_flags={gfp}" if what == "alloc" else ""
    return (
        f"{comm:>16s}-{pid:<7d} [{cpu:03d}] ..... {at:.6f}: mm_page_{what}: "
        f"page=00000000deadbeef pfn={pfn:#x} order={order}{more}\n"
    ).encode()


def test_a_recorded_trace_by_task():
    found = matched((TRACES / "tasks.txt").read_bytes())
    # 48 of 64 pages of the file, a huge page, one page table of the kernel's.
    assert held(found) == {"python3": (48 + HUGE + 1, 48 + HUGE), "qemu-system-x86": (2, 1)}
    assert (found.allocations, found.frees, found.older_pages, found.missed_pages) == (69, 19, 2, 0)
    assert found.stacks == 0
    assert (found.first_s, found.last_s) == (81120.830199, 81120.834996)


def test_a_recorded_trace_by_function():
    found = matched((TRACES / "stacks.txt").read_bytes())
    assert held(found) == {
        "do_huge_pmd_anonymous_page": (HUGE, HUGE),
        "shmem_alloc_folio": (18, 18),
        "__pollwait": (1, 0),
        "do_anonymous_page": (1, 1),
        "pte_alloc_one": (1, 0),
    }
    assert found.stacks == found.allocations + found.frees


@pytest.mark.parametrize("size", [1, 7, 100, 4096])
def test_wherever_the_text_is_cut(monkeypatch, size):
    monkeypatch.setattr("hotkit.agent.pagetrace._CHUNK", size)
    for name in ("tasks.txt", "stacks.txt"):
        text = (TRACES / name).read_bytes()
        assert b"".join(pieces(io.BytesIO(text))) == text
        whole = Matching()
        whole.take(text)
        assert matched(text).held() == whole.held()


def test_an_interrupt_between_an_event_and_its_stack():
    def stack(cpu: int, *frames: str) -> bytes:
        head = f"{'cat':>16s}-{7:<7d} [{cpu:03d}] ..s1. 1.000000: <stack trace>\n"
        return (head + "".join(f" => {frame}\n" for frame in frames)).encode()

    text = (
        event("alloc", 0x10)
        + event("alloc", 0x20, cpu=1)
        + event("alloc", 0x30)  # in the interrupt, on CPU 0
        + stack(0, "alloc_pages_noprof", "irq_user")
        + stack(1, "alloc_pages_noprof", "other_cpu")
        + stack(0, "alloc_pages_noprof", "the_one_interrupted")
        + event("free", 0x20, cpu=1)
        + stack(1, "free_unref_page")
    )
    assert held(matched(text)) == {"irq_user": (1, 0), "the_one_interrupted": (1, 0)}


def test_a_block_given_back_in_pieces():
    text = event("alloc", 0x1000, 3) + event("free", 0x1002) + event("free", 0x1004, 2)
    assert held(matched(text)) == {"cat": (3, 0)}
    text = event("alloc", 0x1000) + event("alloc", 0x1001) + event("free", 0x1000, 1)
    assert held(matched(text)) == {}


def test_older_kernels_write_decimal_numbers_and_a_group():
    text = b"".join(
        head + b": mm_page_" + rest + b"\n"
        for head, rest in (
            (b"           <...>-12    (     11) [002] d..1   3.000001",
             b"alloc: page=0000000012345 pfn=1048576 order=1 migratetype=0 gfp_flags=GFP_KERNEL"),
            (b"    kworker/2:1H-33    (-----) [002] ....   3.000002",
             b"alloc: page=00000000aaaaa pfn=1048578 order=0 migratetype=0 gfp_flags=GFP_ATOMIC"),
            (b"          <idle>-0     (-----) [000] ..s.   3.000003",
             b"free: page=0000000012345679 pfn=1048577 order=0"),
        )
    )  # fmt: skip
    assert held(matched(text)) == {"ended tasks": (1, 0), "kworker/*": (1, 0)}
    assert held(matched(text, comms={"12": "udevd"}))["udevd"] == (1, 0)


def test_what_was_not_got_is_nobodys():
    assert held(matched(event("alloc", 0, 9, gfp="GFP_TRANSHUGE_LIGHT"))) == {}


def test_a_lost_free_is_counted():
    found = matched(event("alloc", 5, comm="a") + event("alloc", 4, 1, comm="b"))
    assert held(found) == {"b": (2, 0)} and found.missed_pages == 1


def test_doubtful_before_the_last_loss_and_nothing_after_the_reading_began():
    text = event("alloc", 1, at=1.0) + event("alloc", 2, at=2.0) + event("alloc", 3, at=3.0)
    (item,) = matched(text, since_s=1.5, until_s=2.5).held()
    assert (item["size_bytes"], item["doubtful_bytes"]) == (2 * PAGE, PAGE)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"# tracer: nop\n",
        b"\xff\xfe\x00" * 1000,
        b" => \n" * 100,
        b"CPU:1 [LOST 7 EVENTS]\n",
        event("alloc", 1 << 60, 200),
        event("alloc", 1)[:-40],
        b"             cat-7       [000] ..... 1.0: mm_page_alloc: page=0 pfn=zz order=0\n",
        b"             cat-7       [000] ..... 1.0.0: mm_page_free: page=0 pfn=0x1 order=0\n",
    ],
)
def test_text_that_is_none(text):
    assert held(matched(text + b"\n" + event("alloc", 0x77))) == {"cat": (1, 0)}


def test_a_name_with_a_line_end_in_it_forges_nothing():
    name = b"x\n-1 [0] . 1.0: "
    assert len(name) == 16
    found = matched(name + event("alloc", 0x99)[16:] + event("alloc", 0x98))
    assert sum(pages for pages, _ in held(found).values()) == 2


def test_reading_an_instance(tmp_path):
    (tmp_path / "trace").write_bytes(
        event("alloc", 1, at=1.0) + event("alloc", 2, at=3.0) + event("alloc", 3, at=9.0)
    )
    for cpu, (overrun, oldest) in enumerate([(0, 0.5), (12, 2.0)]):
        folder = tmp_path / "per_cpu" / f"cpu{cpu}"
        folder.mkdir(parents=True)
        (folder / "stats").write_text(
            f"entries: 3\noverrun: {overrun}\ncommit overrun: 0\nbytes: 92\n"
            f"oldest event ts:  {oldest:.6f}\nnow ts:     5.000000\ndropped events: 1\n"
        )
    found = read_trace(tmp_path, {}, 60)
    assert found["lost_events"] == 14 and found["sure_since_s"] == 2.0
    (item,) = found["held"]
    assert (item["size_bytes"], item["doubtful_bytes"]) == (2 * PAGE, PAGE)
    assert (found["by"], found["cut_off"], found["last_s"]) == ("task", False, 3.0)
    assert read_trace(tmp_path, {}, -1)["cut_off"]
    assert not is_on(tmp_path) and tracefs(tmp_path) is None


def test_the_largest_and_the_rest():
    items = [{"name": str(n), "size_bytes": n, "movable_bytes": 1} for n in range(1000)]
    found = largest(items)
    assert found[0]["size_bytes"] == 999
    assert found[-1] == {"name": "700 others", "size_bytes": sum(range(700)), "movable_bytes": 700}


@given(
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 11), st.integers(0, 5)), max_size=60)
)
def test_a_page_table_is_a_dictionary_of_pages(steps):
    table, model = PageTable(), {}
    for pfn, order, owner in steps:
        pages = range(pfn, pfn + (1 << order))
        assert table.put(pfn, order, owner) == sum(bool(model.get(page)) for page in pages)
        model.update(dict.fromkeys(pages, owner))
    assert table.tally() == Counter(owner for owner in model.values() if owner)


def test_two_bytes_a_page():
    table = PageTable()
    for _ in range(20000):
        table.put(random.randrange(1 << 16), 0, 1)
    assert sum(len(region) for region in table._regions.values()) == 1 << 16


def test_owners_run_out_of_numbers():
    owners = Owners(most=3)
    assert [owners.number(name) for name in "abcda"] == [1, 2, 3, 3, 1]
    assert owners.keys()[3] == ("others", False, False)


@pytest.mark.parametrize(
    ("frames", "name"),
    [
        # Linux 6.18, a trace; 6.1, page_owner; 6.1, vmalloc in a module; 4.19.
        ("=> trace_event_raw_event_mm_page_alloc|=> __alloc_frozen_pages_noprof|=> alloc_pages_mpol"
         "|=> alloc_pages_noprof|=> get_free_pages_noprof|=> tlb_next_batch", "tlb_next_batch"),
        (" prep_new_page+0xa9/0x120| get_page_from_freelist+0x7e6/0x2140| __alloc_pages+0x18a/0x370"
         "| new_slab+0xc8/0x580| ___slab_alloc+0x1f2/0xaf0", "new_slab"),
        ("get_page_from_freelist+0x1/0x2|__alloc_pages+0x18a/0x370|__vmalloc_area_node.constprop.0"
         "+0x1/0x9|__vmalloc_node_range+0x3/0x4|vzalloc+0x4a/0x50"
         "|f2fs_build_segment_manager+0x1/0x2 [f2fs]", "f2fs_build_segment_manager [f2fs]"),
        ("__alloc_pages_nodemask+0xf9/0x250|alloc_pages_current+0x1/0x2|__get_free_pages+0x1/0x2"
         "|pgd_alloc+0x1/0x2", "pgd_alloc"),
        # One big kmalloc is pages of its own; DMA memory is its driver's; so is a receive ring's.
        ("___kmalloc_large_node+0x5f/0xe0|__kmalloc_large_node_noprof+0x1/0x2|alloc_fdtable",
         "alloc_fdtable"),
        ("__alloc_pages+0x1/0x2|__dma_direct_alloc_pages.isra.0+0x1/0x2|dma_direct_alloc+0x1/0x2"
         "|dma_alloc_attrs+0x1/0x2|mlx5_buf_alloc [mlx5_core]", "mlx5_buf_alloc [mlx5_core]"),
        ("alloc_pages_bulk_noprof|__page_pool_alloc_pages_slow|page_pool_alloc_pages|nic_fill",
         "nic_fill"),
        ("__alloc_pages+0x1/0x2|alloc_pages+0x1/0x2", "alloc_pages"),
        ("0xffffffff81000000|?!", None),
        ("", None),
    ],
)  # fmt: skip
def test_who_asked(frames, name):
    assert asker(frames.split("|")) == name
