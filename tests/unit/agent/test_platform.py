"""How the agent tells metal, virtual and emulated."""

from __future__ import annotations

import pytest

from hotkit.agent.gather import judge_platform, machine_kind

QUIET = {
    "brand": "Intel(R) Xeon(R) Gold 6140",
    "flagged": False,
    "hypervisor": "",
    "vendor": "Dell Inc.",
    "product": "PowerEdge R640",
    "kvm_clock": False,
}
TCG = "QEMU TCG CPU version 2.5+"


@pytest.mark.parametrize(
    ("seen", "platform", "nested"),
    [
        ({}, "metal", False),
        ({"flagged": True, "hypervisor": "KVMKVMKVM", "vendor": "QEMU", "kvm_clock": True},
         "virtual", False),
        ({"flagged": True, "hypervisor": "Microsoft Hv", "vendor": "Microsoft Corporation"},
         "virtual", False),
        # QEMU's own CPU, as the lab has it: the brand says so, no hypervisor leaf is readable.
        ({"flagged": True, "brand": TCG, "vendor": "QEMU"}, "emulated", False),
        ({"flagged": True, "hypervisor": "TCGTCGTCGTCG", "vendor": "QEMU"}, "emulated", False),
        # A named CPU model below TCG: only the missing KVM clock tells.
        ({"flagged": True, "brand": "AMD EPYC Processor", "vendor": "QEMU"}, "emulated", False),
        ({"vendor": "QEMU", "brand": "AMD EPYC Processor"}, "emulated", False),
        # The guest of an emulated host: KVM, on a CPU that is software.
        ({"flagged": True, "brand": TCG, "vendor": "QEMU", "kvm_clock": True}, "emulated", True),
    ],
)  # fmt: skip
def test_platform(seen, platform, nested):
    found = judge_platform(**(QUIET | seen))
    assert (found["platform"], found["nested"]) == (platform, nested)
    assert found["platform_evidence"]


def test_this_machine_has_a_label_with_evidence():
    found = machine_kind()
    assert found["platform"] in ("metal", "virtual", "emulated")
    assert found["platform_evidence"]
