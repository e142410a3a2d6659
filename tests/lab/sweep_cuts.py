"""A sweep that is cut off again and again, by every way there is, and goes on each time.

The controller, the agent or the connection is killed, or the machine loses its power, at random
moments. At the end the schedule is the one that was drawn, every run of it counts once, knobs are
what they were, and nothing is left on the host. For the tests and for `make soak`; on lab-small as
it is (a kernel without patches), since after a power cut it boots that again.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from hotkit.errors import HotkitError
from hotkit.host import labpower
from hotkit.host.run import clean_env
from hotkit.host.store import read_journal
from hotkit.sweep.folder import SweepResult, load_sweep
from tests.lab.cases import LABEL, NAME, sh, wait_for_ssh

KINDS = ("controller", "agent", "ssh", "power")
CUTS = 3
_MOST_S = 1200.0
# No tracker that patches the running kernel's code (kprobes, static keys): QEMU 7.2's software
# emulation hung in text_poke_bp() once, and a machine that hangs shows nothing about a sweep.
_SWEEP = """\
schema_version: 1
blocks: 10
seed: {seed}
workload: {{kind: hotset, size: 8M, hot: 1M, seconds: 0.5}}
arms:
  - {{tracker: softdirty, settings: {{interval_ms: [100, 300]}}}}
"""
# What trackers and the quieting of a machine change, and what may be left of us.
_STATE = r"""
for knob in /proc/sys/kernel/numa_balancing /sys/kernel/debug/sched/numa_balancing/scan_* \
    /proc/sys/kernel/randomize_va_space /proc/sys/vm/compaction_proactiveness \
    /proc/sys/kernel/watchdog /proc/sys/kernel/nmi_watchdog /sys/kernel/mm/ksm/run \
    /sys/fs/cgroup/cgroup.subtree_control /proc/swaps; do
  echo "$knob $(cat "$knob" 2>/dev/null)"
done
echo "timers $(systemctl list-units --type=timer --state=active --plain --no-legend |
  cut -d' ' -f1 | sort | tr '\n' ' ')"
echo "cgroups $(ls -d /sys/fs/cgroup/hotkit* 2>/dev/null)"
echo "ours $(pgrep -f '/agent/(agent|hotset|scan)-' | xargs -r ps -o args= -p)"
echo "undo $(ls /var/lib/hotkit/agent/*.jsonl 2>/dev/null)"
echo "kept $(ls /var/lib/hotkit/agent/sweeps 2>/dev/null)"
"""


def cut_case(number: int, cuts: int = CUTS) -> dict[str, Any]:
    """One sweep with `cuts` cuts; `ok` when all held."""
    source = random.Random(7000 + number)
    plan = [
        (KINDS[(number + place) % len(KINDS)], round(source.uniform(0.5, 9.0), 2))
        for place in range(cuts)
    ]
    case: dict[str, Any] = {"label": LABEL, "cuts": []}
    before = sh(_STATE)
    with tempfile.TemporaryDirectory(prefix="hotkit-cuts-") as name:
        folder = Path(name)
        (folder / "sweep.yml").write_text(_SWEEP.format(seed=number))
        sweep = _Sweep(folder)
        try:
            for kind, after_s in plan:
                if not sweep.cut(kind, after_s):
                    raise HotkitError(f"the sweep was over before the cut of {kind}")
                case["cuts"].append({"kind": kind, "after_s": after_s})
            code = sweep.finish()
            problems = sweep.problems(code)
        except HotkitError as error:
            problems = [error.message]
        finally:
            sweep.kill()
        case |= sweep.facts()
    problems += _left(before)
    return case | {"ok": not problems, "problems": problems}


class _Sweep:
    """One sweep, its controller and how often it was begun again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "out"
        self.schedule = ""
        self.resumed = 0
        self.controller = self._start("sweep", folder / "sweep.yml", "--limit", NAME, "--out")

    def cut(self, kind: str, after_s: float) -> bool:
        """Wait until runs are made, then `after_s`, then cut; False when all was done by then."""
        known = self._runs()
        until = time.monotonic() + _MOST_S
        while self._runs() <= known and self.controller.poll() is None:
            if time.monotonic() > until:
                raise HotkitError(f"no run within {_MOST_S} s: {self._said()}")
            time.sleep(0.2)
        if not self.schedule:
            self.schedule = self._drawn()
        time.sleep(after_s)
        if self.controller.poll() is not None:
            return False
        if kind == "controller":
            self.controller.kill()
            self.controller.wait()
            self._resume()
        elif kind == "agent":
            sh("pkill -9 -o -f 'agent-.*[p]yz start'; true")
        elif kind == "ssh":
            ours = ["-P", str(self.controller.pid), "-x", "ssh"]
            subprocess.run(["pkill", "-9", *ours], check=False)
        else:
            labpower.power_off(NAME)
            time.sleep(1)
            labpower.power_on(NAME)
        return True

    def finish(self) -> int:
        """The exit code of whoever ends it; one that gave up is resumed, as its hint says."""
        for _ in range(3):
            try:
                code = self.controller.wait(_MOST_S)
            except subprocess.TimeoutExpired:
                raise HotkitError(f"it does not end: {self._said()}") from None
            if code in (0, 5):
                return code
            with suppress(HotkitError):
                wait_for_ssh()
            self._resume()
        return self.controller.wait(_MOST_S)

    def problems(self, code: int) -> list[str]:
        """What does not hold of the sweep that is over."""
        if code not in (0, 5):
            return [f"exit code {code}: {self._said()}"]
        result = load_sweep(self.out)
        planned = [run["run"] for run in result.manifest["schedule"]["runs"]]
        found = []
        if self._drawn() != self.schedule:
            found.append("another schedule")
        if Counter(run.name for run in result.runs) != Counter(planned):
            found.append("a run is lost or counted twice")
        if result.analysis.incomplete_blocks or not result.state.finished:
            found.append("not finished")
        if len({run.checksum for run in result.runs}) != 1:
            found.append("not the same work in every run")
        ends = Counter(_run_of(event) for event in read_journal(self.out) if _is_end(event))
        twice = {run for run, count in ends.items() if count > 1}
        if not twice <= _rerun(result):
            found.append("a run was made twice, and no line says why")
        return found

    def facts(self) -> dict[str, Any]:
        """For the evidence."""
        if not (self.out / "journal.jsonl").exists():
            return {"resumed": self.resumed}
        kinds = Counter(event["type"] for event in read_journal(self.out))
        return {"resumed": self.resumed, "agents": kinds["session"], "reruns": kinds["rerun"]}

    def kill(self) -> None:
        if self.controller.poll() is None:
            self.controller.send_signal(signal.SIGKILL)
            self.controller.wait()

    def _resume(self) -> None:
        self.resumed += 1
        self.controller = self._start("sweep", "resume")

    def _start(self, *words: str | Path) -> subprocess.Popen[bytes]:
        program = Path(sys.executable).with_name("hotkit")
        with (self.folder / "said.log").open("ab") as log:
            return subprocess.Popen(
                [str(word) for word in (program, *words, self.out)], env=clean_env(),
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def _said(self) -> str:
        return " | ".join((self.folder / "said.log").read_text().splitlines()[-3:])

    def _runs(self) -> int:
        """Runs that began, whoever told of them."""
        if not (self.out / "journal.jsonl").exists():
            return 0
        return sum(event["type"] == "run" for event in read_journal(self.out))

    def _drawn(self) -> str:
        manifest = json.loads((self.out / "manifest.json").read_text())
        return json.dumps([run["run"] for run in manifest["schedule"]["runs"]])


def _is_end(event: dict[str, Any]) -> bool:
    return bool(event["type"] == "end" and event["run"])


def _run_of(event: dict[str, Any]) -> str:
    return str(event["run"])


def _rerun(result: SweepResult) -> set[str]:
    """The runs of blocks that were begun anew."""
    blocks = {rerun.block for rerun in result.analysis.reruns}
    runs = result.manifest["schedule"]["runs"]
    return {run["run"] for run in runs if run["block"] in blocks}


def _left(before: str) -> list[str]:
    """What is not as it was before, once everybody had the time to put it back."""
    until = time.monotonic() + 30
    while True:
        now = sh(_STATE)
        lines = sorted(set(now.splitlines()) - set(before.splitlines()))
        if not lines or time.monotonic() > until:
            return [f"left on the host: {line}" for line in lines]
        time.sleep(0.5)
