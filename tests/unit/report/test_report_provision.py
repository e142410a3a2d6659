"""What provisioning shows: rows, plans, diffs, a summary that names what went wrong."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from hotkit.errors import ExitCode
from hotkit.hostoutcome import HostOutcome, Result
from hotkit.hostplan import plan_host
from hotkit.report.provision import LiveProgress, diff_block, plan_block, print_summary

FACTS = Path(__file__).parents[2] / "data" / "facts" / "lab-small-stock.json"


def screen(*, terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), width=100, force_terminal=terminal, highlight=False)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_plan_block() -> None:
    facts = json.loads(FACTS.read_text())
    wish = {"base": "4C16G-remote", "cpus": 2, "total": "1536M", "fast_share": "1/3"}
    plan = plan_host(facts, {"hotkit_profile": wish}, host="m1").to_dict()
    console = screen()
    console.print(plan_block(plan))
    text = shown(console)
    assert "m1: 4C16G-remote" in text
    assert "arguments: maxcpus=2 memmap=1023M$513M,255M$4609M nokaslr" in text
    assert "write the boot entry, arm it once, reboot" in text
    assert "/boot/grub/custom.cfg" in text


def test_plans_that_are_alike_are_shown_once_with_the_names_of_their_hosts() -> None:
    facts = json.loads(FACTS.read_text())
    wish = {"base": "4C16G-remote", "cpus": 2, "total": "1536M", "fast_share": "1/3"}
    larger = wish | {"fast_share": "1/2"}
    plans = [
        plan_host(facts, {"hotkit_profile": one}, host=name).to_dict()
        for name, one in (("m1", wish), ("m2", larger), ("m3", wish))
    ]
    console = screen()
    LiveProgress(console).plans(plans)
    text = shown(console)
    assert text.count("arguments: ") == 2
    assert "2 hosts (m1, m3): 4C16G-remote" in text and "\nm2: 4C16G-remote" in text


def test_diff_names_host_and_file() -> None:
    console = screen()
    console.print(
        diff_block(
            "m1", {"before_header": "/x", "after_header": "/x", "before": "a\n", "after": "b\n"}
        )
    )
    assert "--- m1:/x" in shown(console) and "-a" in shown(console) and "+b" in shown(console)


BAD = HostOutcome(
    host="m2",
    status="fell-back",
    sentence="the machine fell back [to stock]",
    hint="hotkit rollback",
    changed=3,
    rebooted=True,
    reboot_seconds=47,
    seconds=80.4,
    notes=("armed again",),
    console=("[   1.0] Kernel panic",),
)


def test_summary() -> None:
    console = screen()
    print_summary([HostOutcome(host="m1", sentence="fine"), BAD], "/runs/1", console)
    text = shown(console)
    for part in ("m1: fine", "m2: the machine fell back [to stock]", "47 s", "armed again",
                 "| [   1.0] Kernel panic", "logs: /runs/1"):  # fmt: skip
        assert part in text
    console = screen()
    print_summary([HostOutcome(host="m1", sentence="fine")], "/runs/1", console)
    assert "logs" not in shown(console)


def test_rows_on_a_terminal_and_lines_without_one() -> None:
    plain = screen()
    with LiveProgress(plain) as progress:
        progress.step("m1", "Arm the entry for one boot")
        progress.done("m1", BAD)
    assert "m1: Arm the entry for one boot" in shown(plain) and "m1: fell-back" in shown(plain)

    live = screen(terminal=True)
    with LiveProgress(live) as progress:
        progress.step("m1", "Reboot")
        progress.step("m2", "Read the machine")
        asked = progress.paused(lambda: True)
        assert asked()
    assert "Reboot" in shown(live) and "m2" in shown(live)


def test_interrupted_says_that_a_second_call_goes_on() -> None:
    console = screen()
    with pytest.raises(KeyboardInterrupt), LiveProgress(console):
        raise KeyboardInterrupt
    assert "a second call goes on" in shown(console)


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (["ok"], ExitCode.OK),
        (["ok", "would-change", "declined"], ExitCode.OK),
        (["ok", "unreachable"], ExitCode.UNREACHABLE),
        (["unreachable", "failed"], ExitCode.VERDICT_FAILED),
        (["not-verified", "unreachable"], ExitCode.VERDICT_FAILED),
        (["declined", "refused"], ExitCode.BAD_INPUT),
        (["fell-back", "refused", "failed"], ExitCode.FELL_BACK),
    ],
)
def test_the_gravest_outcome_is_the_exit_code(statuses: list[str], code: ExitCode) -> None:
    hosts = tuple(HostOutcome(host=f"m{n}", status=s) for n, s in enumerate(statuses))
    result = Result(folder=Path("/runs/1"), hosts=hosts)
    assert result.exit_code == code
    assert result.to_dict()["ok"] is (code == ExitCode.OK)
