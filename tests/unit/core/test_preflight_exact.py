"""What stands against a machine, sentence by sentence, and at each limit."""

from __future__ import annotations

import pytest

from hotkit.core.bootmemory import Forecast, NodeForecast
from hotkit.core.layout import Layout, NodePlan
from hotkit.core.preflight import preflight
from hotkit.core.ranges import Range, RangeSet
from hotkit.core.units import GIB, MIB

LARGER = "ask for larger tiers"
BY_FORCE = "ask for larger tiers; --force boots it once all the same"
NOBODY = "and no power control is set: somebody would have to go there"
SOMEBODY = "power control would reset it then"
PREDICT = "; what can be won: hotkit memory predict"


def layout(**kept):
    """Nodes by their roles, with what is left of each; the slow one is node 0."""
    nodes = tuple(
        NodePlan(
            node=node, role=role, wanted_bytes=size, present_bytes=GIB, reserved=(),
            predicted=RangeSet((Range(0, size),) if size else ()),
        )
        for node, (role, size) in enumerate(sorted(kept.items(), reverse=True))
    )  # fmt: skip
    return Layout(
        profile="p", topology="t", style="$", size_means="present", args=(), nodes=nodes, cpus=(0,)
    )


def forecast(*memtotal, need=(10, 20, 30), used=(1, 2, 3)):
    nodes = tuple(
        NodeForecast(node=node, ram_bytes=GIB, memtotal_bytes=size, used_bytes=0)
        for node, size in enumerate(memtotal)
    )
    return Forecast(layout_id="1f", reference="r", nodes=nodes, used=used, need=need, terms=())


def asked(found=None, **more):
    well = {
        "uid": 0, "boot_free_bytes": GIB, "forecast": None, "secure_boot": False,
        "kernel": "/hotkit/v-6", "kernels": ("/boot/v-5", "/boot/hotkit/v-6"),
    }  # fmt: skip
    refusals, warnings = preflight(found or layout(slow=GIB, fast=GIB), **well | more)
    return [one.to_dict() for one in refusals], [one.to_dict() for one in warnings]


def concern(step, message, hint=None):
    return {"step": step, "message": message, "hint": hint}


SPACE_HINT = "remove old kernels: apt-get autoremove"


@pytest.mark.parametrize(
    ("more", "refusal"),
    [
        ({"uid": 1}, concern(
            "root", "facts were gathered by uid 1, not by root",
            "set ansible_user: root, or ansible_become: true",
        )),
        ({"boot_free_bytes": 0}, concern(
            "space", "/boot has 0 B free, too little to write", SPACE_HINT
        )),
        ({"boot_free_bytes": 1, "boot_needs_bytes": MIB + 1}, concern(
            "space", "/boot has 1 B free, the kernel and its initramfs may take 1.0 MiB",
            SPACE_HINT,
        )),
        ({"kernel": "/boot/hotkit"}, concern(
            "kernel", "grub.cfg names /boot/hotkit, which is not in /boot", "run update-grub"
        )),
        ({"secure_boot": True, "own_kernel": True}, concern(
            "secure-boot", "Secure Boot is on, and a kernel of your own is not signed",
            "switch Secure Boot off in the firmware",
        )),
    ],
)  # fmt: skip
def test_each_refusal(more, refusal):
    assert asked(**more) == ([refusal], [])


def test_all_of_them_at_once_in_the_order_of_the_checks():
    refusals, warnings = asked(
        layout(fast=MIB), uid=1000, boot_free_bytes=0, kernels=(), secure_boot=True, own_kernel=True
    )
    steps = ["root", "space", "kernel", "memory", "secure-boot"]
    assert ([one["step"] for one in refusals], warnings) == (steps, [])


@pytest.mark.parametrize(
    "more",
    [
        {"boot_free_bytes": MIB},
        {"boot_free_bytes": 80 * MIB, "boot_needs_bytes": 80 * MIB},
        {"kernel": "/v-5"},
        {"kernel": "v-5"},
        {"secure_boot": None, "own_kernel": True},
        {"own_kernel": True},
    ],
)
def test_what_is_just_enough_is_no_concern(more):
    assert asked(**more) == ([], [])


def test_secure_boot_is_a_doubt_without_a_way_out():
    said = "Secure Boot is on: only signed kernels boot (the stock one is)"
    assert asked(secure_boot=True) == ([], [concern("secure-boot", said)])


def test_256_mib_in_all_are_enough():
    assert asked(layout(slow=200 * MIB, fast=56 * MIB)) == ([], [])
    assert asked(layout(slow=200 * MIB, fast=56 * MIB, off=0)) == ([], [])


@pytest.mark.parametrize(
    ("more", "rescue", "hint"),
    [
        ({}, NOBODY, BY_FORCE),
        ({"has_power": True}, SOMEBODY, BY_FORCE),
        ({"force": True}, NOBODY, LARGER),
        ({"force": True, "has_power": True}, SOMEBODY, LARGER),
    ],
)
def test_a_layout_under_256_mib(more, rescue, hint):
    said = concern(
        "memory",
        "the layout leaves 255 MiB of RAM; under 256 MiB a kernel may hang where panic= does not "
        f"help ({rescue})",
        hint,
    )
    found = asked(layout(slow=200 * MIB, fast=55 * MIB), **more)
    assert found == (([], [said]) if more.get("force") else ([said], []))


def test_struct_pages_may_take_all_but_256_mib():
    kept = layout(slow=GIB, fast=GIB)
    assert asked(kept, pmem_cost_bytes=1792 * MIB) == ([], [])
    said = "struct pages of the PMEM take 1793 MiB of the 2 GiB of DRAM that the layout leaves"
    for found in (None, forecast(GIB, need=(2 * GIB,) * 3)):
        assert asked(kept, pmem_cost_bytes=1793 * MIB, forecast=found) == (
            [concern("memory", said, f"less PMEM (slow.size), or {BY_FORCE}")],
            [],
        )


@pytest.mark.parametrize(
    ("need", "refused", "sentence"),
    [
        (
            (300 * MIB + 1, 400 * MIB, 500 * MIB), True,
            "will not boot: 300 MiB for the kernel to hand out, booting takes at least 300.0 MiB, "
            "likely 400 MiB",
        ),
        (
            (300 * MIB, 301 * MIB, 302 * MIB), False,
            "is tight: 300 MiB for the kernel to hand out, 2 B of it used after boot (1 B to 3 B), "
            "and booting takes 300 MiB to 302 MiB",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("kept", "more"),
    [
        (layout(slow=128 * MIB, fast=128 * MIB), ""),
        (
            layout(slow=127 * MIB, fast=128 * MIB),
            f"; so small a kernel may hang where panic= does not help ({NOBODY})",
        ),
    ],
)
def test_what_the_forecast_says_goes_before_the_limit(need, refused, sentence, kept, more):
    """Every tier counts: 300 MiB are those of two nodes."""
    found = asked(kept, forecast=forecast(100 * MIB, 200 * MIB, need=need))
    said = concern("memory", f"the layout {sentence}{more}", BY_FORCE + PREDICT)
    assert found == (([said], []) if refused else ([], [said]))


def test_a_forecast_that_fits_goes_before_the_limit_too():
    assert asked(layout(fast=MIB), forecast=forecast(30)) == ([], [])


def test_a_fast_tier_is_full_when_the_likely_use_is_more_than_it_has():
    """Node 1 is the fast one; what node 0 has does not count."""
    kept = layout(slow=GIB, fast=GIB)
    used = (700 * MIB, 800 * MIB, 900 * MIB)
    assert asked(kept, forecast=forecast(GIB, 800 * MIB, used=used)) == ([], [])
    said = concern(
        "memory",
        "800 MiB will be in use after boot, the fast tier has 799 MiB: what is started at boot "
        "fills it and goes on in the slow tier",
        "stop services, or ask for a larger fast tier",
    )
    for force in (False, True):
        found = forecast(GIB, 799 * MIB, used=used)
        assert asked(kept, forecast=found, force=force) == ([], [said])
