"""The label that every figure carries."""

from __future__ import annotations

import pytest

from hotkit.core.labels import Label, Platform, label_of


@pytest.mark.parametrize(
    ("label", "text", "holds"),
    [
        (Label(platform=Platform.METAL), "metal", True),
        (Label(platform=Platform.VIRTUAL, nested=True), "virtual, nested", True),
        (Label(platform=Platform.EMULATED), "emulated", False),
    ],
)
def test_label(label, text, holds):
    assert (str(label), label.costs_hold_for_hardware) == (text, holds)


def test_a_word_that_no_agent_sends_is_refused():
    assert label_of("virtual").platform is Platform.VIRTUAL
    with pytest.raises(ValueError):
        label_of("fast")
