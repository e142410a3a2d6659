"""Opening a sampling event with perf_event_open(2), through ctypes: no perf program is needed.

An event is named as perf names it: a software event ("page-faults"), "pmu/terms/", or an event of
the CPU's PMU ("mem-loads"). What the words mean comes from /sys/bus/event_source/devices/PMU/
{type,format,events,cpus} (Documentation/ABI/testing/sysfs-bus-event_source-devices-*).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import re
import struct
from pathlib import Path

from hotkit.agent.cpulist import parse_cpus
from hotkit.agent.protocol import AgentError

_SYSCALL = {"x86_64": 298}
_FLAG_FD_CLOEXEC = 8
_IOC_ENABLE, _IOC_DISABLE, _IOC_SET_OUTPUT = 0x2400, 0x2401, 0x2405
# struct perf_event_attr up to config2 (PERF_ATTR_SIZE_VER1): every kernel since 2.6.33 takes it.
_ATTR = struct.Struct("<IIQQQQQIIQQ")
_SAMPLE_TID, _SAMPLE_ADDR = 1 << 1, 1 << 3
_FORMAT_LOST = 1 << 4
_DISABLED, _INHERIT, _EXCLUDE_KERNEL, _EXCLUDE_HV = 1 << 0, 1 << 1, 1 << 5, 1 << 6
_WATERMARK, _PRECISE_SHIFT, _EXCLUDE_GUEST = 1 << 14, 15, 1 << 20

_SOFTWARE = 1
# Software events that carry the address that was touched, and those that carry none (uapi
# PERF_COUNT_SW_*; perf_sw_event() is given an address for faults only).
_WITH_ADDRESS = {"page-faults": 2, "page-faults-min": 5, "page-faults-maj": 6}
_WITHOUT_ADDRESS = (
    "cpu-clock", "task-clock", "context-switches", "cpu-migrations", "dummy", "bpf-output",
)  # fmt: skip
_CPU_PMUS = ("cpu", "cpu_core")
_HARDWARE_PERIOD = 10007
# IBS takes multiples of 16 only.
_IBS_PERIOD = 10000
_FALLBACK = "event: page-faults works on every kernel (it sees first touches, not accesses)"


class Event:
    """What to open. `words` are config, config1, config2; `period` is what to use when none is
    given; `cpus` where its PMU is, None for everywhere; `precise` whether it has such levels."""

    def __init__(self, name: str, kind: int, words: list[int], period: int):
        self.name = name
        self.kind = kind
        self.words = words
        self.period = period
        self.cpus: set[int] | None = None
        self.precise = 0
        self.exclude = _EXCLUDE_HV | _EXCLUDE_GUEST
        self.hardware = kind != _SOFTWARE


def lookup(name: str, root: Path = Path("/")) -> Event:
    """The event that a name means on this machine. AgentError, with the reason, when none."""
    if name in _WITH_ADDRESS:
        return Event(name, _SOFTWARE, [_WITH_ADDRESS[name], 0, 0], 1)
    if name in _WITHOUT_ADDRESS:
        raise AgentError(
            f"{name} carries no data address: it cannot tell which page was touched", _FALLBACK
        )
    devices = root / "sys/bus/event_source/devices"
    if name == "auto":
        for pmu in _CPU_PMUS:
            if (devices / pmu / "events/mem-loads").exists():
                return _of_pmu(devices / pmu, "mem-loads")
        if (devices / "ibs_op/type").exists():
            return _of_pmu(devices / "ibs_op", "")
        raise AgentError(
            f"this machine has no hardware PMU that samples data addresses ({devices} has: "
            f"{_names(devices)})",
            f"metal, or a VM with a virtual PMU that has PEBS; {_FALLBACK}",
        )
    match = re.fullmatch(r"([^/]+)/([^/]*)/", name)
    if match:
        if not (devices / match[1] / "type").exists():
            raise AgentError(
                f"{name}: there is no PMU {match[1]!r} ({devices} has: {_names(devices)})",
                _FALLBACK,
            )
        return _of_pmu(devices / match[1], match[2])
    for pmu in _CPU_PMUS:
        if (devices / pmu / "events" / name).exists():
            return _of_pmu(devices / pmu, name)
    raise AgentError(
        f"no event {name!r}: it is no software event, and no CPU PMU in {devices} has it",
        "one of auto, " + ", ".join(_WITH_ADDRESS) + ", PMU/EVENT/",
    )


def set_ldlat(event: Event, cycles: int, root: Path = Path("/")) -> None:
    """Sample only loads that took that long. AgentError where the PMU knows no such thing."""
    pmu = root / "sys/bus/event_source/devices" / event.name.partition("/")[0]
    if not event.hardware or not (pmu / "format/ldlat").exists():
        why = f"no {pmu}/format/ldlat" if event.hardware else "it is a software event"
        raise AgentError(
            f"ldlat: {event.name} cannot be limited to slow loads ({why})",
            "ldlat: 0, or an event of Intel's PMU such as mem-loads",
        )
    _set_field(event.words, pmu, "ldlat", cycles)


def leave_kernel_out(event: Event, root: Path = Path("/")) -> None:
    """Sample in user mode only. AgentError where the PMU cannot."""
    if event.name.startswith("ibs_"):
        # IBS filters in its interrupt handler, since 6.14, when config2's swfilt says so; before
        # that it refuses every exclusion (PERF_PMU_CAP_NO_EXCLUDE).
        pmu = root / "sys/bus/event_source/devices" / event.name.partition("/")[0]
        if not (pmu / "format/swfilt").exists():
            raise AgentError(
                f"kernel: IBS cannot leave out the kernel here (no {pmu}/format/swfilt)",
                "kernel: true",
            )
        _set_field(event.words, pmu, "swfilt", 1)
    event.exclude |= _EXCLUDE_KERNEL


def attributes(event: Event, period: int, wakeup: int, data_bytes: int, inherit: bool) -> bytes:
    """struct perf_event_attr for `event`, not yet running.

    `wakeup` 0 wakes the reader when half of the ring is full. For PEBS this decides more: only
    then may the hardware's buffer fill before it interrupts; with wakeup_events every record
    interrupts (intel_pmu_hw_config, PERF_X86_EVENT_LARGE_PEBS).
    """
    flags = _DISABLED | event.exclude | event.precise << _PRECISE_SHIFT
    if inherit:
        flags |= _INHERIT
    if not wakeup:
        flags |= _WATERMARK
    config, config1, config2 = event.words
    return _ATTR.pack(
        event.kind, _ATTR.size, config, period, _SAMPLE_TID | _SAMPLE_ADDR, _FORMAT_LOST, flags,
        wakeup or data_bytes // 2, 0, config1, config2,
    )  # fmt: skip


def open_event(attr: bytes, pid: int, cpu: int) -> int:
    """perf_event_open(2); returns the file. OSError."""
    number = _SYSCALL.get(platform.machine())
    if number is None:
        raise AgentError(f"perf: {platform.machine()} is not supported, only x86_64")
    libc = ctypes.CDLL(None, use_errno=True)
    for read_format in (_FORMAT_LOST, 0):
        # read_format is the word at 32. Kernels before 6.0 know no PERF_FORMAT_LOST: EINVAL.
        words = attr[:32] + struct.pack("<Q", read_format) + attr[40:]
        buffer = ctypes.create_string_buffer(words, len(words))
        fd = libc.syscall(
            ctypes.c_long(number), buffer, ctypes.c_int(pid), ctypes.c_int(cpu),
            ctypes.c_int(-1), ctypes.c_ulong(_FLAG_FD_CLOEXEC),
        )  # fmt: skip
        if fd >= 0:
            return int(fd)
        error = ctypes.get_errno()
        if error != errno.EINVAL:
            break
    raise OSError(error, os.strerror(error))


def enable(fd: int) -> None:
    fcntl.ioctl(fd, _IOC_ENABLE, 0)


def disable(fd: int) -> None:
    """Also in the threads that inherited it."""
    fcntl.ioctl(fd, _IOC_DISABLE, 0)


def write_to(fd: int, other: int) -> None:
    """Let an event write to the ring of another one on the same CPU."""
    fcntl.ioctl(fd, _IOC_SET_OUTPUT, other)


def read_counts(fd: int) -> tuple[int, int]:
    """How many events there were, and how many samples found no room (0 where the kernel does not
    say); of the threads that inherited it too."""
    data = os.read(fd, 16)
    values = struct.unpack(f"<{len(data) // 8}Q", data)
    return values[0], values[1] if len(values) > 1 else 0


def explain(error: OSError, event: Event, root: Path = Path("/")) -> AgentError:
    """Why the kernel refused to open (or map) an event, with what helps."""
    code = error.errno
    if code in (errno.EACCES, errno.EPERM, errno.ENOSYS):
        return AgentError(*_forbidden(code, event, root))
    if code == errno.EOPNOTSUPP and event.precise:
        return AgentError(
            f"the PMU cannot sample {event.name} at precise: {event.precise}",
            "precise: 2 or less (cpu/caps/max_precise says what there is)",
        )
    if code in (errno.ENOENT, errno.EINVAL, errno.EOPNOTSUPP, errno.ENODEV):
        return AgentError(
            f"the kernel does not sample {event.name} here: {error.strerror}",
            "another event, period (IBS: a multiple of 16) or ldlat; dmesg may say more",
        )
    if code == errno.EBUSY:
        return AgentError(
            f"{event.name}: the PMU is taken by another user",
            "end other perf sessions, and the NMI watchdog (kernel.nmi_watchdog=0)",
        )
    if code == errno.EMFILE:
        return AgentError(
            f"{event.name}: too many open files: an event per thread and CPU is needed",
            "raise the limit (ulimit -n), or fewer threads",
        )
    return AgentError(f"{event.name}: {error.strerror}")


def explain_map(error: OSError, kib: int, root: Path = Path("/")) -> AgentError:
    """Why the kernel gave no ring of `kib` KiB."""
    if error.errno == errno.EPERM:
        allowed = _text(root / "proc/sys/kernel/perf_event_mlock_kb")
        return AgentError(
            f"buffer_kib: {kib} KiB per CPU is more than a user may lock "
            f"(perf_event_mlock_kb is {allowed})",
            "run as root, or a smaller buffer_kib",
        )
    return AgentError(f"buffer_kib: no ring of {kib} KiB: {error.strerror}", "a smaller buffer_kib")


def _forbidden(code: int, event: Event, root: Path) -> tuple[str, str]:
    if code == errno.ENOSYS:
        return (
            "this kernel has no perf_event_open, or a container hides it (ENOSYS)",
            "a kernel with CONFIG_PERF_EVENTS, outside of the container",
        )
    # A filter answers EPERM (container runtimes) or ENOSYS; perf itself says EACCES.
    if code == errno.EPERM and _status_field(root, "Seccomp") not in ("0", ""):
        return (
            f"a seccomp filter is in force, and {event.name} was refused ({errno.errorcode[code]})",
            "run the agent outside of the container, or let it use perf_event_open",
        )
    paranoid = _text(root / "proc/sys/kernel/perf_event_paranoid")
    # CAP_PERFMON is bit 38, CAP_SYS_ADMIN 21 (capabilities(7)).
    may = int(_status_field(root, "CapEff") or "0", 16) & (1 << 38 | 1 << 21)
    if not may:
        return (
            f"perf_event_paranoid is {paranoid} and the agent has no CAP_PERFMON: "
            f"{event.name} was refused ({errno.errorcode[code]})",
            "run as root; kernel: false is enough where perf_event_paranoid is 2",
        )
    lockdown = _text(root / "sys/kernel/security/lockdown")
    if "[none]" not in lockdown and lockdown:
        return (
            f"the kernel is locked down ({lockdown}), and {event.name} was refused",
            "boot without lockdown= (Secure Boot may set it)",
        )
    return f"{event.name} was refused ({errno.errorcode[code]})", "a security module forbids it"


def _of_pmu(pmu: Path, terms: str) -> Event:
    ibs = pmu.name.startswith("ibs_")
    event = Event(
        f"{pmu.name}/{terms}/",
        int(_text(pmu / "type")),
        [0, 0, 0],
        _IBS_PERIOD if ibs else _HARDWARE_PERIOD,
    )
    if ibs:
        event.exclude = 0
    if (pmu / "cpus").exists():
        event.cpus = parse_cpus(_text(pmu / "cpus"))
    pending = [term for term in terms.split(",") if term]
    while pending:
        key, _, value = pending.pop(0).partition("=")
        if not value and (pmu / "events" / key).exists():
            # An event stands for terms; what is written behind it wins.
            pending = _text(pmu / "events" / key).split(",") + pending
            continue
        try:
            _set_field(event.words, pmu, key, int(value or "1", 0))
        except ValueError:
            raise AgentError(f"{event.name}: {value!r} is no number") from None
    return event


def _set_field(words: list[int], pmu: Path, key: str, value: int) -> None:
    """Put a value where PMU/format/KEY says: "config1:0-15", "config:0-7,32-35"."""
    text = _text(pmu / "format" / key)
    match = re.fullmatch(r"(config[12]?):([0-9,-]+)", text)
    if not match:
        raise AgentError(
            f"{pmu.name} knows no {key!r}",
            f"events: {_names(pmu / 'events') or 'none'}; terms: {_names(pmu / 'format')}",
        )
    word = int(match[1][len("config") :] or "0")
    rest = value
    for bit in sorted(parse_cpus(match[2])):
        words[word] = words[word] & ~(1 << bit) | (rest & 1) << bit
        rest >>= 1
    if rest:
        raise AgentError(f"{pmu.name}: {key}={value} does not fit in {text}")


def _names(directory: Path) -> str:
    try:
        return ", ".join(sorted(entry.name for entry in directory.iterdir()))
    except OSError:
        return ""


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def _status_field(root: Path, name: str) -> str:
    match = re.search(rf"^{name}:\s*(\S+)", _text(root / "proc/self/status"), re.MULTILINE)
    return match[1] if match else ""
