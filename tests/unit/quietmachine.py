"""The files of a machine that we have not got, for the tests of quiesce: values as the kernel has.

Two cores with two threads each (CPUs 0 and 2, 1 and 3) and a fifth CPU that was never brought up,
intel_pstate with turbo, an uncore, five idle states, MSRs, THP: what a two-socket server shows.
"""

from pathlib import Path

CPU = "sys/devices/system/cpu"
BASE_KHZ, TURBO_KHZ, LEAST_KHZ = 2600000, 3900000, 800000
# C-states of a server: name, exit latency in microseconds.
STATES = (("POLL", 0), ("C1", 2), ("C1E", 10), ("C6", 133))

SYSCTLS = {
    "kernel/randomize_va_space": 2,
    "kernel/numa_balancing": 1,
    "kernel/watchdog": 1,
    "kernel/nmi_watchdog": 1,
    "kernel/soft_watchdog": 1,
    "kernel/perf_event_max_sample_rate": 100000,
    "vm/compaction_proactiveness": 20,
    "vm/overcommit_memory": 0,
    "vm/drop_caches": 0,
}


def build(root: Path) -> Path:
    """Lay it all out below `root`, which is returned."""
    for name, found in SYSCTLS.items():
        put(root, f"proc/sys/{name}", found)
    put(root, "proc/cpuinfo", "vendor_id\t: GenuineIntel\nmodel name\t: Some Xeon")
    put(root, "proc/swaps", "Filename\t\t\tType\t\tSize\t\tUsed\t\tPriority")
    put(root, "proc/meminfo", "MemTotal: 8000000 kB\nMemAvailable:    4000000 kB")
    put(root, "sys/kernel/mm/ksm/run", 1)
    thp = "sys/kernel/mm/transparent_hugepage"
    put(root, f"{thp}/enabled", "[always] madvise never")
    put(root, f"{thp}/defrag", "always defer defer+madvise [madvise] never")
    put(root, f"{CPU}/intel_pstate/no_turbo", 0)
    put(root, f"{CPU}/intel_pstate/min_perf_pct", 70)
    for die in ("package_00_die_00", "package_01_die_00"):
        put(root, f"{CPU}/intel_uncore_frequency/{die}/min_freq_khz", 1200000)
        put(root, f"{CPU}/intel_uncore_frequency/{die}/max_freq_khz", 2400000)
    for cpu in range(4):
        core = f"{CPU}/cpu{cpu}"
        put(root, f"{core}/topology/thread_siblings_list", "0,2" if cpu % 2 == 0 else "1,3")
        if cpu:
            put(root, f"{core}/online", 1)
        for index, (name, latency_us) in enumerate(STATES):
            state = f"{core}/cpuidle/state{index}"
            put(root, f"{state}/name", name)
            put(root, f"{state}/latency", latency_us)
            put(root, f"{state}/disable", 0)
        put_policy(root, cpu)
        # Bit 5 is none of ours: it is to stay.
        put_msr(root, cpu, 0x20)
    put(root, f"{CPU}/cpu4/online", 0)
    return root


def put_policy(root: Path, cpu: int) -> None:
    policy = f"{CPU}/cpufreq/policy{cpu}"
    put(root, f"{policy}/affected_cpus", cpu)
    put(root, f"{policy}/scaling_available_governors", "performance powersave")
    put(root, f"{policy}/scaling_governor", "powersave")
    put(root, f"{policy}/energy_performance_preference", "balance_performance")
    put(root, f"{policy}/base_frequency", BASE_KHZ)
    put(root, f"{policy}/cpuinfo_min_freq", LEAST_KHZ)
    put(root, f"{policy}/cpuinfo_max_freq", TURBO_KHZ)
    put(root, f"{policy}/scaling_min_freq", LEAST_KHZ)
    put(root, f"{policy}/scaling_max_freq", TURBO_KHZ)


def put(root: Path, name: str, text: object) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


def put_msr(root: Path, cpu: int, value: int) -> None:
    """A file in which register 0x1a4 is where pread(2) of the real device has it."""
    path = root / f"dev/cpu/{cpu}/msr"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(0x1A4) + value.to_bytes(8, "little"))


def msr(root: Path, cpu: int) -> int:
    return int.from_bytes((root / f"dev/cpu/{cpu}/msr").read_bytes()[0x1A4:], "little")


def get(root: Path, name: str) -> str:
    """A knob's value: its first line, as a knob of the kernel has one only."""
    return (root / name).read_text().split("\n")[0]


def everything(root: Path) -> dict[str, str]:
    """Every knob's value and every register."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_file():
            data = path.read_bytes()
            found[name] = data.hex() if name.endswith("msr") else get(root, name).strip("[]")
    return found
