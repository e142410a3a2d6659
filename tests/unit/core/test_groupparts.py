"""Which parts are put together: what is told of those that are not, and in which order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hotkit.core.groupparts import LeftOut, alike, that_count
from tests.unit.groupparts import part


def boot(number, host="h", **more):
    return part(number, {"soft": 0.1}, host=host, **more)


def names(hosts):
    return [[one.name for one, _ in boots] for boots in hosts]


def name(number, host="h"):
    return f"{host}-4C16G-hotset-boot{number}"


def test_what_does_not_count_and_why():
    parts = [
        boot(0),
        replace(boot(1), session=None),
        replace(boot(2), session=None, missing="not begun"),
        boot(3, doubts=("the first", "the second")),
        boot(4, host="i"),
        boot(5),
    ]
    hosts, left_out = that_count(parts)
    assert names(hosts) == [[name(0), name(5)], [name(4, "i")]]
    assert [session for boots in hosts for _, session in boots] == [
        parts[0].session, parts[5].session, parts[4].session,
    ]  # fmt: skip
    assert left_out == [
        LeftOut(part=name(1), reason="nothing was measured"),
        LeftOut(part=name(2), reason="not begun"),
        LeftOut(part=name(3), reason="not trustworthy: the first"),
    ]
    assert that_count([]) == ([], [])


def test_hosts_are_told_after_boots():
    parts = [
        boot(0, host="odd", kernel_release="6.12"),
        boot(1, host="odd", kernel_release="6.12"),
        boot(2),
        boot(3, boot_id="h-2"),
        boot(4, kernel_release="5.10"),
        boot(5, host="i"),
    ]
    hosts, left_out = that_count(parts)
    assert names(hosts) == [[name(2)], [name(5, "i")]]
    other = "kernel differs (6.12, not 6.1.0-test)"
    assert left_out == [
        LeftOut(part=name(3), reason=f"the same boot as {name(2)}: a boot counts once"),
        LeftOut(part=name(4), reason="kernel differs (5.10, not 6.1.0-test)"),
        LeftOut(part=name(0, "odd"), reason=other),
        LeftOut(part=name(1, "odd"), reason=other),
    ]


@pytest.mark.parametrize(
    ("ids", "counted"),
    [
        ((None, "x", "y"), [0]),
        (("x", None, "y", None), [0, 2]),
        ((None, None), [0]),
        (("x", "y"), [0, 1]),
    ],
)
def test_a_boot_without_an_id_may_be_any_other(ids, counted):
    parts = [boot(number, boot_id=one) for number, one in enumerate(ids)]
    hosts, left_out = that_count(parts)
    assert names(hosts) == [[name(number) for number in counted]]
    said = {one.reason for one in left_out}
    assert said in (set(), {"boot id was not recorded: it may be no other boot"})
    assert len(left_out) == len(ids) - len(counted)


def test_over_hosts_cpus_are_counted_where_they_are_known():
    hosts, left_out = that_count([boot(0, cpus=None), boot(1, host="i", cpus=None)])
    assert names(hosts) == [[name(0)]]
    assert left_out == [LeftOut(part=name(1, "i"), reason="CPUs was not recorded everywhere")]
    hosts, left_out = that_count([boot(0), boot(1, host="i", cpus=[0, 1, 2])])
    assert left_out == [LeftOut(part=name(1, "i"), reason="CPUs differs (3, not 2)")]
    # On one host the same number of other CPUs is another machine.
    hosts, left_out = that_count([boot(0), boot(1, cpus=[2, 3])])
    assert left_out == [LeftOut(part=name(1), reason="CPUs differs ([2, 3], not [0, 1])")]


def test_three_differences_are_told_and_no_more():
    other = {"kernel_release": "6.12", "arch": "arm64", "nested": True}
    three = "nested differs (true, not false); kernel differs (6.12, not 6.1.0-test); "
    three += "architecture differs (arm64, not x86_64)"
    (left_out,) = that_count([boot(0), boot(1, **other)])[1]
    assert left_out.reason == three
    (left_out,) = that_count([boot(0), boot(1, **other, clocksource="hpet")])[1]
    assert left_out.reason == f"{three}; and 1 more"
    (left_out,) = that_count([boot(0), boot(1, **other, clocksource="hpet", memory_bytes=1)])[1]
    assert left_out.reason == f"{three}; and 2 more"


def test_a_long_value_is_cut_to_60_characters():
    whole, cut = "k" * 60, "k" * 57 + "..."
    (left_out,) = that_count([boot(0), boot(1, kernel_release=whole)])[1]
    assert left_out.reason == f"kernel differs ({whole}, not 6.1.0-test)"
    (left_out,) = that_count([boot(0), boot(1, kernel_release=whole + "k")])[1]
    assert left_out.reason == f"kernel differs ({cut}, not 6.1.0-test)"


def test_one_between_two_kinds_is_of_the_first():
    """What agrees with both (a size within 1 % of two that are not) has no difference to tell."""

    def differs(one, other):
        return None if abs(one - other) <= 1 else f"{one} is far from {other}"

    assert alike([0, 1, 2, 3, 2], differs) == (
        [2, 3, 2], [(0, "0 is far from 2"), (1, "differs")]
    )  # fmt: skip
