"""quiesce on the files of a machine that we have not got: what is set, noted when, undone how."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotkit.agent import putback, quiesce
from hotkit.agent.protocol import AgentError
from hotkit.agent.quiesce import steps
from tests.unit.quietmachine import BASE_KHZ, CPU, LEAST_KHZ, TURBO_KHZ, build, everything, get, put
from tests.unit.undoing import opened

THP = "sys/kernel/mm/transparent_hugepage/enabled"
ALL = {
    "smt": "off",
    "prefetchers": "off",
    "thp": "madvise",
    "thp_defrag": "never",
    "overcommit_memory": "1",
    "timers": "leave",
}


@pytest.fixture
def machine(tmp_path):
    return build(tmp_path / "machine")


@pytest.fixture
def notes(state):
    with opened(state) as undo:
        yield undo.session


def test_the_defaults_and_what_they_leave_alone(machine, notes):
    quiesce.apply(notes, {}, machine)
    policy = f"{CPU}/cpufreq/policy3"
    assert get(machine, f"{CPU}/intel_pstate/no_turbo") == "1"
    assert get(machine, f"{policy}/scaling_governor") == "performance"
    assert get(machine, f"{policy}/scaling_min_freq") == str(BASE_KHZ)
    assert get(machine, f"{policy}/scaling_max_freq") == str(BASE_KHZ)
    uncore = f"{CPU}/intel_uncore_frequency/package_01_die_00"
    assert get(machine, f"{uncore}/min_freq_khz") == "2400000"
    disabled = [get(machine, f"{CPU}/cpu1/cpuidle/state{n}/disable") for n in range(4)]
    assert disabled == ["0", "0", "1", "1"]
    for name, expected in {
        "sys/kernel/randomize_va_space": "0",
        "sys/kernel/numa_balancing": "0",
        "sys/kernel/watchdog": "0",
        "sys/kernel/nmi_watchdog": "0",
        "sys/vm/compaction_proactiveness": "0",
        "sys/vm/drop_caches": "3",
        "sys/vm/overcommit_memory": "0",
        "sys/kernel/perf_event_max_sample_rate": "100000",
    }.items():
        assert get(machine, f"proc/{name}") == expected, name
    assert get(machine, "sys/kernel/mm/ksm/run") == "0"
    assert get(machine, THP) == "[always] madvise never"
    assert get(machine, f"{CPU}/cpu2/online") == "1"
    assert quiesce.check({}, notes, machine) == []


def test_all_that_can_be_set_is_put_back_as_it_was(machine, notes):
    before = everything(machine)
    said = quiesce.apply(notes, ALL, machine)
    assert len(said) > 10
    assert everything(machine) != before
    assert quiesce.check(ALL, notes, machine) == []
    done, failed = notes.undo()
    assert failed == [] and done
    after = everything(machine)
    # Dropping caches leaves no state; a fake knob does not answer with the list of its choices.
    before["proc/sys/vm/drop_caches"] = "3"
    before[THP] = "always"
    before["sys/kernel/mm/transparent_hugepage/defrag"] = "madvise"
    assert after == before


def test_what_was_found_is_on_disk_before_the_first_knob_is_set(machine, notes, state, monkeypatch):
    seen = []

    def killed(path, value):
        seen.append([json.loads(row) for row in (state / "quiesce.jsonl").read_text().splitlines()])
        raise KeyboardInterrupt

    before = everything(machine)
    monkeypatch.setattr(steps, "write_knob", killed)
    with pytest.raises(KeyboardInterrupt):
        quiesce.apply(notes, {}, machine)
    assert everything(machine) == before
    ((header, *entries),) = seen
    assert header["sample_rate"] == "100000" and header["settings"]["ksm"] == "0"
    noted = {entry["write"]: entry["text"] for entry in entries}
    assert noted[f"{machine}/sys/kernel/mm/ksm/run"] == "1\n"
    assert noted[f"{machine}/{CPU}/cpufreq/policy0/scaling_max_freq"] == f"{TURBO_KHZ}\n"
    assert noted[f"{machine}/{CPU}/intel_pstate/no_turbo"] == "0\n"
    monkeypatch.undo()
    assert notes.undo()[1] == []
    assert everything(machine) == before


def test_a_plan_changes_nothing_and_says_what_would(machine):
    before = everything(machine)
    said = [str(change) for change in quiesce.plan({"smt": "off"}, machine)]
    assert everything(machine) == before
    assert f"smt: /{CPU}/cpu2/online and 1 more: 1 -> 0" in said
    assert "ksm: /sys/kernel/mm/ksm/run: 1 -> 0" in said
    assert "timers: systemd does not run here" in said
    assert f"cstates: /{CPU}/cpu0/cpuidle/state2/disable and 7 more: 0 -> 1" in said


def test_a_second_time_there_is_nothing_to_set(machine, notes):
    quiesce.apply(notes, {"drop_caches": "leave"}, machine)
    noted = notes.count()
    assert quiesce.apply(notes, {"drop_caches": "leave"}, machine) == []
    assert notes.count() == noted
    # What somebody else changed meanwhile is set again; undone is what was found at first.
    put(machine, "sys/kernel/mm/ksm/run", 2)
    said = quiesce.apply(notes, {}, machine)
    assert said[0] == "ksm: /sys/kernel/mm/ksm/run: 2 -> 0"
    notes.undo()
    assert get(machine, "sys/kernel/mm/ksm/run") == "1"


def test_what_does_not_hold_any_more_is_named(machine, notes):
    quiesce.apply(notes, {}, machine)
    put(machine, "proc/sys/kernel/numa_balancing", 1)
    put(machine, f"{CPU}/cpufreq/policy2/scaling_max_freq", TURBO_KHZ)
    put(machine, "proc/sys/kernel/perf_event_max_sample_rate", 50000)
    assert quiesce.check({}, notes, machine) == [
        f"frequency: /{CPU}/cpufreq/policy2/scaling_max_freq is {TURBO_KHZ}, not {BASE_KHZ}",
        "numa_balancing: /proc/sys/kernel/numa_balancing is 1, not 0",
        "/proc/sys/kernel/perf_event_max_sample_rate was 100000 and is 50000: "
        "perf takes fewer samples",
    ]
    assert quiesce.check(dict.fromkeys(quiesce.ITEMS, "leave"), None, machine) == []


def test_on_a_bare_machine_everything_lacks_and_only_what_was_named_matters(tmp_path, notes):
    changes = quiesce.plan({**ALL, "timers": "off"}, tmp_path)
    assert {change.item for change in changes} == set(quiesce.ITEMS)
    assert all(change.why_not and not change.refused for change in changes)
    assert quiesce.check({}, None, tmp_path) == []
    assert quiesce.apply(notes, {}, tmp_path) == []
    (problem,) = quiesce.check({"ksm": "off"}, None, tmp_path)
    assert problem == "ksm: there is no /sys/kernel/mm/ksm/run"
    with pytest.raises(AgentError, match="ksm: there is no /sys/kernel/mm/ksm/run") as caught:
        quiesce.apply(notes, {"ksm": "off"}, tmp_path)
    assert "leave" in caught.value.fix


@pytest.mark.parametrize(
    ("asked", "sentence", "fix"),
    [
        ({"turbo": "maybe"}, "turbo cannot be 'maybe'", "it may be off, on, or leave"),
        ({"tubro": "off"}, "no item 'tubro'", "turbo"),
        ({"frequency": "2.6GHz"}, "frequency cannot be '2.6GHz'", "base"),
        ({"swap": True}, "swap cannot be 'on'", "it may be off, or leave"),
        ({"thp_defrag": "defer madvise"}, "thp_defrag cannot be", "defer+madvise"),
        ({"compaction_proactiveness": 101}, "cannot be '101'", "100"),
        ({"ksm": None}, "ksm cannot be 'None'", "off"),
        ({1: 2}, "no item '1'", "smt"),
        ([["ksm", "off"]], "not a mapping", None),
    ],
)
def test_a_mistake_in_the_settings_is_one_sentence(machine, asked, sentence, fix):
    with pytest.raises(AgentError, match=sentence) as caught:
        quiesce.plan(asked, machine)
    assert fix is None or fix in caught.value.fix


def test_settings_as_yaml_reads_them():
    wanted = quiesce.complete({"turbo": False, "ksm": False, "cstates": 10, "aslr": True})
    assert wanted["turbo"] == "off" and wanted["ksm"] == "0"
    assert wanted["cstates"] == "10" and wanted["aslr"] == "2"
    assert wanted["governor"] == "performance" and wanted["smt"] == "leave"
    # What was completed may be completed again: it stands in the notes.
    assert quiesce.complete(wanted) == wanted


class Driver:
    """The order of writes, as the kernel sees it; the lower limit must never pass the upper one."""

    def __init__(self, machine, monkeypatch):
        self.machine = machine
        self.written = []
        for module in (steps, putback):
            monkeypatch.setattr(module, "write_knob", self.write)

    def write(self, path, value):
        name = path.removeprefix(f"{self.machine}/")
        put(self.machine, name, value.strip())
        self.written.append(name)
        for low, high in (
            ("scaling_min_freq", "scaling_max_freq"),
            ("min_freq_khz", "max_freq_khz"),
        ):
            if name.endswith(("/" + low, "/" + high)):
                folder = name.rpartition("/")[0]
                limits = [int(get(self.machine, f"{folder}/{part}")) for part in (low, high)]
                assert limits[0] <= limits[1], name


@settings(max_examples=40)
@given(
    limits=st.tuples(st.integers(8, 39), st.integers(8, 39)).map(sorted),
    wanted=st.integers(8, 39),
)
def test_the_lower_limit_never_passes_the_upper_one(tmp_path_factory, limits, wanted):
    folder = tmp_path_factory.mktemp("limits")
    machine = build(folder / "machine")
    for name, hundred_mhz in zip(("min", "max"), limits, strict=True):
        put(machine, f"{CPU}/cpufreq/policy0/scaling_{name}_freq", hundred_mhz * 100000)
        uncore = f"{CPU}/intel_uncore_frequency/package_00_die_00"
        put(machine, f"{uncore}/{name}_freq_khz", hundred_mhz * 100000)
    before = everything(machine)
    khz = wanted * 100000
    asked = {"frequency": khz, "uncore": khz, "drop_caches": "leave"}
    with opened(folder / "state") as undo, pytest.MonkeyPatch.context() as patched:
        Driver(machine, patched)
        quiesce.apply(undo.session, asked, machine)
        assert quiesce.check(asked, undo.session, machine) == []
        undo.session.undo()
    assert everything(machine) == before


def test_turbo_comes_back_before_the_frequency_that_needs_it(machine, notes, monkeypatch):
    driver = Driver(machine, monkeypatch)
    quiesce.apply(notes, {}, machine)
    driver.written.clear()
    notes.undo()
    policy = f"{CPU}/cpufreq/policy0"
    order = [
        f"{CPU}/intel_pstate/no_turbo",
        f"{CPU}/intel_pstate/min_perf_pct",
        f"{policy}/scaling_governor",
        f"{policy}/energy_performance_preference",
        f"{policy}/scaling_min_freq",
        f"{policy}/scaling_max_freq",
    ]
    places = [driver.written.index(name) for name in order]
    assert places == sorted(places)
    # The switch over both last: older kernels lose it when one is read meanwhile.
    dogs = [name.rpartition("/")[2] for name in driver.written if "watchdog" in name]
    assert dogs == ["soft_watchdog", "nmi_watchdog", "watchdog"]


def test_one_that_the_kernel_refuses_ends_it_and_the_rest_is_put_back(machine, notes):
    before = everything(machine)
    ksm = machine / "sys/kernel/mm/ksm/run"
    ksm.unlink()
    ksm.symlink_to("/proc/self/oom_score")  # a file of the real kernel that nobody may write
    with pytest.raises(AgentError, match="ksm/run: writing '0'"):
        quiesce.apply(notes, {}, machine)
    assert get(machine, f"{CPU}/intel_pstate/no_turbo") == "1"
    _, failed = notes.undo()
    assert len(failed) == 1 and "ksm/run could not be put back" in failed[0]
    ksm.unlink()
    put(machine, "sys/kernel/mm/ksm/run", 1)
    assert everything(machine) == before


def test_the_frequency_is_kept_within_what_the_cpu_has(machine, notes):
    quiesce.apply(notes, {"frequency": 100, "drop_caches": "leave"}, machine)
    assert get(machine, f"{CPU}/cpufreq/policy0/scaling_max_freq") == str(LEAST_KHZ)
