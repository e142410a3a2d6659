"""docs/fuzzing.md and docs/mutation.md are those of their evidence, and say what is left open."""

from __future__ import annotations

from test_docs import tool

robust_docs = tool("robust_docs")


def test_the_pages_are_those_of_the_evidence():
    for path, text in robust_docs.pages().items():
        assert path.read_text() == text, f"{path.name}: run `make docs`"


def evidence(**case):
    return {
        "cases": [{"ok": True, "label": "metal", **case}], "date": "2026-11-26", "commit": "abc",
        "machine": "x86_64, 2 CPUs", "command": "make soak", "result": {"cases": 1, "held": 1},
    }  # fmt: skip


def survivor(why, line="if a | b:"):
    return {"function": "f", "removed": line, "added": "if a:", "why": why}


def test_survivors_are_counted_by_what_is_known_of_them():
    page = robust_docs.mutation(
        evidence(
            module="ranges", mutants=10, killed=6, too_slow=1,
            survived=[survivor("words"), survivor("the same"), survivor(None)],
        )
    )  # fmt: skip
    assert "10 mutants, 7 noticed (70.0%)" in page
    assert "| ranges | 10 | 7 | 1 | 1 | 1 | 1 |" in page
    assert "| ranges, f | ``if a \\| b: `` | ``if a: `` | the same |" in page
    assert "**a hole**" in page


def test_an_end_before_the_time_is_a_find():
    case = {"target": "yaml", "inputs": 1200, "inputs_per_s": 40, "edges_of_seeds": 5, "edges": 9}
    page = robust_docs.fuzzing(evidence(**case, finds=[], ended=None))
    assert "| yaml | 1,200 | 40 | 5 | 9 | none |" in page and "1,200 inputs: `make soak`" in page
    page = robust_docs.fuzzing(evidence(**case, finds=[{}], ended="an input took too long"))
    assert "| 5 | 9 | 2 |" in page
