"""`hotkit sweep init`: what it writes is read by the loader, as it is and with every key in use."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hotkit.agent.trackers import TRACKERS
from hotkit.agent.trackers.base import PLACEMENT
from hotkit.host.armspec import OF_A_VM, ArmSpec
from hotkit.host.sweepinit import KINDS, new_description, workloads
from hotkit.host.sweepspec import SweepSpec, UntilSpec, load_sweep_spec
from hotkit.host.workloadspec import HotsetSpec, ZipfSpec

OFF_KEY = re.compile(r"(?m)^( *)#(?=[a-z_]+:)")


def written(folder: Path, text: str) -> SweepSpec:
    file = folder / "sweep.yml"
    file.write_text(text)
    return load_sweep_spec(file)


def without(text: str, key: str) -> str:
    """The text without a key of the highest level, and all below it."""
    return re.sub(rf"(?m)^#?{key}:.*\n(?: .*\n)*", "", text)


@pytest.mark.parametrize("workload", workloads())
@pytest.mark.parametrize("tracker", TRACKERS)
def test_every_tracker_and_workload(tmp_path, tracker, workload):
    spec = written(tmp_path, new_description("sweep.yml", [tracker], workload))
    assert [arm.tracker for arm in spec.named_arms()] == [tracker]
    assert spec.only_workload.kind == (workload if workload in KINDS else "command")
    assert spec.until is None and spec.layouts == () and spec.quiesce is True


@pytest.mark.parametrize("workload", workloads())
@pytest.mark.parametrize("tracker", TRACKERS)
def test_every_key_that_is_switched_off_may_be_switched_on(tmp_path, tracker, workload):
    """All of them at once: the examples are right, and every setting has its real default.

    But for layouts and guest, of which a sweep has one only; a tracker of VMs has the guest.
    """
    text = without(new_description("sweep.yml", [tracker], workload), "workloads")
    in_guest = tracker == OF_A_VM or workload == "zipf"
    for key in ("layouts", "boots") if in_guest else ("guest",):
        text = without(text, key)
    if not in_guest:
        text = re.sub(r"(?m)^    #scope:.*\n", "", text)
    assert OFF_KEY.search(text)
    spec = written(tmp_path, OFF_KEY.sub(r"\1", text))
    (arm,) = spec.named_arms()
    rules = {**TRACKERS[tracker].settings, **PLACEMENT}
    assert dict(arm.settings) == {name: rule.default for name, rule in rules.items()}
    assert arm.name == f"my-{tracker}"
    if in_guest:
        assert (spec.guest, arm.scope) == ("g1", "host" if tracker == OF_A_VM else "guest")
    else:
        assert (spec.guest, arm.scope, spec.boots, len(spec.layouts)) == (None, "", 3, 2)
    assert arm.workload, "the arm has a workload of its own"
    assert spec.until and spec.until.verdict and spec.until.minutes == 60
    assert isinstance(spec.quiesce, dict) and isinstance(spec.gates, dict)


def test_the_several_workloads_of_the_example(tmp_path):
    text = without(new_description("sweep.yml", ["none"], "hotset"), "workload")
    lines = OFF_KEY.sub(r"\1", re.search(r"(?m)^#workloads:\n(?: +#.*\n)+", text)[0])
    spec = written(tmp_path, re.sub(r"(?m)^#workloads:\n(?: +#.*\n)+", lines, text))
    assert list(spec.named_workloads) == ["small", "skewed", "server"]


@pytest.mark.parametrize(
    ("workload", "models"),
    [
        ("hotset", (SweepSpec, UntilSpec, ArmSpec, HotsetSpec)),
        ("zipf", (SweepSpec, UntilSpec, ArmSpec, ZipfSpec)),
    ],
)
def test_it_teaches_every_key(workload, models):
    text = new_description("sweep.yml", ["damon"], workload)
    for key in {key for model in models for key in model.model_fields}:
        assert re.search(rf"(?m)\b{key}:", text), key


def test_every_setting_says_what_it_means(tmp_path):
    text = " ".join(new_description("sweep.yml", list(TRACKERS), "hotset").replace("#", "").split())
    for kind in TRACKERS.values():
        for setting in kind.settings.values():
            assert " ".join(setting.help.split()) in text
            assert all(choice in text for choice in setting.choices)
        assert kind.how in text and kind.units["examined"] in text
    assert "Trackers beside these: none." in text


def test_no_line_is_too_long_and_no_mark_is_left():
    for workload in workloads():
        for line in new_description("a.yml", list(TRACKERS), workload).splitlines():
            assert len(line) <= 120 and (len(line) <= 100 or "values:" in line), line
            assert not re.search(r"@\w+@", line)


@pytest.mark.parametrize(("tracker", "workload"), [("pebs", "hotset"), ("none", "../secret")])
def test_there_is_no_such(tracker, workload):
    with pytest.raises(KeyError):
        new_description("a.yml", [tracker], workload)
