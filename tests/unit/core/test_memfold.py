"""Long lists made short, and nothing lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.memaccount import Kind, MemoryItem
from hotkit.core.memfold import fold
from hotkit.core.units import KIB, MIB


def item(size, name="x", kind=Kind.RAM, source="meminfo", **nodes):
    return MemoryItem(name=name, size_bytes=size, kind=kind, source=source,
                      nodes={int(key[1:]): value for key, value in nodes.items()})  # fmt: skip


def test_small_ones_become_one():
    big = item(MIB, "big")
    small = [item(KIB, "a", n0=KIB), item(2 * KIB, "b", n0=KIB, n1=KIB)]
    rest = item(-5, "unexplained", Kind.UNEXPLAINED)
    kept, folded, last = fold([small[0], big, rest, small[1]])
    assert (kept, last) == (big, rest)
    assert (folded.name, folded.size_bytes, folded.nodes) == (
        "2 more",
        3 * KIB,
        {0: 2 * KIB, 1: KIB},
    )


def test_what_is_folded_is_told_as_the_first_of_them():
    lines = [item(512 * KIB, "just large"), item(2, "a", source="slabinfo"), item(1, "b")]
    kept, folded = fold(lines)
    assert kept.name == "just large"
    assert (folded.kind, folded.source, folded.size_bytes) == (Kind.RAM, "slabinfo", 3)
    kinds = [kind for kind in Kind if kind is not Kind.UNEXPLAINED][:2]
    (folded,) = fold([item(2, "a", kinds[1]), item(1, "b", kinds[0])])
    assert folded.kind is kinds[1]


def test_two_lines_are_not_made_of_one():
    lines = (item(MIB, "big"), item(KIB, "small"))
    assert fold(lines) == lines


def test_beyond_a_dozen_large_ones_are_folded_too():
    lines = [item((20 - n) * MIB, f"i{n}") for n in range(15)]
    found = fold(lines)
    assert [line.name for line in found] == [*(f"i{n}" for n in range(12)), "3 more"]


@given(
    st.lists(
        st.builds(
            item, st.integers(0, 4 * MIB), st.just("x"),
            st.sampled_from([Kind.RAM, Kind.UNEXPLAINED]), n0=st.integers(0, MIB),
        ),
        max_size=40,
    )
)  # fmt: skip
def test_the_sum_stays(lines):
    found = fold(lines)
    assert sum(line.size_bytes for line in found) == sum(line.size_bytes for line in lines)
    assert sum(line.nodes[0] for line in found) == sum(line.nodes[0] for line in lines)
    assert len(found) <= len(lines)
    unexplained = [line for line in lines if line.kind is Kind.UNEXPLAINED]
    assert [line for line in found if line.kind is Kind.UNEXPLAINED] == unexplained
