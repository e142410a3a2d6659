"""Facts of one emulated machine (2 nodes of 1 GiB, PMEM, Debian's 6.1), booted five ways.

Each file of tests/data/facts is what gather.py printed after a real boot in QEMU with the command
line that is in it: the stock one, the layout in both spellings, the layout with its `$` eaten, and
the layout with a CPU brought online afterwards.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hotkit.checks.gathering import gather_command
from hotkit.checks.judging import Judgement, NothingExpected, judge
from hotkit.core.check import Verdict
from hotkit.errors import HotkitError

FACTS = Path(__file__).resolve().parents[2] / "data" / "facts"
PROFILE = {
    "name": "2C900M",
    "cpus": 2,
    "fast": {"node": 0, "size": "600M"},
    "slow": {"node": 1, "size": "300M"},
}


def facts(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FACTS / f"2s-2g-{name}.json").read_text())
    return found


def judged(name: str, **wanted: Any) -> Judgement:
    return judge(facts(name), {"profile": PROFILE, **wanted}, host=name)


def failing(found: Judgement) -> set[str]:
    return {item.name for item in found.checks if item.verdict is not Verdict.PASS}


@pytest.mark.parametrize(("name", "style"), [("good", "$"), ("percent", "%")])
def test_both_spellings_of_the_layout_pass(name, style):
    found = judged(name, overrides={"style": style}, kernel="6.1.0-56-cloud-amd64")
    assert failing(found) == set()
    assert found.causes == ()
    assert len(found.checks) == 14
    assert str(found.observed.label) == "emulated"


def test_the_same_memory_in_the_other_spelling_is_another_layout():
    found = judged("percent")
    assert failing(found) == {"entry", "cmdline"}
    assert [cause.kind for cause in found.causes] == ["other-layout"]


def test_the_stock_boot():
    found = judged("stock")
    assert {"entry", "cmdline", "cpus", "system-ram-node0", "system-ram-node1"} <= failing(found)
    assert [cause.kind for cause in found.causes] == ["stock-entry"]


def test_the_eaten_dollar():
    found = judged("eaten")
    assert {"cmdline", "system-ram-node0", "system-ram-node1", "numactl"} <= failing(found)
    assert [cause.kind for cause in found.causes] == ["lost-escape", "capped"]
    lost, cap = found.causes
    assert "423MM,741204KM" in lost.sentence
    assert "$" in lost.sentence and "custom.cfg" in lost.sentence
    assert "capped at 423 MiB" in cap.sentence


def test_a_cpu_brought_online_later():
    found = judged("late")
    assert failing(found) == {"cpus", "cpu-nodes"}
    assert [cause.kind for cause in found.causes] == ["late-cpus"]
    assert "CPU 2 came online after the boot" in found.causes[0].sentence


def with_state(name: str, layout: dict[str, Any]) -> dict[str, Any]:
    return facts(name) | {"state": {"schema_version": 1, "state": "verified", "layout": layout}}


def test_without_a_profile_the_hosts_record_is_what_is_expected():
    layout = judged("good").layout.to_dict()
    found = judge(with_state("good", layout), {})
    assert failing(found) == set()
    assert "record" in {item.name for item in found.checks}


def test_a_record_that_names_another_layout_is_said_so():
    layout = judged("percent", overrides={"style": "%"}).layout.to_dict()
    found = judge(with_state("good", layout), {"profile": PROFILE})
    assert failing(found) == {"record"}


def test_a_layout_that_was_given_wins_over_the_record():
    given = judged("percent", overrides={"style": "%"}).layout.to_dict()
    recorded = judged("good").layout.to_dict()
    found = judge(with_state("percent", recorded), {"layout": given})
    assert found.layout.id == given["id"]


def test_nothing_to_compare_with():
    with pytest.raises(NothingExpected, match=r"state\.json is not there"):
        judge(facts("good"), {})


def test_a_profile_that_does_not_fit_the_machine():
    with pytest.raises(NothingExpected, match="does not fit"):
        judge(facts("good"), {"profile": {**PROFILE, "fast": {"node": 0, "size": "8G"}}})


def test_facts_of_a_later_hotkit_are_refused():
    with pytest.raises(HotkitError, match="schema_version 99"):
        judge(facts("good") | {"schema_version": 99}, {"profile": PROFILE})


def test_facts_of_a_user_who_is_not_root():
    hidden = facts("good")
    hidden["iomem"] = "00000000-00000000 : System RAM\n"
    hidden["acpi"] = {"SRAT": None, "APIC": None, "SLIT": None}
    with pytest.raises(NothingExpected, match="could not be read"):
        judge(hidden, {"profile": PROFILE})
    found = judge(hidden, {"layout": judged("good").layout.to_dict()})
    unknown = {item.name for item in found.checks if item.verdict is Verdict.UNKNOWN}
    assert {"system-ram-node0", "system-ram-node1", "no-other-ram", "pmem-node2"} <= unknown


def test_the_gather_script_fits_into_one_argument():
    command = gather_command()
    assert len(command) < 60_000
    assert command.isascii()
