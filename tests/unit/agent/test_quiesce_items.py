"""Single items of quiesce: where machines differ, what is refused, what is left alone."""

import shutil

import pytest

from hotkit.agent import quiesce
from hotkit.agent.protocol import AgentError
from hotkit.agent.quiesce import cpu, memory
from hotkit.agent.quiesce.steps import Missing
from tests.unit.quietmachine import CPU, build, everything, get, msr, put, put_msr
from tests.unit.undoing import opened

POLICY = f"{CPU}/cpufreq/policy0"
OTHERS = dict.fromkeys(quiesce.ITEMS, "leave")


@pytest.fixture
def machine(tmp_path):
    return build(tmp_path / "machine")


@pytest.fixture
def notes(state):
    with opened(state) as undo:
        yield undo.session


def alone(machine, notes, **asked):
    """Set these items and no other."""
    wanted = {**OTHERS, **asked}
    quiesce.apply(notes, wanted, machine)
    assert quiesce.check(wanted, notes, machine) == []


def why_not(machine, **asked):
    (change,) = quiesce.plan({**OTHERS, **asked}, machine)
    return change.why_not


def without(machine, *names):
    for name in names:
        path = machine / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_each_core_keeps_its_first_thread_and_nobody_brings_up_the_fifth_cpu(machine, notes):
    """As with maxcpus=: smt/control would bring up every CPU that is present."""
    before = everything(machine)
    alone(machine, notes, smt="off", cstates="0", governor="performance")
    assert [get(machine, f"{CPU}/cpu{n}/online") for n in (1, 2, 3, 4)] == ["1", "0", "0", "0"]
    # What is offline is no more looked at: its files would refuse it.
    assert get(machine, f"{CPU}/cpu1/cpuidle/state1/disable") == "1"
    assert get(machine, f"{CPU}/cpu2/cpuidle/state1/disable") == "0"
    notes.undo()
    assert everything(machine) == before


def test_threads_of_which_nothing_is_known(machine):
    for number in range(4):
        without(machine, f"{CPU}/cpu{number}/topology")
    assert "does not say which CPUs share a core" in why_not(machine, smt="off")


def test_a_policy_without_a_cpu_that_is_online_is_left_alone(machine, notes):
    without(machine, f"{POLICY}/affected_cpus")  # EBUSY
    alone(machine, notes, governor="performance", frequency="base")
    assert get(machine, f"{POLICY}/scaling_governor") == "powersave"
    assert get(machine, f"{CPU}/cpufreq/policy1/scaling_governor") == "performance"


def test_a_governor_that_the_driver_has_not_got(machine):
    said = why_not(machine, governor="ondemand")
    assert said == f"/{POLICY} does not offer ondemand (it offers performance, powersave)"


@pytest.mark.parametrize("drop", range(6))
def test_the_base_frequency_by_each_source(machine, drop):
    """Each source in turn, when those before it are not there."""
    nominal, table = f"{CPU}/cpu0/acpi_cppc/nominal_freq", f"{POLICY}/scaling_available_frequencies"
    put(machine, nominal, 2500)
    put(machine, table, "2401000 2400000 1800000 800000")
    put(machine, "proc/cpuinfo", "model name\t: Intel(R) Xeon(R) CPU @ 2.30GHz")
    sources = (f"{POLICY}/base_frequency", nominal, table, "proc/cpuinfo")
    without(machine, *sources[:drop])
    if drop == 5:
        put(machine, f"{CPU}/intel_pstate/no_turbo", 1)
    khz = cpu.base_khz(machine, POLICY)
    assert khz == (2600000, 2500000, 2400000, 2300000, None, 3900000)[drop]
    if khz is None:
        assert "give frequency in kHz" in why_not(machine, frequency="base")


def test_a_table_without_a_turbo_entry(machine):
    without(machine, f"{POLICY}/base_frequency")
    put(machine, f"{POLICY}/scaling_available_frequencies", "2400000 1800000 800000")
    assert cpu.base_khz(machine, POLICY) == 2400000


@pytest.mark.parametrize("each", [False, True])
def test_turbo_of_other_drivers(machine, notes, each):
    """boost of all, or of each policy: then what one of them was is not lost."""
    without(machine, f"{CPU}/intel_pstate")
    put(machine, f"{CPU}/cpufreq/boost", 1)
    if each:
        put(machine, f"{CPU}/cpufreq/policy0/boost", 1)
        put(machine, f"{CPU}/cpufreq/policy1/boost", 0)
    before = everything(machine)
    alone(machine, notes, turbo="off")
    assert get(machine, f"{CPU}/cpufreq/boost") == ("1" if each else "0")
    if each:
        assert get(machine, f"{CPU}/cpufreq/policy0/boost") == "0"
    notes.undo()
    assert everything(machine) == before


def test_turbo_may_be_wanted(machine, notes):
    put(machine, f"{CPU}/intel_pstate/no_turbo", 1)
    alone(machine, notes, turbo=True)
    assert get(machine, f"{CPU}/intel_pstate/no_turbo") == "0"


def test_the_uncore_of_each_cluster_where_there_are_clusters(machine, notes):
    """With TPMI, writing a package's value would lose what each cluster had."""
    place = f"{CPU}/intel_uncore_frequency"
    for index, most in ((0, 2500000), (1, 1800000)):
        put(machine, f"{place}/uncore0{index}/min_freq_khz", 800000)
        put(machine, f"{place}/uncore0{index}/max_freq_khz", most)
    alone(machine, notes, uncore="max")
    assert get(machine, f"{place}/uncore00/min_freq_khz") == "2500000"
    assert get(machine, f"{place}/uncore01/min_freq_khz") == "1800000"
    assert get(machine, f"{place}/package_00_die_00/min_freq_khz") == "1200000"


def test_prefetchers_are_four_bits_of_a_register(machine, notes):
    put_msr(machine, 1, 0x23)
    alone(machine, notes, prefetchers="off")
    assert [msr(machine, number) for number in range(4)] == [0x2F] * 4
    done, failed = notes.undo()
    assert failed == [] and f"{machine}/dev/cpu/1/msr: register 0x1a4 is 0x23 again" in done
    assert [msr(machine, number) for number in range(4)] == [0x20, 0x23, 0x20, 0x20]


def test_where_prefetchers_cannot_be_had(machine):
    without(machine, "dev/cpu/2/msr")
    assert why_not(machine, prefetchers="off") == "there is no /dev/cpu/2/msr: modprobe msr"
    put(machine, "proc/cpuinfo", "vendor_id\t: AuthenticAMD")
    assert "the prefetchers of AuthenticAMD are not supported" in why_not(machine, prefetchers="on")


def swaps(machine, *rows):
    head = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority"
    put(machine, "proc/swaps", "\n".join([head, *rows]))


def test_swap_that_would_not_fit_is_refused_before_anything_is_changed(machine, notes):
    swaps(machine, "/dev/sda2  partition\t8000000\t\t3900000\t\t-2")
    before = everything(machine)
    with pytest.raises(
        AgentError, match="3808 MiB lie there, and of memory 3906 MiB are available"
    ):
        quiesce.apply(notes, {}, machine)
    assert everything(machine) == before and not notes.exists()
    (problem,) = quiesce.check({**OTHERS, "swap": "off"}, None, machine)
    assert problem.startswith("swap: swap cannot be switched off: 3808 MiB")


def test_a_swap_file_that_was_removed_is_refused(machine):
    swaps(machine, "/swap\\040(deleted)  file\t8000\t\t0\t\t-2")
    change = next(c for c in quiesce.plan({}, machine) if c.item == "swap")
    assert change.refused and "nobody could switch /swap (deleted) on again" in change.why_not


def test_swap_areas_come_back_with_priority_and_order_and_discard(machine):
    swaps(
        machine,
        "/dev/dm-1  partition\t8000\t\t4\t\t-2",
        "/a\\040file  file\t\t8000\t\t0\t\t-3",
        "/dev/zram0  partition\t8000\t\t0\t\t100",
    )
    put(machine, "dev/dm-1", "")
    (machine / "dev/disk/by-uuid").mkdir(parents=True)
    (machine / "dev/disk/by-uuid/ab-cd").symlink_to("../../dm-1")
    put(
        machine, "etc/fstab",
        "# /dev/zram0 none swap discard 0 0\n/dev/sda1 / ext4 discard 0 1\n"
        "UUID=ab-cd none swap sw,discard=pages,pri=3 0 0\n/a\\040file none swap defaults 0 0",
    )  # fmt: skip
    steps = memory.swap(machine, "off")
    # The lowest goes first, so that it is the last to come back: the kernel then numbers them anew
    # as they were. Flags of swapon(2): 0x8000 a priority, 0x10000 discard, 0x40000 of pages.
    assert [(step.back()["swapon"], step.back()["flags"]) for step in steps] == [
        ("/a file", 0),
        ("/dev/dm-1", 0x10000 | 0x40000),
        ("/dev/zram0", 0x8000 | 100),
    ]


def test_a_kernel_without_swap_has_none(machine):
    without(machine, "proc/swaps")
    with pytest.raises(Missing, match="without swap"):
        memory.swap(machine, "off")


def test_a_choice_that_the_kernel_has_not_got(machine):
    put(machine, "sys/kernel/mm/transparent_hugepage/defrag", "[always] madvise never")
    assert "does not offer defer (it offers always, madvise, never)" in why_not(
        machine, thp_defrag="defer"
    )


def test_watchdogs_that_a_kernel_has(machine, notes):
    """An NMI watchdog without a PMU is there and says 0."""
    put(machine, "proc/sys/kernel/nmi_watchdog", 0)
    alone(machine, notes, watchdog="off")
    assert notes.count() == 2
    notes.undo()
    assert get(machine, "proc/sys/kernel/nmi_watchdog") == "0"
    assert get(machine, "proc/sys/kernel/soft_watchdog") == "1"


# What `systemctl show` says of two timers that are active, a transient one and one that is not; the
# units that run are the files of a folder. No systemd runs where these tests do: on a machine that
# has one, it is the real one's turn.
SYSTEMCTL = """#!/bin/sh
cd "$(dirname "$0")/units" || exit 3
case "$1" in
show)
    for unit in apt-daily.timer fstrim.timer; do
        if [ -e "$unit" ]; then state=active; else state=inactive; fi
        printf 'Id=%s\\nActiveState=%s\\nTransient=no\\n\\n' "$unit" "$state"
    done
    printf 'Id=run-u7.timer\\nActiveState=active\\nTransient=yes\\n\\n'
    printf 'Id=e2scrub_all.timer\\nActiveState=inactive\\nTransient=no\\n' ;;
stop) rm "$2" ;;
start) if [ "$2" = fstrim.timer ] && [ -e broken ]; then echo "Unit not found." >&2; exit 5; fi
    touch "$2" ;;
esac
"""


@pytest.fixture
def units(machine, tmp_path, monkeypatch):
    """The folder of the units that run, under a systemctl that comes first."""
    (machine / "run/systemd/system").mkdir(parents=True)
    program = tmp_path / "bin/systemctl"
    folder = tmp_path / "bin/units"
    folder.mkdir(parents=True)
    program.write_text(SYSTEMCTL)
    program.chmod(0o755)
    for name in ("apt-daily.timer", "fstrim.timer"):
        (folder / name).touch()
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return folder


def test_timers_are_stopped_and_started_again(machine, notes, units):
    alone(machine, notes, timers="off")
    assert list(units.iterdir()) == []
    assert notes.undo() == (["fstrim.timer runs again", "apt-daily.timer runs again"], [])
    assert {path.name for path in units.iterdir()} == {"apt-daily.timer", "fstrim.timer"}
    asked = {**OTHERS, "timers": "off"}
    assert quiesce.check(asked, None, machine) == [
        "timers: apt-daily.timer is active, not stopped (2 like it)"
    ]


def test_a_timer_that_cannot_be_started_again_is_told(machine, notes, units):
    alone(machine, notes, timers="off")
    (units / "broken").touch()
    done, failed = notes.undo()
    assert done == ["apt-daily.timer runs again"]
    assert failed == [
        "fstrim.timer could not be put back: systemctl start fstrim.timer: Unit not found."
    ]
