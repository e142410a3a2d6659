"""The guard's own script, run by sh: where it waits, and what it is told."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

from hotkit.core.guard import guard_script

UP = "/proc/uptime"


def run_guard(tmp_path: Path, *, deadline_s: int) -> subprocess.Popen[str]:
    """The loop of the script with its files in `tmp_path`; what would reboot says so instead."""
    text = guard_script(deadline_s, emulated=True).replace("/run/hotkit", str(tmp_path))
    text = re.sub(r"(?m)^    put .*$", "    :", text)  # no setting of this machine is touched
    text = re.sub(r"/dev/kmsg|/dev/watchdog0", str(tmp_path / "kmsg"), text)
    text = text[: text.index("systemctl reboot")] + "echo rebooted\n"
    return subprocess.Popen(["sh", "-c", text], stdout=subprocess.PIPE, text=True)


def up_s() -> int:
    return int(float(Path(UP).read_text().split()[0]))


def test_reboots_at_its_deadline(tmp_path: Path) -> None:
    child = run_guard(tmp_path, deadline_s=up_s() + 1)
    assert child.communicate(timeout=20)[0] == "rebooted\n"
    assert "not verified within" in (tmp_path / "kmsg").read_text()


def test_waits_longer_when_it_was_reached(tmp_path: Path) -> None:
    began = time.monotonic()
    (tmp_path / "deadline").write_text(f"{up_s() + 6}\n")
    child = run_guard(tmp_path, deadline_s=up_s() + 1)
    assert child.communicate(timeout=30)[0] == "rebooted\n"
    assert time.monotonic() - began > 4


def test_ends_when_it_is_confirmed(tmp_path: Path) -> None:
    child = run_guard(tmp_path, deadline_s=up_s() + 600)
    (tmp_path / "confirmed").touch()
    assert child.communicate(timeout=20)[0] == ""
