"""Gates on a machine that is a tree of files, so that every figure is known; and on this one.

The kernel's own log is in tests/integration/test_gates_here.py: what is said there would fail the
gates of others that measure.
"""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from hotkit.agent.gates import Gates
from hotkit.agent.gatesettings import DEFAULTS, EXTRA
from hotkit.agent.protocol import AgentError

CPU = "sys/devices/system/cpu/"
FILES = {
    **{f"{CPU}cpu{cpu}/cpufreq/scaling_governor": "performance\n" for cpu in (0, 1)},
    **{f"{CPU}cpu{cpu}/thermal_throttle/core_throttle_count": "0\n" for cpu in (0, 1)},
    **{f"{CPU}cpu{cpu}/thermal_throttle/package_throttle_count": "3\n" for cpu in (0, 1)},
    f"{CPU}online": "0-1\n",
    "sys/class/hwmon/hwmon0/name": "nvme\n",
    "sys/class/hwmon/hwmon0/temp1_input": "99000\n",
    "sys/class/hwmon/hwmon1/name": "coretemp\n",
    "sys/class/hwmon/hwmon1/temp1_input": "55000\n",
    "sys/class/hwmon/hwmon1/temp1_label": "Package id 0\n",
    "sys/class/thermal/thermal_zone0/type": "x86_pkg_temp\n",
    "sys/class/thermal/thermal_zone0/temp": "54000\n",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
    "proc/sys/vm/swappiness": "60\n",
    "proc/sys/kernel/perf_event_max_sample_rate": "100000\n",
    "proc/stat": "cpu  1000 0 1000 98000 0 0 0 0 0 0\n",
    "proc/vmstat": "nr_free_pages 1\npswpin 0\npswpout 0\n",
    "dev/kmsg": "4,10,100,-;an old warning\n",
}


@pytest.fixture
def root(tmp_path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def run(root: Path, change: dict[str, str], *, said="", **given) -> list[str]:
    """The problems of a run while which these files changed and the kernel said that."""
    settings = given.pop("settings", None)
    gates = Gates(settings, root=root)
    before = gates.before()
    assert before["problems"] == []
    for name, text in change.items():
        (root / name).write_text(text)
    with (root / "dev/kmsg").open("a") as log:
        log.write(said)
    found = gates.after(before, **{"deltas": {}, "lost": 0, "examined": 100, **given})
    gates.close()
    return found


def test_a_quiet_machine_passes_and_can_check_everything(root):
    assert run(root, {}) == []
    gates = Gates(root=root)
    assert gates.as_json()["unchecked"] == {}
    assert gates.as_json()["bounds"] == {**DEFAULTS, **EXTRA}
    facts = gates.before()
    assert json.loads(json.dumps(facts)) == facts
    assert (facts["temperature_c"], facts["sensor"]) == (55.0, "hwmon1 Package id 0")
    assert facts["throttled"] == {"cpu0 package": 3, "cpu1 package": 3}
    assert facts["kernel_sequence"] == 10


# Each with what was changed, and the figure and the bound that the sentence must have.
STOLEN = {"proc/stat": "cpu  1000 0 1000 98700 0 0 0 300 0 0\n"}
CASES = {
    "throttled": (
        {f"{CPU}cpu1/thermal_throttle/core_throttle_count": "7\n"}, {},
        "7 times cpu1 core was throttled for heat during the run; the bound is 0",
    ),
    "throttled package": (
        {f"{CPU}cpu{cpu}/thermal_throttle/package_throttle_count": "5\n" for cpu in (0, 1)}, {},
        "2 times cpu",
    ),
    "kernel_messages": (
        {}, {"said": "3,11,200,-;BUG: soft lockup\n SUBSYSTEM=cpu\n12,12,201,-;more\n6,13,2,-;i\n"},
        'kernel messages of level warning or worse during the run: "BUG: soft lockup"; "more"'
        " (from user space)",
    ),
    "knobs": (
        {f"{CPU}cpu1/cpufreq/scaling_governor": "powersave\n"}, {},
        "knob governor is 'performance on 1 CPUs, powersave on 1 CPUs', and was 'performance' when",
    ),
    "sample_rate": (
        {"proc/sys/kernel/perf_event_max_sample_rate": "50000\n"}, {},
        "kernel.perf_event_max_sample_rate went from 100000 to 50000 during the run",
    ),
    "steal_percent": (
        STOLEN, {}, "took 30.0 % of the CPU time (steal) during the run; the bound is 5 %",
    ),
    "swap_pages": (
        {}, {"deltas": {"swap": 12}},
        "12 pages were swapped in or out during the run; the bound is 0",
    ),
    "lost_percent": (
        {}, {"lost": 25, "examined": 75},
        "25 of 100 samples were lost (25.0 %); the bound is 1 %",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_gate_fails_with_its_figure_and_can_be_switched_off(root, name):
    change, given, words = CASES[name]
    (problem,) = run(root, change, **given)
    assert problem.startswith(words) or words in problem
    for path, text in FILES.items():
        (root / path).write_text(text)
    assert run(root, change, settings={name.split()[0]: False}, **given) == []


def test_every_gate_has_a_case():
    assert {name.split()[0] for name in CASES} | {"temperature_c"} == set(DEFAULTS)


def test_bounds_are_those_of_the_sweep(root):
    settings = {"lost_percent": 30, "swap_pages": 12, "steal_percent": 40, "throttled": 7}
    change = {f"{CPU}cpu1/thermal_throttle/core_throttle_count": "7\n", **STOLEN}
    given = {"lost": 25, "examined": 75, "deltas": {"swap": 12}}
    assert run(root, change, settings=settings, **given) == []


def test_one_tick_of_steal_is_no_steal(root, monkeypatch):
    """In a run of ten ticks a single one would be 10 %."""
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    assert run(root, {"proc/stat": "cpu  1000 0 1000 98009 0 0 0 1 0 0\n"}) == []
    (root / "proc/stat").write_text(FILES["proc/stat"])
    assert run(root, {"proc/stat": "cpu  1000 0 1000 98008 0 0 0 2 0 0\n"}) != []


def test_a_run_waits_until_the_cpus_are_cool(root):
    sensor = root / "sys/class/hwmon/hwmon1/temp1_input"
    gates = Gates({"temperature_wait_s": 20}, root=root)
    sensor.write_text("91500\n")
    cool = threading.Timer(0.7, sensor.write_text, ["60000\n"])
    cool.start()
    facts = gates.before()
    cool.join()
    assert facts["problems"] == [] and facts["temperature_c"] == 60.0
    assert 0.5 < facts["waited_s"] < 15


def test_a_machine_that_stays_hot_is_a_problem(root):
    (root / "sys/class/hwmon/hwmon1/temp1_input").write_text("91500\n")
    began = time.monotonic()
    (problem,) = Gates({"temperature_wait_s": 0.2}, root=root).before()["problems"]
    assert time.monotonic() - began >= 0.2
    assert problem == ("hwmon1 Package id 0 is at 91.5 C after 0 s of waiting; the bound is 80 C")
    assert Gates({"temperature_c": 95}, root=root).before()["problems"] == []
    assert Gates({"temperature_c": False}, root=root).before()["problems"] == []


def test_knobs_are_compared_with_those_of_the_session(root):
    """After a reboot the agent is a new one, and what it finds is not what the session had."""
    thp = "sys/kernel/mm/transparent_hugepage/enabled"
    gates = Gates(session_knobs={"thp": "[always] madvise never", "lru_gen": "0x0007"}, root=root)
    first, second = gates.before()["problems"]
    assert first.startswith("knob thp is 'always [madvise] never', and was '[always]")
    assert second.startswith("knob lru_gen is 'gone', and was '0x0007'")
    # Until somebody puts it back, each run says so.
    assert len(gates.before()["problems"]) == 2
    (root / thp).write_text("[always] madvise never\n")
    assert len(gates.before()["problems"]) == 1


def test_a_lower_sample_rate_is_told_once(root):
    """Then it is what all further runs have."""
    gates = Gates(root=root)
    (root / "proc/sys/kernel/perf_event_max_sample_rate").write_text("50000\n")
    (problem,) = gates.before()["problems"]
    assert "from 100000 to 50000 before the run" in problem
    facts = gates.before()
    assert facts["problems"] == [] and gates.after(facts, {}, 0, 0) == []


def test_what_was_said_between_runs_or_is_ignored_does_not_count(root):
    gates = Gates(root=root)
    with (root / "dev/kmsg").open("a") as log:
        log.write("3,11,1,-;between two runs\n")
        log.flush()
        before = gates.before()
        log.write("4,12,1,-;workqueue: x hogged CPU for >10000us 4 times\n5,13,1,-;a notice\n")
        log.flush()
        assert gates.after(before, {}, 0, 0) == []
        log.write("4,14,1,-;one\n0,15,1,-;two\n4,16,1,-;three\n")
    (problem,) = gates.after(before, {}, 0, 0)
    assert problem.endswith('run: "one"; "two" and 1 more')
    settings = {"kernel_messages": "err"}
    said = "4,17,1,-;a warning\n"
    assert run(root, {}, said=said, settings=settings) == []


def test_a_machine_without_any_of_it_says_so(tmp_path):
    gates = Gates(root=tmp_path)
    reasons = gates.unchecked()
    assert set(reasons) == set(DEFAULTS) - {"lost_percent"}
    assert "takes root" in reasons["kernel_messages"]
    assert gates.after(gates.before(), {}, 0, 0) == []
    # What is switched off need not be excused.
    assert "throttled" not in Gates({"throttled": False}, root=tmp_path).unchecked()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"heat": 3}, "there is no gate 'heat'"),
        ({"temperature_c": "hot"}, "temperature_c: 'hot' is no number and not false"),
        ({"temperature_wait_s": False}, "temperature_wait_s: False is no number"),
        ({"lost_percent": -1}, "lost_percent: -1 is not at least 0"),
        ({"steal_percent": float("nan")}, "nan is not at least 0"),
        ({"swap_pages": 0.5}, "swap_pages: 0.5 is no whole number"),
        ({"knobs": 3}, "knobs: 3 is neither true nor false"),
        ({"kernel_messages": "loud"}, "'loud' is none of emerg, alert"),
        ({"kernel_messages_ignore": [""]}, "is no list of texts"),
    ],
)
def test_a_wrong_setting_is_one_sentence(given, words, tmp_path):
    with pytest.raises(AgentError) as caught:
        Gates(given, root=tmp_path)
    assert words in caught.value.message and caught.value.fix


def test_true_means_the_default(tmp_path):
    assert Gates(dict.fromkeys(DEFAULTS, True), root=tmp_path).settings == {**DEFAULTS, **EXTRA}


def test_this_machine_passes_or_says_why_and_never_stays_silent():
    gates = Gates({"temperature_wait_s": 0})
    facts = gates.before()
    assert set(facts["knobs"]) >= {"swappiness", "aslr"}
    assert facts["cpu_ns"]["all"] > 0
    checked = set(DEFAULTS) - set(gates.unchecked())
    assert ("temperature_c" in checked) == (facts["temperature_c"] is not None)
    assert all(isinstance(it, str) for it in gates.after(facts, {}, 0, 0))
    gates.close()
