"""What makes a CPU's speed change: SMT, turbo, frequency, idle states, uncore, prefetchers."""

from __future__ import annotations

import re
from pathlib import Path

from hotkit.agent.gather import text
from hotkit.agent.protocol import AgentError
from hotkit.agent.putback import read_msr
from hotkit.agent.quiesce.steps import (
    Companion,
    Knob,
    Missing,
    Register,
    Step,
    below,
    knob,
    number,
    value,
)

CPU = "sys/devices/system/cpu"
_POLICIES = f"{CPU}/cpufreq"
_PSTATE = f"{CPU}/intel_pstate"
_UNCORE = f"{CPU}/intel_uncore_frequency"
# Bits 0 to 3 of MSR 0x1a4 switch off the two prefetchers of L2 and the two of L1 data (Intel's
# "Disclosure of Hardware Prefetcher Control on Some Intel Processors"); the rest is not ours.
PREFETCH_MSR = 0x1A4
_PREFETCH_BITS = 0xF
# intel_uncore_frequency has a directory for each die, and with TPMI one for each fabric cluster.
_UNCORE_KINDS = ("uncore[0-9]*", "package_*_die_*")


def smt(root: Path, wanted: str) -> list[Step]:
    """All threads of a core but the first go offline.

    One by one, and not by smt/control: its "on" brings up every CPU that is present, also those
    that maxcpus= or somebody's hand had left out.
    """
    threads: dict[int, Knob] = {}
    seen = False
    for cpu in online_cpus(root):
        siblings = value(root / cpu / "topology/thread_siblings_list")
        if siblings is None:
            continue
        seen = True
        index = int(cpu.rpartition("cpu")[2])
        if index != min(map(int, re.findall(r"\d+", siblings))):
            threads[index] = knob(root, f"{cpu}/online", "0")
    if not seen:
        raise Missing(f"/{CPU} does not say which CPUs share a core")
    return [threads[index] for index in sorted(threads)]


def turbo(root: Path, wanted: str) -> list[Step]:
    """no_turbo of intel_pstate, else boost of each policy where it has one, else boost of all."""
    off = wanted == "off"
    if (root / _PSTATE / "no_turbo").exists():
        steps: list[Step] = [knob(root, f"{_PSTATE}/no_turbo", "1" if off else "0")]
        if (root / _PSTATE / "min_perf_pct").exists():
            # Without turbo the driver squashes it into what is left.
            steps.insert(0, _companion(root, f"{_PSTATE}/min_perf_pct"))
        return steps
    # The one for all sets every policy's, so that writing it would lose what each one was.
    each = below(root, _POLICIES, "policy[0-9]*/boost")
    names = each or [f"{_POLICIES}/boost"]
    if not (root / names[0]).exists():
        raise Missing(
            f"there is neither /{_PSTATE}/no_turbo nor /{_POLICIES}/boost: the driver cannot "
            "switch turbo"
        )
    return [knob(root, name, "0" if off else "1") for name in names]


def governor(root: Path, wanted: str) -> list[Step]:
    """scaling_governor of each policy, and the energy preference that some drivers move with it."""
    steps: list[Step] = []
    for policy in _policies(root):
        offered = (value(root / policy / "scaling_available_governors") or wanted).split()
        if wanted not in offered:
            raise Missing(f"/{policy} does not offer {wanted} (it offers {', '.join(offered)})")
        step = knob(root, f"{policy}/scaling_governor", wanted)
        if not step.holds and (root / policy / "energy_performance_preference").exists():
            steps.append(_companion(root, f"{policy}/energy_performance_preference"))
        steps.append(step)
    return steps


def frequency(root: Path, wanted: str) -> list[Step]:
    """scaling_min_freq and scaling_max_freq of each policy at one frequency, in kHz."""
    steps: list[Step] = []
    for policy in _policies(root):
        khz = base_khz(root, policy) if wanted == "base" else int(wanted)
        if khz is None:
            raise Missing(
                f"/{policy} does not say how fast it is without turbo: give frequency in kHz"
            )
        least = number(root / policy / "cpuinfo_min_freq") or 0
        most = number(root / policy / "cpuinfo_max_freq") or khz
        khz = min(max(khz, least), most)
        steps += _pinned(root, f"{policy}/scaling_min_freq", f"{policy}/scaling_max_freq", khz)
    return steps


def base_khz(root: Path, policy: str) -> int | None:
    """The highest frequency without turbo, in kHz, by the first source that says it.

    base_frequency (intel_pstate with HWP), nominal_freq in MHz (ACPI CPPC), the table of
    acpi-cpufreq, in which turbo is the entry 1 MHz above the highest other, the processor's name
    ("@ 2.60GHz"); else cpuinfo_max_freq if there is no turbo to be switched, or it is off.
    """
    base = number(root / policy / "base_frequency")
    if base:
        return base
    cpu = policy.rpartition("policy")[2]
    nominal_mhz = number(root / CPU / f"cpu{cpu}" / "acpi_cppc/nominal_freq")
    if nominal_mhz:
        return nominal_mhz * 1000
    table = value(root / policy / "scaling_available_frequencies") or ""
    steps_khz = sorted(map(int, table.split()))
    if steps_khz:
        turbo_entry = len(steps_khz) > 1 and steps_khz[-1] - steps_khz[-2] == 1000
        return steps_khz[-2] if turbo_entry else steps_khz[-1]
    named = re.search(r"@ (\d+\.\d+)GHz", text(str(root / "proc/cpuinfo")) or "")
    if named:
        return round(float(named[1]) * 1e6)
    try:
        off = all(step.holds for step in turbo(root, "off"))
    except Missing:
        off = True
    return number(root / policy / "cpuinfo_max_freq") if off else None


def uncore(root: Path, wanted: str) -> list[Step]:
    """min_freq_khz and max_freq_khz of the uncore of each die at one frequency, in kHz."""
    found = [below(root, _UNCORE, kind) for kind in _UNCORE_KINDS]
    places = found[0] or found[1]
    if not places:
        raise Missing(
            f"there is no /{_UNCORE}: no Intel server, or no module (modprobe "
            "intel-uncore-frequency)"
        )
    steps: list[Step] = []
    for place in places:
        most = number(root / place / "max_freq_khz")
        if most is None:
            raise Missing(f"/{place}/max_freq_khz says no frequency")
        khz = most if wanted == "max" else int(wanted)
        steps += _pinned(root, f"{place}/min_freq_khz", f"{place}/max_freq_khz", khz)
    return steps


def cstates(root: Path, wanted: str) -> list[Step]:
    """Idle states that take longer to leave than `wanted` microseconds are switched off."""
    steps: list[Step] = []
    seen = False
    for cpu in online_cpus(root):
        for state in below(root, f"{cpu}/cpuidle", "state[0-9]*"):
            seen = True
            latency_us = number(root / state / "latency")
            if latency_us is not None and latency_us > int(wanted):
                steps.append(knob(root, f"{state}/disable", "1"))
    if not seen:
        raise Missing(f"there is no /{CPU}/cpu*/cpuidle/state*: no cpuidle driver")
    return steps


def prefetchers(root: Path, wanted: str) -> list[Step]:
    """Four bits of MSR 0x1a4 on each CPU; the other bits stay as they are."""
    vendor = re.search(r"(?m)^vendor_id\s*: (\w+)", text(str(root / "proc/cpuinfo")) or "")
    if not vendor or vendor[1] != "GenuineIntel":
        maker = vendor[1] if vendor else "this processor"
        raise Missing(f"the prefetchers of {maker} are not supported, only Intel's (MSR 0x1a4)")
    steps: list[Step] = []
    for cpu in online_cpus(root):
        device = "dev/cpu/{}/msr".format(cpu.rpartition("cpu")[2])
        if not (root / device).exists():
            raise Missing(f"there is no /{device}: modprobe msr")
        try:
            found = read_msr(str(root / device), PREFETCH_MSR)
        except AgentError as error:
            raise Missing(error.message) from error  # a hypervisor hides it, or a lockdown does
        bits = _PREFETCH_BITS if wanted == "off" else 0
        new = found & ~_PREFETCH_BITS | bits
        steps.append(
            Register(f"/{device} {PREFETCH_MSR:#x}", f"{found:#x}", f"{new:#x}",
                     root / device, PREFETCH_MSR, found, new)
        )  # fmt: skip
    return steps


def online_cpus(root: Path) -> list[str]:
    """Names of the CPUs that are online; one without the file `online` cannot be anything else."""
    names = below(root, CPU, "cpu[0-9]*")
    return [name for name in names if value(root / name / "online") in (None, "1")]


def _policies(root: Path) -> list[str]:
    """Policies that are in force: those of CPUs that are all offline cannot be written."""
    names = below(root, _POLICIES, "policy[0-9]*")
    active = [name for name in names if value(root / name / "affected_cpus")]
    if not active:
        raise Missing(f"there is no /{_POLICIES}/policy*: no driver scales the frequency")
    return active


def _pinned(root: Path, low: str, high: str, khz: int) -> list[Step]:
    """Both limits at `khz`, in an order in which the lower one never passes the upper one.

    Undone the other way round, it does not either.
    """
    first, second = knob(root, high, str(khz)), knob(root, low, str(khz))
    return [second, first] if khz < int(second.found) else [first, second]


def _companion(root: Path, name: str) -> Companion:
    found = value(root / name) or ""
    return Companion(f"/{name}", found, found, root / name)
