"""The checks of a proof in full: what each wants, what it found, and where its limits lie."""

from __future__ import annotations

import pytest

from hotkit.core.check import Check, Verdict
from hotkit.core.kernelproof import Row, judge, rows
from tests.unit.core.test_kernelproof import damon, demotion, mglru, reclaim

NAME = "damon fvaddr 4k mode 1"
SEEN = {"mode": 1, "hot_seen": 784, "cold_seen": 24}


def parts(line, *, patched=True):
    return [check for check in judge([line], patched=patched) if check.name != "whole"]


def check(name, expected, found, sentence, *, ok=True):
    verdict = Verdict.PASS if ok else Verdict.FAIL
    return Check(name=name, expected=expected, found=found, verdict=verdict, sentence=sentence)


def passes(line, name):
    (found,) = [one.verdict for one in parts(line) if one.name == name]
    return found is Verdict.PASS


def idle(**changes):
    line = {
        "proof": "page_idle", "memory": "4k", "beside": 0, "mode": 0, "pages": 32, "hot_pages": 8,
        "checks": 100, "hot_seen": 0, "cold_seen": 0, "flush_primary": 200,
        "vmstat_remote_flushes": 200,
    }  # fmt: skip
    return line | changes


def test_what_a_row_is():
    line = damon(**SEEN, flush_primary=700, kvm_remote_tlb_flush_requests=3)
    assert rows([line]) == (
        Row(
            tracker="damon fvaddr", memory="4k", beside=False, mode=1, checks=100, hot=0.98,
            cold=0.01, flushes=700, kvm_flushes=3,
        ),
    )  # fmt: skip
    del line["flush_primary"], line["kvm_remote_tlb_flush_requests"]
    (row,) = rows([line])
    assert (row.flushes, row.kvm_flushes) == (None, None)


def test_a_row_of_nothing_saw_nothing():
    none, full = rows([damon(checks=0, hot_seen=1, cold_seen=1), idle(pages=8, hot_seen=8)])
    assert (none.hot, none.cold, none.checks) == (0, 0, 0)
    assert (full.tracker, full.hot, full.cold) == ("page_idle", 0.01, 0)
    assert isinstance(full.hot, float) and isinstance(full.cold, float)


def test_names_and_company():
    found = [
        (row.name, row.company)
        for row in rows([idle(), idle(beside=1, mode=3), idle(beside=1, memory="vm")])
    ]
    assert found == [
        ("page_idle 4k mode 0", ""),
        ("page_idle 4k mode 3, a second process beside", "a process"),
        ("page_idle vm mode 0, the tick beside", "the tick"),
    ]


@pytest.mark.parametrize(
    ("changes", "wanted", "ok"),
    [
        ({"hot_seen": 40}, "hot <= 5%", True),
        ({"hot_seen": 41}, "hot <= 5%", False),
        ({"mode": 1, "hot_seen": 760}, "hot >= 95%", True),
        ({"mode": 1, "hot_seen": 759}, "hot >= 95%", False),
        ({"mode": 2, "hot_seen": 760}, "hot >= 95%", True),
        ({"memory": "thp", "hot_seen": 0}, "hot <= 5%", True),
        ({"beside": 1, "hot_seen": 41}, "most hot pages", True),
        ({"beside": 1, "hot_seen": 40}, "most hot pages", False),
        ({"beside": 1, "mode": 1, "hot_seen": 640}, "hot >= 80%", True),
        ({"beside": 1, "mode": 1, "hot_seen": 639}, "hot >= 80%", False),
        ({"cold_seen": 48}, "hot <= 5%", True),
        ({"cold_seen": 49}, "hot <= 5%", False),
        ({"checks": 20}, "hot <= 5%", True),
        ({"checks": 19}, "hot <= 5%", False),
        ({"proof": "folio_referenced", "memory": "thp", "hot_seen": 760}, "hot >= 95%", True),
        ({"proof": "folio_referenced", "memory": "thp", "hot_seen": 0}, "hot >= 95%", False),
        ({"proof": "folio_referenced", "hot_seen": 0}, "hot <= 5%", True),
        # KVM has to flush: by a mode with 2 in it, by folio_referenced() always, or by the tick.
        ({"memory": "vm", "mode": 1}, "hot <= 5%", True),
        ({"memory": "vm", "mode": 2, "hot_seen": 760}, "hot >= 95%", True),
        ({"memory": "vm", "proof": "folio_referenced", "hot_seen": 760}, "hot >= 95%", True),
        ({"memory": "vm", "mode": 1, "beside": 1, "hot_seen": 640}, "hot >= 80%", True),
        ({"memory": "vm", "mode": 0, "beside": 1, "hot_seen": 41}, "most hot pages", True),
    ],
)
def test_what_is_wanted_of_a_row_and_its_limits(changes, wanted, ok):
    first, *_ = parts(idle(**changes) | {"asked": 1}, patched=False)
    assert (first.expected, first.verdict is Verdict.PASS) == (wanted, ok)


def test_damon_and_its_witnesses_in_full():
    line = damon(
        **SEEN, samples_positive=810, flush_primary=700, tlb_flush_events=690,
        vmstat_remote_flushes=705,
    )  # fmt: skip
    said = "98.0% of 100 checks saw a hot page, 1.0% a cold one"
    assert parts(line) == [
        check(NAME, "hot >= 95%", said, f"{NAME}: {said}"),
        check(f"{NAME}: samples", "3328", "3328",
              f"{NAME}: samples: 3328 counted, 3328 by a kprobe"),
        # 104 - 100 checks of 32 pages were cut off.
        check(f"{NAME}: positive", "808 to 936", "810",
              f"{NAME}: 810 positive samples counted, 808 by tracepoints"),
        check(f"{NAME}: flushes", "690", "700",
              f"{NAME}: 700 flushes counted, 690 by the tracepoint tlb_flush"),
        check(f"{NAME}: vmstat", "705", "700", f"{NAME}: 700 flushes counted, 705 by vmstat"),
    ]  # fmt: skip
    assert [one.name for one in parts(line | {"beside": 1})] == [
        f"{NAME}, a second process beside{part}" for part in ("", ": samples", ": positive")
    ]
    assert [one.name for one in parts(line, patched=False)] == [NAME]


@pytest.mark.parametrize(
    ("changes", "name", "ok"),
    [
        ({"samples": 3329}, "samples", False),
        ({"samples_positive": 807}, "positive", False),
        ({"samples_positive": 808}, "positive", True),
        ({"samples_positive": 936}, "positive", True),
        ({"samples_positive": 937}, "positive", False),
        ({"flush_primary": 200, "tlb_flush_events": 189}, "flushes", False),
        ({"flush_primary": 200, "tlb_flush_events": 190}, "flushes", True),
        ({"flush_primary": 200, "tlb_flush_events": 200}, "flushes", True),
        ({"flush_primary": 200, "tlb_flush_events": 201}, "flushes", False),
        ({"flush_primary": 200, "vmstat_remote_flushes": 189}, "vmstat", False),
        ({"flush_primary": 200, "vmstat_remote_flushes": 190}, "vmstat", True),
        ({"flush_primary": 200, "vmstat_remote_flushes": 207}, "vmstat", True),
        ({"flush_primary": 200, "vmstat_remote_flushes": 208}, "vmstat", False),
        ({"vmstat_remote_flushes": 5}, "vmstat", True),
        ({"vmstat_remote_flushes": 6}, "vmstat", False),
    ],
)
def test_the_limits_of_damons_witnesses(changes, name, ok):
    assert passes(damon(**SEEN) | changes, f"{NAME}: {name}") == ok


def test_page_idle_and_vmstat():
    _, second = parts(idle(vmstat_remote_flushes=190))
    name = "page_idle 4k mode 0"
    assert second == check(
        f"{name}: vmstat", "190", "200", f"{name}: 200 flushes counted, 190 by vmstat"
    )
    assert len(parts(idle(beside=1))) == 1 and len(parts(idle(), patched=False)) == 1


def test_folios_that_were_asked_about():
    line = idle(proof="folio_referenced", mode=1, asked=3200, hot_seen=800)
    name = "folio_referenced 4k mode 1: pages asked about"
    assert parts(line)[1] == check(name, "3200", "3200", f"{name}: 3200 counted, 3200 there are")
    assert not passes(line | {"asked": 3201}, name)


def test_what_the_checkers_of_the_kernel_and_a_part_that_ended_say():
    def of(*splats):
        return parts({"proof": "console", "splats": list(splats)}, patched=False)

    assert of() == [
        check("console", "nothing", "nothing", "the kernel's own checkers found nothing")
    ]
    assert of("a", "b", "c", "d") == [
        check("console", "nothing", "a; b; c", "the kernel's own checkers found a; b; c", ok=False)
    ]
    assert parts({"proof": "error", "message": "no such file"}) == [
        check("error", "none", "no such file", "A part ended: no such file", ok=False)
    ]


@pytest.mark.parametrize(("woken", "samples", "ok"), [(1, 0, True), (0, 0, False), (1, 1, False)])
def test_kswapd(woken, samples, ok):
    said = f"kswapd woke {woken} times and asked about {samples} folios"
    assert parts({"proof": "kswapd", "woken": woken, "samples": samples}) == [
        check("kswapd", "woken, asks about nothing", said, said, ok=ok)
    ]


def test_reclaim_in_full():
    for mode, wanted in ((0, "cold pages go"), (1, "the hot pages stay")):
        said = (
            f"memory.reclaim mode {mode}: 4000 folios asked about, 60 of 64 hot and 5 of 1936"
            " cold pages stayed"
        )
        assert parts(reclaim(mode=mode, hot_left=60)) == [
            check(f"memory.reclaim mode {mode}", wanted, said, said)
        ]


@pytest.mark.parametrize(
    ("changes", "ok"),
    [
        ({"samples": 1000}, True),
        ({"samples": 999}, False),
        ({"cold_left": 968}, True),
        ({"cold_left": 969}, False),
        ({"mode": 1, "hot_pages": 60, "hot_left": 54}, True),
        ({"mode": 1, "hot_pages": 60, "hot_left": 53}, False),
        ({"mode": 1, "hot_left": 64, "samples": 999}, False),
    ],
)
def test_the_limits_of_reclaim(changes, ok):
    line = reclaim(**changes)
    assert passes(line, f"memory.reclaim mode {line['mode']}") == ok


@pytest.mark.parametrize(
    ("beside", "youngest", "second", "ok"),
    [
        (0, 0, 1, True), (0, 1, 1, False),
        (1, 5, 4, True), (1, 4, 4, False), (1, 1, 10, True), (1, 2, 10, False),
    ],
)  # fmt: skip
def test_mglru_in_full(beside, youngest, second, ok):
    line = mglru(beside=beside, hot_pages=10, youngest=youngest, second=second)
    wanted = "about 10" if beside else "nearly none"
    company = "a second process beside" if beside else "alone on the CPU"
    young = youngest + second
    said = f"MGLRU aging, {company}: {young} pages young, 10 are hot"
    for patched in (True, False):
        assert parts(line, patched=patched) == [
            check(f"mglru, {company}", wanted, str(young), said, ok=ok)
        ]


@pytest.mark.parametrize(
    ("changes", "share", "ok"),
    [
        ({"on_node1_after": 1800}, "90%", True),
        ({"on_node1_after": 1799}, "90%", False),
        ({"on_node0_before": 1999}, "100%", False),
    ],
)
def test_demotion_in_full(changes, share, ok):
    said = f"memory.reclaim demoted {share} of the pages to the CPU-less node"
    assert parts(demotion(**changes)) == [
        check("demotion", "90 % of the pages", share, said, ok=ok)
    ]


@pytest.mark.parametrize(("hot", "share", "ok"), [(64, "100%", True), (48, "75%", False)])
def test_promotion_in_full(hot, share, ok):
    line = {"proof": "promotion", "hot_pages": 64, "hot_on_node0": hot, "seconds": 5.25}
    said = f"numa_balancing=2 promoted {share} of the hot pages in 5.2 s"
    assert parts(line) == [check("promotion", "all hot pages", share, said, ok=ok)]


ALWAYS = "damon, page_idle, mglru, console"
PATCHED = "damon, page_idle, folio_referenced, kswapd, demotion, promotion, memory_reclaim"


@pytest.mark.parametrize(
    ("patched", "lines", "missing"),
    [
        (False, [], f"{ALWAYS}, kvm_dirty, kvm_first_read"),
        (True, [], f"{ALWAYS}, {PATCHED}, kvm_dirty, kvm_first_read"),
        (True, [{"proof": "no_vm"}], f"{ALWAYS}, {PATCHED}"),
        (False, [{"proof": "no_vm"}, damon(), mglru()], "page_idle, console"),
    ],
)
def test_what_was_not_measured(patched, lines, missing):
    *_, whole = judge(lines, patched=patched)
    said = f"not measured: {missing}"
    assert whole == check("whole", "every part", said, said, ok=False)


def test_everything_was_measured():
    lines = [{"proof": "no_vm"}, damon(), idle(), mglru(), {"proof": "console", "splats": []}]
    found = judge(lines, patched=False)
    said = "everything was measured"
    assert found[-1] == check("whole", "every part", said, said)
    assert [one.name for one in found] == [
        "damon fvaddr 4k mode 0", "page_idle 4k mode 0", "mglru, alone on the CPU", "console",
        "whole",
    ]  # fmt: skip
    assert {one.verdict for one in found} == {Verdict.PASS}


def test_a_switch_that_only_a_patched_kernel_has_is_not_judged_on_others():
    lines = [{"proof": "kswapd", "woken": 0, "samples": 0}, demotion(on_node1_after=0)]
    assert [one.name for one in judge(lines, patched=False)] == ["whole"]
    assert [one.name for one in judge(lines, patched=True)] == ["kswapd", "demotion", "whole"]
