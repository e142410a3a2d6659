"""Makes tests/data/record/lab.*: what the real damo and perf record of a real DAMON in the lab.

lab-small with the patched kernel, DAMON flushing what was young (else QEMU's TLB keeps hot pages
from being seen); damo from .venv and this machine's perf are brought there. One process
owns SIZE bytes of small pages and writes to a part of them all the time; where that is stands in
lab-truth-*.json. Each of damo's output types is a recording of its own.
"""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from bench.machine import patched_machine
from rich.console import Console

from hotkit.host.ssh import Ssh

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "tests" / "data" / "record"
SIZE, HOT_FROM, HOT_BYTES = 64 << 20, 16 << 20, 8 << 20
SECONDS = 6
# Between two checks the workload must get round under emulation; few regions: small files.
DAMON = ["--ops", "vaddr", "--monitoring_intervals", "20ms", "200ms", "2s",
         "--monitoring_nr_regions_range", "10", "30"]  # fmt: skip
TYPES = ("json_compressed", "perf_script", "perf_data")  # json: the first, not compressed
WORKLOAD = f"""\
import ctypes, mmap, os
memory = mmap.mmap(-1, {SIZE}, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(mmap.MADV_NOHUGEPAGE)
memory.write(bytes({SIZE}))
print(os.getpid(), ctypes.addressof(ctypes.c_char.from_buffer(memory)), flush=True)
while True:
    for page in range({HOT_FROM}, {HOT_FROM + HOT_BYTES}, 4096):
        memory[page] = 1
"""


def main() -> None:
    console = Console()
    with patched_machine(console) as link:
        bring(link)
        for kind in TYPES:
            console.print(f"damo record --output_type {kind}: {SECONDS} s")
            record(link, kind)


def bring(link: Ssh) -> None:
    """damo, perf and the libraries that perf is linked with, in /root/peers."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", dereference=True) as tar:
        tar.add(_damo(), "peers/damo", filter=_source)
        tar.add("/usr/bin/perf", "peers/perf.real")
        for library in _libraries(Path("/usr/bin/perf")):
            tar.add(library, f"peers/lib/{library.name}")
    link.run(["tar", "xzf", "-", "-C", "/root"], input=packed.getvalue(), binary=True)
    wrapper = '#!/bin/sh\nLD_LIBRARY_PATH=/root/peers/lib exec /root/peers/perf.real "$@"\n'
    link.run(["sh", "-ec", "cd /root/peers; cat > perf; chmod 755 perf"], input=wrapper)
    link.run(["sh", "-c", "cat > /root/workload.py"], input=WORKLOAD)


def _damo() -> Path:
    found = find_spec("damo")
    assert found is not None and found.origin is not None, "damo: run tools/setup"
    return Path(found.origin).parent


def _source(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in entry.name else entry


def _libraries(program: Path) -> Iterator[Path]:
    """All that it is linked with but the C library itself: that is the machine's own."""
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for line in said.splitlines():
        name, arrow, rest = line.strip().partition(" => ")
        if arrow and not name.startswith(("libc.so", "libm.so")):
            yield Path(rest.split()[0])


def record(link: Ssh, kind: str) -> None:
    """One recording of a fresh process, and where its memory was."""
    script = f"""
cd /root
setarch -R python3 workload.py > where & workload=$!  # its heap beside its code: less to look at
trap "kill $workload" EXIT
while ! [ -s where ]; do sleep 0.2; done
export PATH=/root/peers:$PATH PYTHONPATH=/root/peers
damo() {{ python3 -c 'import sys; from damo.damo import main; sys.exit(main())' "$@"; }}
echo 1 > /sys/kernel/debug/hotkit/damon_mode
damo record {" ".join(DAMON)} --do_record access --target_pid $workload --timeout {SECONDS} \\
    --output_type {kind} --out lab.{kind} >&2
cat where
"""
    pid, start = map(int, link.run(["bash", "-ec", script], timeout=300).stdout.split())
    names = link.run(["sh", "-c", f"cd /root; ls -d lab.{kind}*"]).stdout.split()
    for name in names:
        data = link.run(["cat", f"/root/{name}"], binary=True).stdout
        (DATA / name).write_bytes(data)
    truth = {
        "damo": version("damo"), "kernel": link.run(["uname", "-r"]).stdout.strip(),
        "perf": link.run(["/root/peers/perf", "--version"]).stdout.strip(),
        "pid": pid, "start": start, "size_bytes": SIZE,
        "hot_start": start + HOT_FROM, "hot_bytes": HOT_BYTES,
    }  # fmt: skip
    (DATA / f"lab-truth-{kind}.json").write_text(json.dumps(truth, indent=1) + "\n")


if __name__ == "__main__":
    main()
