"""The guard's files: where they lie, whom they wait for, what they set."""

from __future__ import annotations

import pytest

from hotkit.core.guard import guard_files, guard_script
from tests.unit.core.test_boot_plan import layout

UNIT = "/etc/systemd/system/hotkit-guard.service"
SCRIPT = "/etc/systemd/system/hotkit-guard.sh"
WANT = "/etc/systemd/system/sysinit.target.d/hotkit-guard.conf"
TRIAL = [
    "vm/panic_on_oom 1", "kernel/softlockup_panic 1", "kernel/hardlockup_panic 1",
    "kernel/hung_task_panic 1",
]  # fmt: skip
EMULATED = ["kernel/watchdog_thresh 60", "kernel/hung_task_timeout_secs 900"]


@pytest.mark.parametrize("emulated", [False, True])
def test_what_starts_the_guard_is_written_last(emulated):
    planned = layout()
    script, unit, want = guard_files(planned, deadman_s=77, emulated=emulated)
    assert (script.path, unit.path, want.path) == (SCRIPT, UNIT, WANT)
    assert script.text == guard_script(77, emulated=emulated)
    assert want.to_dict() == {"path": WANT, "text": "[Unit]\nWants=hotkit-guard.service\n"}
    lines = unit.text.split("\n")
    assert f"ConditionKernelCommandLine={planned.token}" in lines
    assert f"ExecStart=/bin/sh {SCRIPT}" in lines


@pytest.mark.parametrize(("emulated", "first"), [(False, []), (True, EMULATED)])
def test_thresholds_of_a_stalled_cpu_are_set_before_what_panics(emulated, first):
    lines = guard_script(600, emulated=emulated).split("\n")
    assert lines.count("deadline_s=600") == 1
    begin = lines.index("if [ ! -e /run/hotkit/sysctl ]; then") + 1
    end = lines.index("fi")
    assert lines[begin:end] == [f"    put {setting}" for setting in first + TRIAL]


def test_braces_of_the_script_are_single():
    text = guard_script(600, emulated=False)
    assert "{{" not in text and "}}" not in text
    assert 'while read -r up _ </proc/uptime; [ "${up%%.*}" -lt "$deadline_s" ]; do' in text
