"""The label that every figure carries."""

from __future__ import annotations

import pytest

from hotkit.core.labels import Label, Platform, label_of, machine_label


@pytest.mark.parametrize(
    ("label", "text", "holds"),
    [
        (Label(platform=Platform.METAL), "metal", True),
        (Label(platform=Platform.VIRTUAL, nested=True), "virtual, nested", True),
        (Label(platform=Platform.EMULATED), "emulated", False),
        (Label(platform=Platform.UNKNOWN, nested=True), "machine not known", False),
    ],
)
def test_label(label, text, holds):
    assert (str(label), label.costs_hold_for_hardware) == (text, holds)


def test_a_word_that_no_agent_sends_is_refused():
    assert label_of("virtual").platform is Platform.VIRTUAL
    with pytest.raises(ValueError):
        label_of("fast")


def test_a_label_in_json():
    label = label_of("virtual", nested=True, evidence="dmidecode says KVM")
    assert label == Label(platform=Platform.VIRTUAL, nested=True, evidence="dmidecode says KVM")
    assert label.to_dict() == {
        "platform": "virtual", "nested": True, "evidence": "dmidecode says KVM",
    }  # fmt: skip
    assert label_of("metal").to_dict() == {"platform": "metal", "nested": False, "evidence": ""}


def test_the_label_of_a_machine_that_greets():
    hello = {"platform": "emulated", "platform_evidence": "TCG in CPUID", "nested": 1}
    found = machine_label(hello)
    assert found == Label(platform=Platform.EMULATED, nested=True, evidence="TCG in CPUID")
    assert found.nested is True
    # An agent of before says nothing of nesting.
    del hello["nested"]
    assert machine_label(hello).nested is False
