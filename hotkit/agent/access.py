"""Why the kernel does not let us at what a tracker needs, and what helps: what all probes share.

A reason is a pair of one-line sentences: what is missing, and the fix. Nothing is changed: files
are opened, at most, and opening a knob of debugfs, tracefs, sysfs or procfs has no effect.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
from pathlib import Path

from hotkit.agent import cgroup
from hotkit.agent.gather import line, text

DEBUGFS = Path("/sys/kernel/debug")
TRACEFS = (Path("/sys/kernel/tracing"), DEBUGFS / "tracing")
LOCKDOWN = "/sys/kernel/security/lockdown"
_PAGE_BYTES = 4096
# Inode numbers of the namespaces that the kernel itself begins with (include/linux/proc_ns.h).
_FIRST_NAMESPACES = {"cgroup": 0xEFFFFFFB, "pid": 0xEFFFFFFC, "user": 0xEFFFFFFD}
_MARKS = ("/run/.containerenv", "/.dockerenv", "/run/systemd/container")
_NOT_LOCKED = (
    "boot without lockdown= and with Secure Boot off (it locks many distributions' kernels)"
)
_SECURITYFS = "to see it: mount -t securityfs securityfs /sys/kernel/security"
_ON_THE_HOST = "measure on the host, or start the container with --privileged"
_WITH_ITS_PIDS = "measure on the host, or start the container with --pid=host"


def reachable(path: Path) -> bool:
    """Whether a path is there for us. Path.exists() raises where a directory is closed to us."""
    try:
        path.stat()
    except OSError:
        return False
    return True


def refused(path: Path, flags: int = os.O_RDONLY) -> tuple[str, str] | None:
    """Why `path` cannot be opened with `flags` (os.O_*); None when it can."""
    try:
        os.close(os.open(str(path), flags | os.O_CLOEXEC))
    except OSError as error:
        return explain(path, error)
    return None


def explain(path: Path, error: OSError) -> tuple[str, str]:
    """The reason behind the kernel's refusal: who we are, where we are, or what was locked."""
    said = f"{path}: {error.strerror}"
    if error.errno in (errno.EPERM, errno.EACCES):
        if os.geteuid() != 0:
            return said, "run as root"
        locked = lockdown()
        if locked:
            return f"the kernel is locked down ({locked}) and refuses {path}", _NOT_LOCKED
        if container():
            return f"{said} (in a container: {container()})", _ON_THE_HOST
        if error.errno == errno.EPERM and text(LOCKDOWN) is None:
            # Modes and security modules mostly say EACCES; a lockdown always says EPERM.
            return f"{said}, as of a kernel that is locked down", f"{_NOT_LOCKED}; {_SECURITYFS}"
        return said, "dmesg says who forbids it: SELinux, AppArmor or another"
    if error.errno == errno.EROFS:
        if container():
            return f"{said} (in a container: {container()})", _ON_THE_HOST
        return said, "mount -o remount,rw the file system that it is on"
    return said, "dmesg may say more"


def lockdown() -> str | None:
    """What the kernel is locked down for (integrity, confidentiality); None when it is not.

    /sys/kernel/security/lockdown, "none [integrity] confidentiality". Also None where securityfs
    is not mounted: nothing says it then.
    """
    match = re.search(r"\[(\w+)\]", text(LOCKDOWN) or "")
    return match[1] if match and match[1] != "none" else None


def namespaces() -> dict[str, bool]:
    """Whether we are in the kernel's first cgroup, pid and user namespace; those that it has."""
    found = {}
    for name, first in _FIRST_NAMESPACES.items():
        try:
            found[name] = Path(f"/proc/self/ns/{name}").stat().st_ino == first
        except OSError:
            continue
    return found


def container_marks() -> list[str]:
    """What says that this file system or process belongs to a container."""
    marks = [mark for mark in _MARKS if reachable(Path(mark))]
    for item in (text("/proc/1/environ") or "").split("\0"):
        if item.startswith("container="):
            marks.append(f"{item} in the environment of process 1")
    return marks


def container() -> str | None:
    """Evidence that we run in a container, None when we do not.

    A mark alone is none: a machine's disk may have been made from a container's image.
    """
    inner = [name for name, first in namespaces().items() if not first]
    if "user" in inner:
        return "the user namespace is not the first one"
    marks = container_marks()
    if inner and marks:
        return f"{marks[0]}; not the first {' and '.join(inner)} namespace"
    return None


def no_traced_pids() -> tuple[str, str] | None:
    """Why threads cannot be told apart in a trace; None when they can.

    A trace has pids as the first PID namespace counts them (kernel/trace/trace.c,
    tracing_generic_entry_update(): current->pid).
    """
    if namespaces().get("pid", True):
        return None
    return (
        "a trace tells threads by pids of the first PID namespace, and this is another",
        _WITH_ITS_PIDS,
    )


def no_debugfs() -> tuple[str, str] | None:
    """Why debugfs cannot be read; None when it can."""
    if not DEBUGFS.is_mount():
        if re.search(r"\bdebugfs$", text("/proc/filesystems") or "", re.MULTILINE) is None:
            return (
                "this kernel has no debugfs",
                "a kernel with CONFIG_DEBUG_FS=y, booted without debugfs=off",
            )
        return "debugfs is not mounted", _mounting("debugfs", DEBUGFS)
    return refused(DEBUGFS, os.O_RDONLY | os.O_DIRECTORY)


def no_tracefs() -> tuple[str, str] | None:
    """Why no tracing instance can be made; None when one can."""
    for place in TRACEFS:
        if reachable(place / "instances"):
            if os.access(str(place / "instances"), os.W_OK):
                return None
            code = errno.EROFS if os.geteuid() == 0 else errno.EACCES
            return explain(place / "instances", OSError(code, os.strerror(code)))
    mounted = TRACEFS[0] if TRACEFS[0].is_mount() else None
    if mounted is None:
        if re.search(r"\btracefs$", text("/proc/filesystems") or "", re.MULTILINE) is None:
            return "this kernel has no tracefs", "a kernel with CONFIG_FTRACE=y"
        return "tracefs is not mounted", _mounting("tracefs", TRACEFS[0])
    if lockdown() == "confidentiality":
        return f"the kernel is locked down (confidentiality): {mounted} is empty", _NOT_LOCKED
    why = refused(mounted, os.O_RDONLY | os.O_DIRECTORY)
    return why or (f"there is no {mounted}/instances", "a kernel with CONFIG_TRACING=y")


def no_memory_cgroup() -> tuple[str, str] | None:
    """Why the workload cannot have a memory cgroup of its own; None when it can."""
    why = cgroup.why_none()
    if why:
        return why
    children = cgroup.ROOT / "cgroup.subtree_control"
    why = refused(children, os.O_WRONLY)
    if why:
        return why
    # Only the kernel's own root may hold processes and hand on controllers (cgroup-v2.rst, "No
    # internal process constraint"); cgroup.type is in every cgroup but that one.
    inner = (cgroup.ROOT / "cgroup.type").exists()
    if (
        inner
        and "memory" not in line(str(children)).split()
        and line(f"{cgroup.ROOT}/cgroup.procs")
    ):
        return (
            f"{cgroup.ROOT} is a container's and holds processes: it cannot hand on memory",
            _ON_THE_HOST,
        )
    return None


def no_frames() -> tuple[str, str] | None:
    """Why /proc/PID/pagemap shows no frames; None when it does (CAP_SYS_ADMIN, pagemap.rst)."""
    path = Path("/proc/self/pagemap")
    page = bytearray(b"x" * 2 * _PAGE_BYTES)
    try:
        with path.open("rb", buffering=0) as stream:
            address = ctypes.addressof(ctypes.c_char.from_buffer(page))
            stream.seek(8 * (address // _PAGE_BYTES + 1))
            entry = int.from_bytes(stream.read(8), "little")
    except OSError as error:
        return explain(path, error)
    if entry & ((1 << 55) - 1):
        return None
    fix = "run as root" if os.geteuid() != 0 else _ON_THE_HOST
    return f"{path} shows no frames (CAP_SYS_ADMIN is missing)", fix


def _mounting(kind: str, where: Path) -> str:
    command = f"mount -t {kind} {kind} {where}"
    if container():
        return f"{_ON_THE_HOST} -v {where}:{where}"
    return command if os.geteuid() == 0 else f"as root: {command}"
