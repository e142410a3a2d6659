"""`guest:` and `scope:` of a SWEEP.yml: where the workload runs, where a tracker looks from."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hotkit.core.design import schedule, settings_of_arms
from hotkit.errors import HotkitError
from hotkit.host.sweepspec import load_sweep_spec
from hotkit.sweep.begin import _plan_for_agent

ROOT = Path(__file__).resolve().parents[3]
BASE = """schema_version: 1
blocks: 6
workload: {kind: hotset, size: 8M, hot: 1M, updates: 1000}
"""


def read(folder, text):
    file = folder / "my.yml"
    file.write_text(BASE + text)
    return load_sweep_spec(file)


def test_a_list_of_scopes_makes_an_arm_of_each(tmp_path):
    spec = read(
        tmp_path,
        "guest: g1\narms:\n"
        "  - {tracker: damon, scope: [guest, host], settings: {flush: [stock, primary]}}\n"
        "  - {tracker: softdirty, name: written, scope: guest}\n"
        "  - {tracker: idlepage, scope: [host]}\n",
    )
    assert spec.guest == "g1"
    assert [(arm.name, arm.scope) for arm in spec.named_arms()] == [
        ("damon-stock-guest", "guest"),
        ("damon-stock-host", "host"),
        ("damon-primary-guest", "guest"),
        ("damon-primary-host", "host"),
        ("written", "guest"),
        ("idlepage-host", "host"),
    ]


@pytest.mark.parametrize(
    ("text", "at", "words"),
    [
        (
            "guest: g1\narms: [{tracker: damon}]",
            "5:8",
            "scope: guest or host? (the workload is in guest g1)",
        ),
        ("arms: [{tracker: damon, scope: guest}]", "4:32", "scope: needs guest: NAME"),
        ("arms: [{tracker: damon, scope: [host]}]", "4:32", "scope: needs guest: NAME"),
        (
            "guest: g1\narms: [{tracker: damon, scope: gust}]",
            "5:32",
            "arms.0.scope: 'gust' is neither guest nor host",
        ),
        (
            "guest: g1\narms: [{tracker: damon, scope: [guest, vm]}]",
            "5:32",
            "arms.0.scope: 'vm' is neither guest nor host",
        ),
        (
            "guest: g1\narms: [{tracker: damon, scope: [guest, null]}]",
            "5:32",
            "arms.0.scope: None is neither guest nor host",
        ),
        (
            "guest: g1\narms: [{tracker: damon, scope: [guest, guest]}]",
            "5:32",
            "arms.0.scope: a value is listed twice",
        ),
        (
            "guest: g1\narms: [{tracker: damon, scope: []}]",
            "5:32",
            "arms.0.scope: the list is empty",
        ),
        (
            "guest: [g1, g2]\narms: [{tracker: damon, scope: guest}]",
            "4:8",
            "guest: Input should be a valid string",
        ),
        (
            "guest: g1\nlayouts: [4C16G-remote]\narms: [{tracker: damon, scope: guest}]",
            "4:1",
            "guest: a guest does not outlive the boot into a layout: leave out one of them",
        ),
    ],
)
def test_mistakes(tmp_path, text, at, words):
    with pytest.raises(HotkitError) as caught:
        read(tmp_path, text + "\n")
    assert caught.value.message == f"{tmp_path}/my.yml:{at}: {words}"
    assert caught.value.exit_code == 2


def test_the_schedule_has_scopes_and_without_a_guest_none(tmp_path):
    arm = "arms: [{tracker: damon, settings: {sample_us: 5000}%s}]\n"
    plain = read(tmp_path, arm % "")
    there = read(tmp_path, "guest: g1\n" + arm % ", scope: [guest, host]")
    runs = _plan_for_agent(plain, schedule(plain.named_arms(), 6, 1))["runs"]
    assert not any("scope" in run for run in runs)
    runs = _plan_for_agent(there, schedule(there.named_arms(), 6, 1))["runs"]
    assert {(run["arm"], run.get("scope")) for run in runs} == {
        ("off", None), ("damon-guest", "guest"), ("damon-host", "host"),
    }  # fmt: skip
    # Two arms of the same settings in two places are two things: no line goes through both.
    assert settings_of_arms(runs) == {
        "damon-guest": {"sample_us": 5000, "scope": "guest"},
        "damon-host": {"sample_us": 5000, "scope": "host"},
    }
    assert there.named_arms()[1].described == {"sample_us": 5000, "scope": "host"}


def test_what_a_sweep_keeps_of_its_description_is_the_same_description(tmp_path):
    spec = read(tmp_path, "guest: g1\narms: [{tracker: damon, scope: [guest, host]}]\n")
    (tmp_path / "again.yml").write_text(json.dumps(spec.model_dump(mode="json"), indent=1))
    assert load_sweep_spec(tmp_path / "again.yml") == spec


def test_kvm_dirty_has_no_other_place_than_the_host(tmp_path):
    there = "guest: g1\narms: [{tracker: kvm-dirty%s}, {tracker: damon, scope: guest}]\n"
    for scope, name in (("", "kvm-dirty"), (", scope: host", "kvm-dirty"),
                        (", scope: [host]", "kvm-dirty-host")):  # fmt: skip
        arm = read(tmp_path, there % scope).named_arms()[0]
        assert (arm.name, arm.scope) == (name, "host")
    for text, at, words in (
        (there % ", scope: guest", "5:36",
         "scope: kvm-dirty looks at the VM from its host, never from the guest"),
        (there % ", scope: [guest, host]", "5:36",
         "scope: kvm-dirty looks at the VM from its host, never from the guest"),
        ("arms: [{tracker: kvm-dirty}]\n", "4:18",
         "kvm-dirty looks at a VM: guest: NAME is missing"),
    ):  # fmt: skip
        with pytest.raises(HotkitError) as caught:
            read(tmp_path, text)
        assert caught.value.message == f"{tmp_path}/my.yml:{at}: {words}"


def test_the_example_of_the_documentation():
    spec = load_sweep_spec(ROOT / "docs/examples/host-guest.yml")
    assert [(arm.name, arm.scope) for arm in spec.named_arms()] == [
        ("damon-stock", "guest"),
        ("damon-primary", "guest"),
        ("over-vm-stock", "host"),
        ("over-vm-primary", "host"),
        ("over-vm-primary_secondary", "host"),
        ("idlepage", "host"),
        ("kvm-dirty", "host"),
        ("softdirty", "guest"),
    ]


def test_the_description_in_the_documentation(tmp_path):
    (text,) = re.findall(
        r"```yaml\n(guest: .*?)```", (ROOT / "docs/sweep.md").read_text(), re.DOTALL
    )
    (tmp_path / "my.yml").write_text(f"schema_version: 1\nblocks: 6\n{text}")
    arms = load_sweep_spec(tmp_path / "my.yml").named_arms()
    assert [arm.scope for arm in arms].count("host") == 5 and len(arms) == 8
