"""What real machines said to `agent.pyz doctor` (tests/data/doctor), judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hotkit.core.doctor import judge
from hotkit.core.gravity import Gravity
from hotkit.core.guestdoctor import judge_guest
from hotkit.core.labels import machine_label
from hotkit.core.vmdoctor import judge_vms
from tests.unit.doctorfacts import guest

DATA = Path(__file__).parents[2] / "data/doctor"
CAPTURES = sorted(DATA.glob("*.json"))


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_a_capture_can_be_judged_and_is_listed(path: Path) -> None:
    said = read(path)
    label = machine_label(said["label"])
    found = [*judge(said["doctor"], label), *judge_vms(said["vm"], said["doctor"], label, ())]
    for one in said["guests"]:
        found += judge_guest(guest(), one, said["vm"], said["doctor"], "lab")
    for item in found:
        assert "None" not in item.sentence and "\n" not in item.sentence, item
        assert (item.fix is None) == (item.gravity is Gravity.FINE), item
    assert f"`{path.name}`" in (DATA / "README.md").read_text()


def test_a_machine_whose_kvm_is_neither_intels_nor_amds():
    said = read(DATA / "firecracker-pvm.json")
    found = {
        item.code: item
        for item in judge_vms(said["vm"], said["doctor"], machine_label(said["label"]), ())
    }
    assert not [code for code, item in found.items() if item.gravity is Gravity.PROBLEM]
    assert "KVM is kvm_pvm" in found["virtualisation"].sentence
    assert "write protection (kvm_pvm has no parameter pml)" in found["pml"].sentence
    assert "=y in /proc/config.gz" in found["kvm-flush"].sentence
    assert "itself virtual" in found["nesting"].sentence
    assert "this host has none" in found["guest-vpmu"].sentence
    assert not {"ept-ad", "nested-paging"} & set(found)
