"""perf.data by the real perf: page faults with their addresses, of a program that says where."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from hotkit.cli import main
from hotkit.host.foreignrecord import read_foreign

FAULTS = """\
import ctypes, mmap
memory = mmap.mmap(-1, 8 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(mmap.MADV_NOHUGEPAGE)
print(ctypes.addressof(ctypes.c_char.from_buffer(memory)))
for page in range(0, 4 << 20, mmap.PAGESIZE):
    memory[page] = 1
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """perf.data, and where the program's memory is; its first half was touched, page by page."""
    path = tmp_path_factory.mktemp("perf") / "perf.data"
    words = ["perf", "record", "-q", "-e", "page-faults", "-c", "1", "-d", "-o", path]
    done = subprocess.run(
        [*words, "--", sys.executable, "-c", FAULTS], capture_output=True, text=True, check=False
    )
    if "paranoid" in done.stderr or "not permitted" in done.stderr:
        pytest.skip(f"hardware: perf may not record here: {done.stderr.splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    return path, int(done.stdout)


def test_every_fault_is_where_it_was(recorded):
    path, start = recorded
    found = read_foreign(path)
    assert found.form == "perf.data with samples (page-faults)" and found.tracker == "perf"
    touched = 0
    for one in found.targets:
        inside = (one.start >= start) & (one.end <= start + (4 << 20))
        touched += int((one.accesses * (one.sizes // 4096))[inside].sum())
        beyond = (one.start >= start + (4 << 20)) & (one.end <= start + (8 << 20))
        assert not one.accesses[beyond].any()
    # A page is faulted in once; perf may have lost some.
    lost = int("".join(note.split()[0] for note in found.notes if "were lost" in note) or 0)
    assert 1024 - lost <= touched <= 1024


def test_its_text_gives_the_same(recorded, tmp_path, capsys):
    path, _ = recorded
    fields = "pid,tid,time,event,addr"
    text = tmp_path / "faults.txt"
    words = ["perf", "script", "--force", "-i", path, "-F", fields, "--ns"]
    text.write_bytes(subprocess.run(words, capture_output=True, check=True).stdout)
    documents = []
    for source, more in ((path, []), (text, ["--format", "perf-mem", "--fields", fields])):
        assert main(["record", "report", str(source), "--json", *more]) == 0
        documents.append(json.loads(capsys.readouterr().out))
    for name in ("working_set_bytes", "steps", "bins", "size_bytes"):
        assert documents[0][name] == documents[1][name]


def test_a_file_that_perf_does_not_take(recorded, tmp_path):
    path, _ = recorded
    broken = tmp_path / "broken.data"
    broken.write_bytes(path.read_bytes()[:2000])
    from hotkit.errors import HotkitError

    with pytest.raises(HotkitError, match="broken.data: .*perf (script|evlist)"):
        read_foreign(broken)
