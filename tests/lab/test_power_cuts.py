"""A power cut and kills of the controller; `make soak` runs the rest.

Budget: 6 minutes on 2 cores without KVM.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hotkit import lab
from tests.lab import cases

pytestmark = [pytest.mark.lab, pytest.mark.soak]


@pytest.fixture(scope="module", autouse=True)
def up(lab_tools: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """lab-small in a lab of this module's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        lab.up(lab.known_machine(cases.NAME), lambda name, text: None)
        try:
            yield
        finally:
            lab.down(cases.NAME, lambda name, text: None)


# In the trial boot; `make soak CAMPAIGN=power-cuts` has the other moments, the kills of the
# controller below are while files are written and after the boot, too.
@pytest.mark.parametrize("number", [11])
def test_power_cut(number: int) -> None:
    case = cases.power_cut_case(number)
    assert case["ok"], cases.as_json(case)


def test_controller_killed() -> None:
    case = cases.controller_kill_case(0, kills=3)
    assert case["ok"], cases.as_json(case)
