"""Before anything is written: what refuses a machine, what is only a doubt."""

from __future__ import annotations

import pytest

from hotkit.core.bootmemory import Forecast, NodeForecast
from hotkit.core.plan import plan
from hotkit.core.pmem import Region
from hotkit.core.pmem_preflight import pmem_cost_bytes, pmem_refusals, pmem_sentence
from hotkit.core.preflight import preflight
from hotkit.core.profile import profile_from_dict
from hotkit.core.units import GIB, KIB, MIB
from tests.unit.core.test_plan_pmem import PMEM, TOPOLOGY

KERNEL = "/vmlinuz-6.1"


def layout(fast="1G", slow=None):
    wish = {"cpus": 2, "fast": {"node": 0, "size": fast}, "slow": slow or {"node": 1, "size": "2G"}}
    return plan(TOPOLOGY, profile_from_dict("p", wish))


def asked(found=None, **more):
    """(refusals, warnings) of a machine where all is well, but for `more`."""
    well = {
        "uid": 0, "boot_free_bytes": GIB, "forecast": None, "secure_boot": False,
        "kernel": KERNEL, "kernels": ("/boot" + KERNEL,),
    }  # fmt: skip
    refusals, warnings = preflight(found or layout(), **well | more)
    return [f"{c.step}: {c.message}" for c in refusals], [
        f"{c.step}: {c.message}" for c in warnings
    ]


def forecast(memtotal, need, used=(100, 200, 300)):
    node = NodeForecast(node=0, ram_bytes=GIB, memtotal_bytes=memtotal * MIB, used_bytes=0)
    sizes = [tuple(size * MIB for size in row) for row in (used, need)]
    return Forecast(
        layout_id="1f", reference="r", nodes=(node,), used=sizes[0], need=sizes[1], terms=()
    )


def test_all_is_well():
    assert asked() == ([], [])
    assert asked(forecast=forecast(900, (200, 300, 400))) == ([], [])


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"uid": 1000}, "root: facts were gathered by uid 1000, not by root"),
        ({"boot_free_bytes": MIB - KIB}, "space: /boot has 1023 KiB free, too little to write"),
        ({"boot_free_bytes": 8 * MIB, "boot_needs_bytes": 80 * MIB},
         "space: /boot has 8 MiB free, the kernel and its initramfs may take 80 MiB"),
        ({"kernels": ("/boot/vmlinuz-5",)}, "kernel: grub.cfg names /vmlinuz-6.1, which is not in"),
        ({"secure_boot": True, "own_kernel": True}, "secure-boot: Secure Boot is on, and a kernel"),
    ],
)  # fmt: skip
def test_refused_even_by_force(more, sentence):
    for force in (False, True):
        refusals, warnings = asked(**more, force=force)
        assert len(refusals) == 1 and refusals[0].startswith(sentence)
        assert not warnings


def test_secure_boot_with_a_signed_kernel_is_a_doubt():
    refusals, warnings = asked(secure_boot=True)
    assert not refusals and warnings[0].startswith("secure-boot: Secure Boot is on: only signed")


@pytest.mark.parametrize(
    ("found", "more", "sentence"),
    [
        (layout("64M", {"node": 1, "size": "64M"}), {},
         "memory: the layout leaves 128.6 MiB of RAM; under 256 MiB a kernel may hang"),
        (layout(), {"pmem_cost_bytes": 3 * GIB - 255 * MIB},
         "memory: struct pages of the PMEM take 2817 MiB of the 3072.6 MiB"),
        (layout(), {"forecast": forecast(150, (200, 300, 400))},
         "memory: the layout will not boot: 150 MiB for the kernel to hand out, booting takes"),
    ],
)  # fmt: skip
def test_too_little_memory_is_refused_unless_forced(found, more, sentence):
    refusals, warnings = asked(found, **more)
    assert len(refusals) == 1 and refusals[0].startswith(sentence) and not warnings
    assert asked(found, **more, force=True) == (warnings, refusals)


def test_whether_somebody_could_reset_it_is_said():
    small = layout("64M", {"node": 1, "size": "64M"})
    assert "somebody would have to go there" in asked(small)[0][0]
    assert "power control would reset it then" in asked(small, has_power=True)[0][0]
    # Also where the forecast says no.
    tight = forecast(150, (200, 300, 400))
    assert "so small a kernel may hang" in asked(small, forecast=tight)[0][0]
    assert "so small a kernel may hang" not in asked(forecast=tight)[0][0]


def test_a_tight_layout_is_a_doubt():
    refusals, warnings = asked(forecast=forecast(350, (200, 300, 400)))
    assert not refusals and "is tight" in warnings[0]


def test_a_fast_tier_that_boot_fills_is_a_doubt():
    assert asked(forecast=forecast(900, (10, 20, 30), (700, 900, 950)))[1] == []
    (doubt,) = asked(forecast=forecast(900, (10, 20, 30), (700, 901, 950)))[1]
    assert doubt.startswith("memory: 901 MiB will be in use after boot, the fast tier has 900 MiB")


def region(**more):
    well = {"name": "region0", "range": PMEM, "largest_free_bytes": 16 * GIB,
            "align_bytes": 2 * MIB, "labelled": True, "namespaces": ()}  # fmt: skip
    return Region(**well | more)


def test_pmem_as_the_slow_tier():
    real = layout(slow={"pmem": True, "size": "4G"})
    assert pmem_refusals(layout(), (), tools_missing=(), ours=None, virtual=False) == ()
    assert pmem_refusals(real, (region(),), tools_missing=(), ours=None, virtual=False) == ()
    (missing,) = pmem_refusals(
        real, (region(),), tools_missing=("ndctl", "daxctl"), ours=None, virtual=False
    )
    assert missing.message == "the slow tier is PMEM, and ndctl and daxctl are missing"
    assert missing.hint == "apt-get install ndctl daxctl"
    (full,) = pmem_refusals(
        real, (region(largest_free_bytes=MIB),), tools_missing=(), ours=None, virtual=False
    )
    assert full.step == "pmem" and full.hint


def test_what_pmem_takes_from_dram():
    real = layout(slow={"pmem": True, "size": "4G"})
    assert pmem_cost_bytes(layout(), virtual=False) == 0
    # 64 bytes for each page of 4 KiB that is online; whole memory blocks of the 4 GiB.
    cost = pmem_cost_bytes(real, virtual=False)
    assert 0 < cost <= 4 * GIB // (4 * KIB) * 64
    said = pmem_sentence(real, virtual=False)
    assert said.startswith(f"slow tier: PMEM {PMEM}, ") and "of DRAM" in said
