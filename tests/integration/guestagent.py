"""Speaks for the agent's `guest` command where no VM can run: what is up is a file in $PWD/up.

A guest called `bad` cannot be started, one called `ill` is up and not well. Its events are those of
hotkit/agent/guest/command.py.
"""

import json
import sys
from pathlib import Path

act, dry_run = sys.argv[2], "--dry-run" in sys.argv
guest = json.loads(sys.stdin.readline())
name, memory = guest["name"], guest["nodes"][0]["memory_bytes"]
up = Path(__file__).parent / "up" / name


def say(number, kind, **what):
    sys.stdout.write(json.dumps({"v": 1, "seq": number, "type": kind, **what}) + "\n")


say(0, "hello", machine={})
if name == "bad" and act == "up":
    say(1, "error", run=None, message="guest bad: no disk {{ 7 * 7 }}", fix="make one")
    sys.exit(1)
changed = up.exists() != (act == "up")
if changed and not dry_run:
    up.parent.mkdir(exist_ok=True)
    if act == "up":
        up.touch()
    else:
        up.unlink()
problems = ["guest ill hangs"] if name == "ill" and act == "up" else []
told = {
    "name": name, "act": act, "changed": changed, "state": "running" if up.exists() else "down",
    "said": [f"guest {name}: {act} of {memory} bytes"] if changed else [], "problems": problems,
    "pid": 4711 if up.exists() else None, "ssh": up.exists(), "machine": None, "since_s": None,
}  # fmt: skip
say(1, "probe", guest=told)
sys.exit(1 if problems else 0)
