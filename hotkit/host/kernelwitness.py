"""The kernel's own programs on KVM, built of the very source that a kernel was built of.

They are in tools/testing/selftests/kvm: access_tracking_perf_test marks a guest's memory idle and
looks again, dirty_log_perf_test writes all of it and reads KVM's log. Both are linked statically,
as the proof's init is, and with kernel/witness, which says how long each log is. They stay in the
cache, by a hash of the source package and of what is linked in.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from hotkit.assets import asset
from hotkit.host.dirs import cache_dir
from hotkit.host.kernelsource import SourcePackage, fetch, unpack
from hotkit.host.run import require, run

WITNESSES = ("access_tracking_perf_test", "dirty_log_perf_test")
_VERSION = "1"  # raise when this file changes what comes out
_KVM = Path("tools/testing/selftests/kvm")
# What `make headers` and the two programs read: a twentieth of the source.
_PARTS = (
    "Makefile", "Kbuild", "Kconfig", "arch/x86", "include", "scripts", "usr", "tools/arch/x86",
    "tools/build", "tools/include", "tools/lib/*.c", "tools/scripts", "tools/testing/selftests/*.h",
    "tools/testing/selftests/*.mk", "tools/testing/selftests/kvm", "tools/testing/selftests/rseq",
)  # fmt: skip
_TIMEOUT_S = 600


def witnesses(source: SourcePackage, say: Callable[[str], None]) -> dict[str, Path]:
    """The programs by name; half a minute unless they are in the cache. Raises HotkitError."""
    counter = asset("kernel") / "witness" / "log_size.c"
    parts = (_VERSION, source.sha256, counter.read_text())
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
    folder = cache_dir() / "kernels" / "witness"
    kept = folder / key
    if not kept.exists():
        say(f"building the KVM programs of Linux {source.release}")
        folder.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".building-", dir=folder))
        try:
            _build(source, counter, work)
            # Another hotkit may have been first, with the same.
            if not kept.exists():
                (work / "out").rename(kept)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return {name: kept / name for name in WITNESSES}


def _build(source: SourcePackage, counter: Path, work: Path) -> None:
    """Leaves the programs in work/out."""
    require("make", "make")
    gcc = require("gcc", "gcc libc6-dev")
    tree, made, out = work / "source", work / "made", work / "out"
    unpack(fetch(source), tree, _PARTS)
    made.mkdir()
    out.mkdir()
    run(["make", "-s", "headers"], cwd=tree, timeout=_TIMEOUT_S)
    linked = made / "log_size.o"
    run([gcc, "-O2", "-Wall", f"-I{tree}/usr/include", "-c", "-o", linked, counter], timeout=60)
    flags = f"-static -pthread -no-pie -Wl,--wrap=ioctl {linked}"
    targets = [made / name for name in WITNESSES]
    run(
        ["make", "-s", f"OUTPUT={made}", f"LDFLAGS={flags}", *targets],
        cwd=tree / _KVM, timeout=_TIMEOUT_S,
    )  # fmt: skip
    for target in targets:
        run([require("strip", "binutils"), "-o", out / target.name, target], timeout=60)
