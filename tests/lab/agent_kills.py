"""The agent, its guard, the workload or the connection killed while a tracker runs.

The agent here is one with a line of life, that of a recording; one of a sweep goes on by itself
and is cut off in sweep_cuts.py. Afterwards no knob is left changed, nothing of ours runs, and the
next start is clean. One case each, for the tests and for `make soak`; the machine must run the
patched kernel.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hotkit import kernel
from hotkit.host.run import clean_env
from tests.lab import kernel_cases, tracker_cases
from tests.lab.cases import LABEL, NAME, sh

ARMS = tracker_cases.ARMS
# Who dies. The agent is the process with the line of life; its guard a child in its own session.
VICTIMS = ("agent", "agent and guard", "workload", "scanner", "ssh", "controller")
_KNOBS = r"""
for knob in /sys/kernel/debug/hotkit/*_mode /sys/kernel/mm/lru_gen/enabled \
    /proc/sys/kernel/numa_balancing /sys/kernel/debug/sched/numa_balancing/scan_* \
    /sys/kernel/mm/numa/demotion_enabled /sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds \
    /sys/fs/cgroup/cgroup.subtree_control; do
  echo "$knob $(cat "$knob")"
done
echo "instances $(ls /sys/kernel/tracing/instances)"
echo "kprobes $(cat /sys/kernel/tracing/kprobe_events)"
echo "cgroups $(ls -d /sys/fs/cgroup/hotkit* 2>/dev/null)"
echo "kdamonds $(pgrep -c '^kdamond')"
echo "ours $(pgrep -f '/agent/(agent|hotset|scan)-' | xargs -r ps -o args= -p)"
echo "undo $(ls /var/lib/hotkit/agent/undo.jsonl 2>/dev/null)"
"""
_DEATH = {
    # [p]: not the shell that says this.
    "agent": "pkill -9 -o -f 'agent-.*[p]yz run'",
    "agent and guard": "pkill -9 -f 'agent-.*[p]yz run'",
    "workload": "pkill -9 -x 'hotset-.*'",
    "scanner": "pkill -9 -x 'scan-.*'",
}
_BEGINS_WITHIN_S = 240.0  # the agent may have to be installed first
_CLEAN_WITHIN_S = 30.0


def campaign_case(number: int) -> dict[str, Any]:
    """A case of `make soak`: the first one provisions the worker's lab-small."""
    inventory = Path(os.environ["XDG_STATE_HOME"]) / "patched"
    if not inventory.exists():
        built = kernel_cases.build(kernel.recipe(None, "lab"))
        problems = kernel_cases.provisioned(built, kernel_cases.lab_inventory(inventory, "lab"))
        if problems:
            return {"ok": False, "problems": problems}
    return kill_case(number, inventory)


def kill_case(number: int, inventory: Path, on: str = NAME) -> dict[str, Any]:
    """One death; `ok` when nothing was left and the next run of the same tracker works."""
    source = random.Random(number)
    name = source.choice(sorted(ARMS))
    victim = VICTIMS[number % len(VICTIMS)]
    after_s = source.uniform(0.0, 12.0)
    case: dict[str, Any] = {
        "tracker": name, "killed": victim, "after_s": round(after_s, 2), "label": LABEL
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="hotkit-kill-") as folder:
        before = sh(_KNOBS, on)
        text = tracker_cases.description(
            {name: ARMS[name]}, ", unmovable: true" if name == "reclaim" else ""
        )
        (Path(folder) / "sweep.yml").write_text(text)
        controller = _record(Path(folder), inventory, on, *ARMS[name], out="out", seconds=14)
        until = time.monotonic() + _BEGINS_WITHIN_S
        while "pyz run" not in (running := sh(_KNOBS, on)) and time.monotonic() < until:
            time.sleep(0.2)
        if "pyz run" not in running:
            controller.kill()
            return case | {"ok": False, "error": "the recording did not begin"}
        time.sleep(after_s)
        changed = sorted(set(sh(_KNOBS, on).splitlines()) - set(before.splitlines()))
        case["changed_at_that_moment"] = len(changed)
        _kill(victim, controller, on)
        case["exit_code"] = _end(controller)
        problems = _left(before, victim, on)
        # The next start: it puts back what nobody could, and measures. 5: a map without addresses.
        code = _end(_record(Path(folder), inventory, on, *ARMS[name], out="again", seconds=1))
        if code not in (0, 5):
            problems.append(f"the next run ended with exit code {code}")
        problems += [f"after the next run: {text}" for text in _left(before, "", on)]
    return case | {"ok": not problems, "problems": problems}


def _record(
    folder: Path, inventory: Path, on: str, tracker: str, settings: str, *, out: str, seconds: int
) -> subprocess.Popen[bytes]:
    words: list[str | Path] = ["record", "watch", folder / "sweep.yml", "-i", inventory]
    words += ["--limit", on, "--tracker", tracker, "--seconds", str(seconds)]
    for setting in settings.split(", "):
        words += ["--set", setting.replace(": ", "=")]
    return _hotkit(folder, out, words)


def _hotkit(folder: Path, out: str, words: Sequence[str | Path]) -> subprocess.Popen[bytes]:
    program = Path(sys.executable).with_name("hotkit")
    with (folder / f"{out}.log").open("wb") as log:
        return subprocess.Popen(
            [str(word) for word in (program, *words, "--out", folder / out)], env=clean_env(),
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


def _kill(victim: str, controller: subprocess.Popen[bytes], on: str) -> None:
    if victim == "controller":
        controller.kill()
    elif victim == "ssh":
        # The client that carries the agent, a child of the controller.
        subprocess.run(["pkill", "-9", "-P", str(controller.pid), "-x", "ssh"], check=False)
    else:
        sh(f"{_DEATH[victim]}; true", on)


def _end(controller: subprocess.Popen[bytes]) -> int:
    try:
        return controller.wait(300)
    except subprocess.TimeoutExpired:
        controller.send_signal(signal.SIGKILL)
        controller.wait()
        return -1


def _left(before: str, victim: str, on: str) -> list[str]:
    """What is not as it was before, once everybody had the time to put it back."""
    until = time.monotonic() + _CLEAN_WITHIN_S
    while True:
        now = sh(_KNOBS, on)
        lines = sorted(set(now.splitlines()) - set(before.splitlines()))
        if victim == "agent and guard":
            # Nobody is left who could put it back: the next start does. Only programs must be gone.
            lines = [line for line in lines if line.startswith("ours")]
        if not lines:
            return []
        if time.monotonic() > until:
            return [json.dumps(line) for line in lines]
        time.sleep(0.5)
