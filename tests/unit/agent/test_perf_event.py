"""From an event's name to what the kernel is asked, and from its refusal to a reason."""

import errno
import re
import struct

import pytest

from hotkit.agent import perf_event
from hotkit.agent.cpulist import parse_cpus
from hotkit.agent.perf_event import attributes, explain, explain_map, lookup
from hotkit.agent.protocol import AgentError


@pytest.fixture
def machine(tmp_path):
    """A machine's /sys and /proc in a directory: `put(path, text)` adds a file."""

    def put(path, text=""):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
        return tmp_path

    put("sys/bus/event_source/devices/software/type", "1")
    put.root = tmp_path
    return put


def intel(put, pmu="cpu", cpus=None):
    at = f"sys/bus/event_source/devices/{pmu}/"
    put(at + "type", "4")
    put(at + "format/event", "config:0-7")
    put(at + "format/umask", "config:8-15")
    put(at + "format/ldlat", "config1:0-15")
    put(at + "format/split", "config2:0-3,32-35")
    put(at + "events/mem-loads", "event=0xcd,umask=0x1,ldlat=3")
    put(at + "events/mem-stores", "event=0xd0,umask=0x82")
    if cpus:
        put(at + "cpus", cpus)


def amd(put, swfilt=False):
    at = "sys/bus/event_source/devices/ibs_op/"
    put(at + "type", "11")
    put(at + "format/cnt_ctl", "config:19")
    if swfilt:
        put(at + "format/swfilt", "config2:0")


def test_auto_on_intel_is_mem_loads(machine):
    intel(machine)
    event = lookup("auto", machine.root)
    assert (event.name, event.kind) == ("cpu/mem-loads/", 4)
    assert event.words == [0x1CD, 3, 0]
    assert event.cpus is None
    perf_event.set_ldlat(event, 30, machine.root)
    assert event.words == [0x1CD, 30, 0]


def test_auto_on_a_hybrid_cpu_says_where_it_samples(machine):
    intel(machine, "cpu_core", "0-3,8")
    event = lookup("auto", machine.root)
    assert event.name == "cpu_core/mem-loads/"
    assert event.cpus == {0, 1, 2, 3, 8}


def test_auto_on_amd_is_ibs_which_knows_no_exclusion(machine):
    amd(machine)
    event = lookup("auto", machine.root)
    assert (event.name, event.kind, event.exclude) == ("ibs_op//", 11, 0)
    assert event.period % 16 == 0
    with pytest.raises(AgentError, match="cannot leave out the kernel"):
        perf_event.leave_kernel_out(event, machine.root)
    with pytest.raises(AgentError, match="cannot be limited to slow loads"):
        perf_event.set_ldlat(event, 30, machine.root)


def test_newer_ibs_leaves_the_kernel_out_by_software(machine):
    amd(machine, swfilt=True)
    event = lookup("ibs_op/cnt_ctl=1/", machine.root)
    perf_event.leave_kernel_out(event, machine.root)
    assert event.words == [1 << 19, 0, 1]
    assert event.exclude == 1 << 5


def test_auto_without_a_pmu_names_what_there_is(machine):
    with pytest.raises(AgentError) as caught:
        lookup("auto", machine.root)
    assert "no hardware PMU that samples data addresses" in caught.value.message
    assert "has: software)" in caught.value.message
    assert "PEBS" in caught.value.fix
    assert "\n" not in caught.value.message


def test_terms_and_fields_in_pieces(machine):
    intel(machine)
    assert lookup("cpu/event=0x1,umask=2/", machine.root).words == [0x201, 0, 0]
    assert lookup("cpu/mem-loads,ldlat=100/", machine.root).words == [0x1CD, 100, 0]
    assert lookup("mem-stores", machine.root).words == [0x82D0, 0, 0]
    # The upper four bits of the value go to bits 32 to 35.
    assert lookup("cpu/split=0xa5/", machine.root).words == [0, 0, 0xA << 32 | 5]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("cpu-clock", "carries no data address"),
        ("task-clock", "carries no data address"),
        ("nonsense", "no event 'nonsense'"),
        ("gpu/x/", "there is no PMU 'gpu'"),
        ("cpu/nothing/", "cpu knows no 'nothing'"),
        ("cpu/event=abc/", "'abc' is no number"),
        ("cpu/umask=0x100/", "does not fit"),
    ],
)
def test_wrong_names(machine, name, reason):
    intel(machine)
    with pytest.raises(AgentError, match=reason) as caught:
        lookup(name, machine.root)
    assert "\n" not in caught.value.message


def test_ldlat_of_a_page_fault(machine):
    with pytest.raises(AgentError, match="a software event"):
        perf_event.set_ldlat(lookup("page-faults"), 30, machine.root)


def test_attributes_are_the_kernels_struct(machine):
    """Offsets of struct perf_event_attr, include/uapi/linux/perf_event.h."""
    intel(machine)
    event = lookup("auto", machine.root)
    event.precise = 2
    attr = attributes(event, 10007, 0, 65536, inherit=True)
    kind, size, config, period, sample_type, read_format, flags, wakeup = struct.unpack_from(
        "<IIQQQQQI", attr
    )
    assert (kind, size, config, period) == (4, len(attr), 0x1CD, 10007)
    assert sample_type == 1 << 1 | 1 << 3  # TID, ADDR: what perf_ring.parse takes a sample for
    assert read_format == 1 << 4
    assert flags == 1 << 0 | 1 << 1 | 1 << 6 | 1 << 14 | 2 << 15 | 1 << 20
    assert wakeup == 32768
    assert struct.unpack_from("<QQ", attr, 56) == (3, 0)
    # One wakeup a record: no watermark, else PEBS would gather records.
    attr = attributes(event, 10007, 1, 65536, inherit=False)
    assert struct.unpack_from("<QI", attr, 40) == (1 << 0 | 1 << 6 | 2 << 15 | 1 << 20, 1)


ROOT_CAPS = "CapEff:\t000001ffffffffff\nSeccomp:\t0"
NO_CAPS = "CapEff:\t0000000000000000\nSeccomp:\t0"


@pytest.mark.parametrize(
    ("code", "status", "lockdown", "reason"),
    [
        (errno.EACCES, NO_CAPS, None, "perf_event_paranoid is 3 and the agent has no CAP_PERFMON"),
        (errno.EPERM, NO_CAPS.replace("mp:\t0", "mp:\t2"), None, "seccomp filter"),
        (errno.EACCES, NO_CAPS.replace("mp:\t0", "mp:\t2"), None, "perf_event_paranoid"),
        (errno.EPERM, ROOT_CAPS, "none integrity [confidentiality]", "locked down"),
        (errno.EPERM, ROOT_CAPS, "[none] integrity confidentiality", r"refused \(EPERM\)"),
        (errno.ENOSYS, ROOT_CAPS, None, "no perf_event_open, or a container"),
    ],
)
def test_why_it_is_forbidden(machine, code, status, lockdown, reason):
    machine("proc/sys/kernel/perf_event_paranoid", "3")
    machine("proc/self/status", "Name:\tpython3\n" + status)
    if lockdown:
        machine("sys/kernel/security/lockdown", lockdown)
    found = explain(OSError(code, "x"), lookup("page-faults"), machine.root)
    assert re.search(reason, found.message)
    assert found.fix


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (errno.EOPNOTSUPP, "cannot sample cpu/mem-loads/ at precise: 3"),
        (errno.EINVAL, "does not sample cpu/mem-loads/ here"),
        (errno.ENOENT, "does not sample cpu/mem-loads/ here"),
        (errno.EBUSY, "taken by another user"),
        (errno.EMFILE, "too many open files"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_why_the_pmu_refuses(machine, code, reason):
    intel(machine)
    event = lookup("auto", machine.root)
    event.precise = 3
    error = OSError(code, perf_event.os.strerror(code))
    assert reason in explain(error, event, machine.root).message


def test_why_there_is_no_ring(machine):
    machine("proc/sys/kernel/perf_event_mlock_kb", "516")
    found = explain_map(OSError(errno.EPERM, "x"), 4096, machine.root)
    assert "perf_event_mlock_kb is 516" in found.message
    assert "no ring of 4096 KiB" in explain_map(OSError(errno.ENOMEM, "no memory"), 4096).message


def test_the_kernel_itself_refuses_what_it_cannot_sample():
    """The real system call: an event type that does not exist, and a PMU that cannot sample."""
    event = perf_event.Event("x", 9999, [0, 0, 0], 1)
    attr = attributes(event, 1, 0, 4096, inherit=False)
    with pytest.raises(OSError) as caught:
        perf_event.open_event(attr, 0, -1)
    assert caught.value.errno in (errno.ENOENT, errno.EINVAL)


def test_cpu_lists():
    assert parse_cpus("0-3,8\n") == {0, 1, 2, 3, 8}
    assert parse_cpus("") == set()
