"""The kernel's working map, operation by operation, against the plain statement of each: which
type every single address has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.e820 import E820Entry
from hotkit.core.e820map import RESERVED_KERN, E820Map, Panic, system_ram
from hotkit.core.memparse import U64
from hotkit.core.ranges import Range, RangeSet
from hotkit.core.units import MIB

TYPES = st.sampled_from([1, 2, 3, 12, RESERVED_KERN])
PIECES = st.lists(
    st.builds(
        lambda start, size, kind: E820Entry(Range(start, start + size), kind),
        st.integers(0, 40), st.integers(1, 20), TYPES,
    ),
    min_size=2, max_size=6,
)  # fmt: skip
SPAN = st.tuples(st.integers(0, 60), st.integers(0, 30))


def by_address(table):
    """Address -> type, of a map that has no overlaps (checked)."""
    found: dict[int, int] = {}
    for entry in table.entries():
        for address in range(entry.range.start, entry.range.end):
            assert address not in found
            found[address] = int(entry.type)
    return found


def highest(pieces):
    found: dict[int, int] = {}
    for piece in pieces:
        for address in range(piece.range.start, piece.range.end):
            found[address] = max(found.get(address, 0), int(piece.type))
    return found


@given(PIECES)
def test_the_highest_type_wins_and_neighbours_are_one(pieces):
    table = E820Map(pieces)
    assert by_address(table) == highest(pieces)
    entries = table.entries()
    for one, other in zip(entries, entries[1:], strict=False):
        assert one.range.end <= other.range.start
        touching = one.range.end == other.range.start and one.type == other.type
        assert not touching or one.type == 12  # PRAM: separate devices
    assert table.sanitise() == (len(entries) >= 2)
    assert table.entries() == entries


@given(PIECES, SPAN, TYPES, TYPES)
def test_update_changes_one_type_inside_a_range(pieces, span, old, new):
    table, wanted = E820Map(pieces), highest(pieces)
    start, size = span
    if old == new:
        with pytest.raises(Panic, match=rf"a type changed into itself \({old}\) is a BUG_ON"):
            table.update(start, size, old, new)
        return
    table.update(start, size, old, new)
    changed = {
        address: new if kind == old and start <= address < start + size else kind
        for address, kind in wanted.items()
    }
    assert by_address(table) == changed
    table.sanitise()
    assert by_address(table) == changed


@given(PIECES, SPAN, st.none() | TYPES)
def test_remove_forgets_a_range(pieces, span, old):
    table, wanted = E820Map(pieces), highest(pieces)
    start, size = span
    table.remove(start, size, old)
    left = {
        address: kind
        for address, kind in wanted.items()
        if not (start <= address < start + size and old in (None, kind))
    }
    assert by_address(table) == left
    table.sanitise()
    assert by_address(table) == left


@given(PIECES, st.integers(1, 60), st.booleans())
def test_a_range_without_end_reaches_to_the_end(pieces, start, forget):
    """memmap= and mem= cap with a size of ULLONG_MAX."""
    table, wanted = E820Map(pieces), highest(pieces)
    if forget:
        table.remove(start, U64 - 1, 1)
        assert by_address(table) == {a: k for a, k in wanted.items() if a < start or k != 1}
    else:
        table.update(start, U64 - 1, 1, 2)
        changed = {a: 2 if a >= start and k == 1 else k for a, k in wanted.items()}
        assert by_address(table) == changed


@given(PIECES, st.integers(0, 40), st.integers(1, 20))
def test_where_the_kernel_lies_is_ram(pieces, start, size):
    table, wanted = E820Map(pieces), highest(pieces)
    image = range(start, start + size)
    table.add_kernel_image(Range(start, start + size))
    table.sanitise()
    # Fewer than two entries are left as they are, overlaps and all; here there are none then.
    assert by_address(table) == wanted | dict.fromkeys(image, 1)


def test_what_is_added_lies_over_the_rest_until_it_is_put_in_order():
    table = E820Map([E820Entry(Range(0, 10), 1), E820Entry(Range(20, 30), 2)])
    table.add(5, 10, 2)
    assert len(table.entries()) == 3
    assert table.sanitise()
    assert [(e.range.start, e.range.end, e.type) for e in table.entries()] == [
        (0, 5, 1), (5, 15, 2), (20, 30, 2),
    ]  # fmt: skip


def test_a_map_that_cannot_be_put_in_order_stays_as_it_is():
    one = E820Map([E820Entry(Range(5, 10), 1)])
    assert not one.sanitise() and len(one.entries()) == 1
    # Two that begin together are one after it, and no third of no size is left between them.
    both = E820Map([E820Entry(Range(5, 10), 1), E820Entry(Range(5, 12), 2)])
    assert not both.sanitise() and len(both.entries()) == 1
    table = E820Map([E820Entry(Range(0, 10), 1), E820Entry(Range(20, 30), 2)])
    table.add(U64 - 5, 10, 1)
    assert not table.sanitise()
    table.clear()
    assert table.entries() == () and not table.sanitise()


def test_the_areas_of_the_bios_are_no_ram():
    """What else lies there stays."""
    table = E820Map([E820Entry(Range(0, 2 * MIB), 1), E820Entry(Range(0xF0000, 0xF8000), 2)])
    table.trim_bios_range()
    assert [(e.range.start, e.range.end, e.type) for e in table.entries()] == [
        (0, 0x1000, 2), (0x1000, 0xA0000, 1), (0xF0000, 0xF8000, 2), (MIB, 2 * MIB, 1),
    ]  # fmt: skip


def test_system_ram_is_ram_and_what_the_boot_loader_left_there():
    entries = [E820Entry(Range(0, 4), 1), E820Entry(Range(4, 6), RESERVED_KERN),
               E820Entry(Range(6, 9), 2), E820Entry(Range(10, 12), 1)]  # fmt: skip
    assert system_ram(entries) == RangeSet((Range(0, 6), Range(10, 12)))
