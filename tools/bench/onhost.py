"""The part of scan-rate that runs on the measured machine; bare python3 and the agent's zipapp.

Argument: JSON with the paths agent, hotset, scan and wss, and bytes, memory, and pairs (by reader).
Says one line of JSON per measurement as it is made (`{"reader", "side", "cpu_ns", "pages"...}`),
after a line with the machine and the workload.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

given = json.loads(sys.argv[1])
sys.path.insert(0, given["agent"])

from hotkit.agent.pages import frames_of  # noqa: E402
from hotkit.agent.platform import describe  # noqa: E402
from hotkit.agent.protocol import AgentError  # noqa: E402
from hotkit.agent.trackers.softdirty import SoftDirty, writable_ranges  # noqa: E402
from hotkit.agent.undo import Undo  # noqa: E402
from hotkit.agent.workloads.hotset import Hotset  # noqa: E402

PAGE = 4096
# Of a measurement, the same for all sides; those of idlepage take seconds under emulation.
ROUNDS = {"idlepage": 3, "softdirty": 15, "frames": 15}
# Before a round of soft-dirty, on both sides: what it costs to clear depends on what was written.
PAUSE_MS = 50
READERS = {
    "idlepage": ("scan", "pages", "snapshot", "span"),
    "softdirty": ("SoftDirty.look", "softdirty"),
    "frames": ("frames_of", "frames"),
}


class Bench:
    """The readers of one process, hotkit's and the reference's by name, each timed by itself.

    A measurement is some rounds, and its figure their median: what else the host does adds to
    some, and under emulation the clock of CPU time loses a tick now and then, or all of a round.
    """

    def __init__(self, truth, cpu):
        self.pid, self.cpu = truth["pid"], cpu
        self.start, self.end = truth["start"], truth["start"] + truth["bytes"]
        self.pages = truth["bytes"] // PAGE
        self.own = {
            "scan": self.scan, "SoftDirty.look": self.soft_dirty, "frames_of": self.frames
        }  # fmt: skip

    def wss(self, mode, rounds):
        words = [given["wss"], mode, self.pid, f"{self.start:x}-{self.end:x}", rounds]
        words.append(PAUSE_MS if mode == "softdirty" else 0)
        done = subprocess.run([*map(str, words)], stdout=subprocess.PIPE, check=True)
        said = json.loads(done.stdout)
        return said["rounds_ns"], said["pages"], said["positive"]

    def scan(self, rounds):
        """Started as the tracker idlepage starts it, and told to stop after some rounds."""
        words = [given["scan"], "idle", "--pid", str(self.pid), "--interval-us", "1", "--rounds"]
        words += ["--range", f"{self.start:#x}-{self.end:#x}"]
        spent = []
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            for line in child.stdout:
                word, _, text = line.partition(b" ")
                if word == b"ready\n":
                    continue
                said = json.loads(text)
                if word == b"done":
                    child.stdout.read()
                    return spent[:rounds], self.pages * rounds, said["positive"]
                child.stdout.read(said["pages"])
                spent.append(said["cpu_ns"])
                if len(spent) == rounds:
                    child.stdin.close()
        raise AgentError("the scanner ended without a result")

    def soft_dirty(self, rounds):
        """Its rounds, in this thread as in the tracker's own."""
        tracker = SoftDirty(Undo(Path(tempfile.gettempdir())))
        tracker.prepare({"kind": "process", "pid": self.pid}, {})
        spent = [timed(tracker.look, PAUSE_MS / 1000) for _ in range(rounds)]
        tracker.release()
        return spent, tracker.count.examined, tracker.count.positive

    def frames(self, rounds):
        def look():
            frames_of(self.pid, self.start, self.end)

        return [timed(look) for _ in range(rounds)], self.pages * rounds, 0

    def measure(self, reader, side):
        rounds = ROUNDS[reader]
        look = self.own.get(side)
        spent, pages, positive = look(rounds) if look else self.wss(side, rounds)
        tell({
            "reader": reader, "side": side, "rounds": rounds,
            "cpu_ns": statistics.median(spent), "pages": pages // rounds,
            "positive": positive // rounds,
        })  # fmt: skip


def timed(look, pause_s=0.0):
    """CPU time in ns of this thread."""
    time.sleep(pause_s)
    began = time.thread_time_ns()
    look()
    return time.thread_time_ns() - began


def tell(fields):
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def work(hotset):
    with suppress(AgentError, ValueError, OSError):
        hotset.run()  # it is killed in the middle of it


def cpus():
    """One for the readers, one for the workload (the same where there is but one)."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


def huge_bytes(pid):
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("AnonHugePages:"))


def main():
    reading, working = cpus()
    os.sched_setaffinity(0, {working})
    hotset = Hotset(
        given["hotset"],
        {
            "size_bytes": given["bytes"],
            "hot_bytes": given["bytes"] // 8,
            "memory": given["memory"],
            "updates": 1 << 60,  # it works as long as it is looked at
        },
    )
    truth = hotset.start()
    threading.Thread(target=work, args=(hotset,), daemon=True).start()
    os.sched_setaffinity(0, {reading})
    ranges = writable_ranges(Path("/proc/{}/maps".format(truth["pid"])).read_text())
    said = {
        "machine": describe(), "memory": given["memory"], "bytes": truth["bytes"],
        "huge_bytes": huge_bytes(truth["pid"]), "pages": sum(b - a for a, b in ranges) // PAGE,
        "cpus": [reading, working],
    }  # fmt: skip
    tell(said)
    bench = Bench(truth, reading)
    for reader, sides in READERS.items():
        for pair in range(given["pairs"][reader]):
            for side in sides if pair % 2 else reversed(sides):
                bench.measure(reader, side)
    hotset.stop()


if __name__ == "__main__":
    main()
