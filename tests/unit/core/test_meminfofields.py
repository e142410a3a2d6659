"""Every field of meminfo has one place, and what has none is named in its order."""

from hotkit.core.meminfofields import INSIDE, NO_PART, PARTS, unknown


def test_fields_without_a_place_are_named_in_their_order():
    known = [*sorted(PARTS), *INSIDE, *sorted(NO_PART)]
    assert unknown(known) == ()
    assert unknown(["Zeta", "Slab", "Alpha", "Shmem", "MemTotal", "Mid"]) == (
        "Zeta",
        "Alpha",
        "Mid",
    )
    assert unknown([]) == ()


def test_a_field_has_one_place():
    assert not PARTS & set(INSIDE)
    assert not PARTS & NO_PART
    assert not NO_PART & set(INSIDE)
    # What a field is inside of is a part, or all of RAM.
    whole = PARTS | set(INSIDE) | {"MemTotal"}
    assert set(INSIDE.values()) <= whole
