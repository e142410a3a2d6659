"""The reports of hotkit memory: labels, per-node columns, long lists, negative rests."""

import io
from dataclasses import replace

from rich.console import Console

from hotkit.core.labels import Label, Platform
from hotkit.core.memaccount import Kind
from hotkit.core.memdiff import diff
from hotkit.core.memfacts import Held, MemoryFacts, SlabCache, Zone
from hotkit.core.memfold import fold
from hotkit.core.memtree import explain
from hotkit.core.units import GIB, KIB, MIB
from hotkit.report.memoryaccount import account_report
from hotkit.report.memorydiff import diff_report

NODE = {"MemTotal": 4 * GIB, "MemFree": 3 * GIB, "FilePages": 100 * MIB, "AnonPages": 50 * MIB,
        "Slab": 90 * MIB}  # fmt: skip
MEMINFO = {"MemTotal": 8 * GIB, "MemFree": 6 * GIB, "Cached": 200 * MIB, "AnonPages": 100 * MIB,
           "Slab": 180 * MIB, "Percpu": 9 * MIB}  # fmt: skip
FACTS = MemoryFacts(
    name="vm[1]", label=Label(platform=Platform.EMULATED), kernel_release="6.12.1",
    meminfo=MEMINFO, nodes={0: NODE, 1: NODE},
    slabs=tuple(SlabCache(name=f"cache{i}", size_bytes=(40 - i) * 128 * KIB, objects=1,
                          object_bytes=1) for i in range(40)),
    zones=(Zone(node=1, name="Normal", present=1, managed=1, free=1, per_cpu_free=2560),),
    trace_buffers=(Held(name="tracing", size_bytes=3 * MIB),),
)  # fmt: skip


def printed(what):
    console = Console(file=io.StringIO(), width=160)
    console.print(what, highlight=False, markup=False)
    return console.file.getvalue()


def cells(text, name):
    line = next(line for line in text.splitlines() if line.strip("├└│ ").startswith(name))
    return [cell.strip() for cell in line.split(" │ ")]


def test_a_tree_with_nodes():
    text = printed(account_report(explain(FACTS)))
    assert text.startswith("vm[1] [emulated], Linux 6.12.1\n")
    assert cells(text, "page cache")[1:4] == ["200.0", "100.0", "100.0"]
    assert cells(text, "all of it")[1:4] == ["2048.0", "1024.0", "1024.0"]
    assert "free pages on lists of CPUs" in text
    assert cells(text, "unexplained")[1:4] == ["1546.0", "784.0", "774.0"]
    assert "per node the unexplained holds what has no figure per node, too: per-CPU areas" in text
    assert "29 more" in text and "cache39" not in text
    assert "MiB without what sources beside meminfo have a name for" in text


def test_a_rest_below_zero_is_told_and_has_no_suspects():
    facts = MemoryFacts(name="x", meminfo=MEMINFO | {"AnonPages": 3 * GIB})
    text = printed(account_report(explain(facts)))
    assert "something is counted twice" in text
    assert "usual suspects" not in text


def test_folding_keeps_the_sum_and_the_rest_apart():
    items = explain(FACTS).item("slab").children
    folded = fold(items)
    assert sum(item.size_bytes for item in folded) == sum(item.size_bytes for item in items)
    rest = explain(FACTS).items[-1].children if explain(FACTS).items else ()
    assert fold(rest)[-1].kind is Kind.UNEXPLAINED
    assert fold(items[:2]) == items[:2]


def test_a_diff_with_items_and_labels():
    right = replace(FACTS, name="b", meminfo=MEMINFO | {"Slab": 100 * MIB}, slabs=FACTS.slabs[5:],
                    cpus_online=2)  # fmt: skip
    text = printed(diff_report(diff(FACTS, right)))
    assert "A: vm[1] [emulated], Linux 6.12.1" in text
    row = cells(text, "slab")
    assert row[1:4] == ["180.0", "100.0", "-80.0"]
    assert cells(text, "cache0")[1:4] == ["5.0", "0.0", "-5.0"]
    assert "What that says" in text
