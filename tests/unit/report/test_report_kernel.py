"""What `hotkit kernel prove` prints of a VM, from recorded lines."""

from __future__ import annotations

import io
from types import SimpleNamespace

from rich.console import Console

from hotkit.core.kernelproof import judge
from hotkit.core.vmproof import notes
from hotkit.report.kernel import print_proof
from tests.unit.kernelproofs import lines


def printed(name: str, *, without: str = "") -> str:
    kept = [line for line in lines(name) if line.get("test") != without]
    if without:
        kept.append({"proof": "witness", "test": without, "option": "", "why": "no rsync"})
    proof = SimpleNamespace(
        kernel=SimpleNamespace(release=name),
        label="emulated",
        lines=kept,
        checks=judge(kept, patched="unpatched" not in name),
        notes=notes(kept),
    )
    out = io.StringIO()
    print_proof(proof, Console(file=out, width=80, highlight=False, soft_wrap=True))
    return out.getvalue()


def test_a_vm_in_the_table() -> None:
    said = printed("6.1")
    table = [
        [cell.strip() for cell in text.split("│")] for text in said.splitlines() if "│" in text
    ]
    assert ["damon fvaddr", "vm", "the tick", "0", "88", "100.0%", "0.0%", "0+0"] in table
    assert ["damon fvaddr", "vm", "nobody", "0", "96", "0.0%", "0.0%", "0+0"] in table
    assert ["damon fvaddr", "vm", "nobody", "3", "62", "100.0%", "0.0%", "32+520"] in table
    assert len(table) == 8
    assert "vm: the memory of a VM, watched in its host (emulated, nested)" in said
    assert "ok   the kernel's own dirty_log_perf_test -g has 1024, 1024 pages in its logs" in said
    assert "note" not in said


def test_without_counters_there_are_kvms_own() -> None:
    assert "-+0" in printed("6.1-unpatched")


def test_a_witness_that_is_missing_is_noted() -> None:
    said = printed("6.1", without="access_tracking_perf_test")
    assert "note access_tracking_perf_test is no witness here: no rsync" in said
    assert "the kernel's own access_tracking_perf_test" not in said
