"""Recordings on this machine, through the real agent, workload and trackers."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hotkit.agent.trackers import TRACKERS
from hotkit.agent.trackers.base import complete
from hotkit.agent.undo import Undo
from hotkit.cli import main
from hotkit.core.record import agreement, over_time
from hotkit.host.store import read_journal
from hotkit.recordreading import load_recording

ROOT = Path(__file__).resolve().parents[2]

# Private memory of 16 MiB. Again and again its second quarter is given back and written to: each
# write is a page fault, which perf sees. The rest is faulted in once, before anybody looks.
FAULTER = """\
import ctypes, mmap, sys, time
size, quarter = 16 << 20, 4 << 20
memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(mmap.MADV_NOHUGEPAGE)
memory[:] = b"x" * size
with open(sys.argv[1], "w") as file:
    file.write(str(ctypes.addressof(ctypes.c_char.from_buffer(memory)) + quarter))
print("populated", flush=True)
while True:
    memory.madvise(mmap.MADV_DONTNEED, quarter, quarter)
    memory[quarter : 2 * quarter : mmap.PAGESIZE] = b"x" * (quarter // mmap.PAGESIZE)
    time.sleep(0.01)
"""


def faulter(folder: Path) -> tuple[Path, Path]:
    """A workload file, and the file in which its program says where its hot quarter is."""
    program, where, file = folder / "faulter.py", folder / "where", folder / "faulter.yml"
    program.write_text(FAULTER)
    workload = {
        "kind": "command",
        "start": [sys.executable, str(program), str(where)],
        "ready": {"output": "populated"},
        "work": ["sleep", "1.5"],
    }
    file.write_text(json.dumps({"schema_version": 1, "workload": workload}))  # JSON is YAML
    return file, where


def test_perf_shows_which_memory_faults(tmp_path, capsys):
    """End to end: what a program does to its memory is what the recording holds."""
    file, where = faulter(tmp_path)
    out = tmp_path / "out"
    argv = ["record", "watch", str(file), "--local", "--tracker", "perf", "--out", str(out)]
    code = main([*argv, "--set", "event=page-faults", "--bins", "2048", "--every", "100"])
    said = capsys.readouterr()
    perf = TRACKERS["perf"]
    probed = perf(Undo(tmp_path)).probe(complete(perf, {"event": "page-faults"}))
    if not probed.available:
        assert code == 1 and f"localhost: tracker perf: {probed.reason}" in said.err
        return
    assert code == 0, said.err
    assert "localhost: perf (" in said.out and "event page-faults" in said.out
    assert "ground truth: not known of this workload" in said.out

    hot, quarter = int(where.read_text()), 4 << 20
    result = load_recording(out)
    seen = result.recording
    assert seen.looked_fraction == 1 and seen.steps >= 5
    assert 1.0 < seen.duration_s < 10
    assert result.sample["positive"] > 4096 and result.label.platform in said.out
    share = seen.share.mean(axis=1)
    inside = [
        s for (a, b), s in zip(seen.bins, share, strict=True) if hot <= a and b <= hot + quarter
    ]
    outside = [
        s for (a, b), s in zip(seen.bins, share, strict=True) if b <= hot or hot + quarter <= a
    ]
    assert len(inside) > 100 and min(inside) > 0.2
    assert max(outside) < min(inside)

    # Everything is on disk: parts in order of time, a manifest that says what ran.
    events = list(read_journal(out))
    assert [event["seq"] for event in events] == list(range(len(events)))
    parts = [event for event in events if event.get("part")]
    assert all(a["at_ns"] == b["since_ns"] for a, b in zip(parts, parts[1:], strict=False))
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["schema_version"] == 1 and manifest["schedule"]["record"] == {
        "bins": 2048,
        "every_ms": 100,
    }
    # The report again, and as figures.
    png = tmp_path / "seen.png"
    assert main(["record", "report", str(out), "--json", "--hot", "20", "--png", str(png)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["settings"]["event"] == "page-faults" and found["truth"] is None
    sizes = [part["end"] - part["start"] for part in found["hot_ranges"]]
    assert max(sizes) == pytest.approx(quarter, rel=0.02)
    assert found["working_set_bytes"]["100"] == pytest.approx(quarter, rel=0.2)
    assert png.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("faults", ["handled", "async"])
def test_uffd_wp_follows_a_hot_range_that_moves(faults, tmp_path, capsys):
    """Against ground truth: of the memory called hot nearly all is hot, in every phase."""
    file, out = tmp_path / "moving.yml", tmp_path / "out"
    file.write_text(
        "schema_version: 1\n"
        # One update in 20000 is anywhere: few enough that a short round does not touch all pages.
        "workload: {kind: hotset, size: 16M, hot: 4M, phases: 4, weight: 20000, seconds: 1.5}\n"
    )
    argv = ["record", "watch", str(file), "--local", "--tracker", "uffd-wp", "--out", str(out)]
    code = main([*argv, "--set", "interval_ms=40", "--set", f"faults={faults}", "--every", "80"])
    said = capsys.readouterr()
    uffd = TRACKERS["uffd-wp"]
    probed = uffd(Undo(tmp_path)).probe(complete(uffd, {"faults": faults}))
    if not probed.available:
        assert code == 1 and f"localhost: tracker uffd-wp: {probed.reason}" in said.err
        return
    assert code == 0, said.err
    seen = load_recording(out).recording
    starts = [phase.hot_start - seen.bins[0][0] for phase in seen.phases]
    assert starts == [0, 4 << 20, 8 << 20, 12 << 20]
    found = agreement(seen)
    assert over_time(found.found, seen) > 0.8
    assert over_time(found.inside, seen) > 2 * over_time(found.outside, seen)
    # A quarter of the memory is hot: by luck a quarter of what is called hot would be.
    assert over_time(found.right, seen) > 0.6
    assert "ground truth: share accessed inside the hot range" in said.out


def test_a_tracker_that_reports_no_heat(tmp_path, capsys):
    out = tmp_path / "out"
    argv = ["record", "watch", "--local", "--tracker", "none", "--seconds", "0.05"]
    assert main([*argv, "--out", str(out)]) == 5
    said = capsys.readouterr()
    assert "tracker none does not tell which memory is hot while it runs" in said.err
    assert said.out == "" and "Traceback" not in said.err
    # The run itself is complete, and kept.
    kinds = [event["type"] for event in read_journal(out)]
    assert kinds[-4:] == ["sample", "counter", "end", "end"]


def test_softdirty_shows_the_hot_range_or_says_why_not(tmp_path, capsys):
    out = tmp_path / "out"
    argv = ["record", "watch", "--local", "--seconds", "1", "--set", "interval_ms=50"]
    code = main([*argv, "--out", str(out)])
    said = capsys.readouterr()
    softdirty = TRACKERS["softdirty"]
    probed = softdirty(Undo(tmp_path)).probe(complete(softdirty, {}))
    if not probed.available:
        assert code == 1
        assert f"localhost: tracker softdirty: {probed.reason}" in said.err
        assert not (out / "manifest.json").exists()
        return
    assert code == 0, said.err
    found = load_recording(out).recording
    assert len(found.phases) == 1 and found.heat_seen


def processes(word: str) -> set[str]:
    """Processes with this word on their command line."""
    found = set()
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in cmdline.read_bytes().split(b"\0"):
                found.add(cmdline.parent.name)
        except OSError:
            continue
    return found


def test_ctrl_c_keeps_what_was_recorded(tmp_path):
    """Exit code 130, the program and the agent gone, and a recording that can be read."""
    file, _ = faulter(tmp_path)
    file.write_text(file.read_text().replace('"1.5"', '"60"'))
    perf = TRACKERS["perf"]
    sees = perf(Undo(tmp_path)).probe(complete(perf, {"event": "page-faults"})).available
    out = tmp_path / "out"
    tracker = ["--tracker", "perf", "--set", "event=page-faults"] if sees else ["--tracker", "none"]
    argv = [sys.executable, "-m", "hotkit", "record", "watch", file, "--local", "--out", out]
    program = str(tmp_path / "faulter.py")
    with subprocess.Popen([*argv, *tracker], cwd=ROOT, stderr=subprocess.PIPE, text=True) as child:
        said = ""
        for line in child.stderr:
            said += line
            if line.rstrip().split("  ")[-2:-1] == ["running"]:
                break
        time.sleep(1)
        assert processes(program), said
        child.send_signal(signal.SIGINT)
        said += child.stderr.read()
        assert child.wait(20) == 130, said
    assert said.splitlines()[-2:] == [
        "hotkit: interrupted; agent and workload have ended",
        f"  hotkit record report {out} shows what was recorded",
    ]
    deadline = time.monotonic() + 10
    while processes(program) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not processes(program)
    assert list(read_journal(out))[-1]["message"] == "interrupted"
    if sees:
        result = load_recording(out)
        assert result.sample is None and result.recording.heat_seen
    assert main(["record", "report", str(out)]) == (0 if sees else 5)
