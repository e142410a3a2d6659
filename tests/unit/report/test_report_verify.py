"""What `hotkit verify` prints, from plain values."""

from __future__ import annotations

import io

from rich.console import Console

from hotkit.core.check import judged, unknown
from hotkit.core.diagnosis import Cause
from hotkit.core.hostverdict import HostVerdict, Outcome, exit_code, verdict_from_results
from hotkit.core.labels import Label, Platform
from hotkit.errors import ExitCode
from hotkit.report.verify import print_verdicts

BAD = HostVerdict(
    host="tier1",
    outcome=Outcome.FAIL,
    layout_id="0123456789ab",
    profile="4C16G",
    kernel_release="6.1.0",
    label=Label(platform=Platform.EMULATED),
    checks=(
        judged("entry", "hotkit.id=a", "hotkit.id=a", True, "The entry."),
        judged("system-ram-node0", "3 GiB", "none", False, "3 GiB missing at [mem 0x0-0xfff]."),
        unknown("numactl", "RAM on node 0", "not run", "numactl is not installed."),
    ),
    causes=(Cause(kind="capped", sentence="All RAM is capped.", advice="Write $."),),
)
GONE = HostVerdict(host="tier2", outcome=Outcome.UNREACHABLE, problem="tier2 is unreachable: no")
GOOD = HostVerdict(host="tier3", outcome=Outcome.PASS, checks=BAD.checks[:1])


def printed(*verdicts: HostVerdict, width: int = 100) -> str:
    out = io.StringIO()
    print_verdicts(verdicts, Console(file=out, width=width, highlight=False))
    return out.getvalue()


def test_the_table_holds_every_check_and_the_label():
    text = printed(BAD)
    for word in ("emulated", "0123456789ab", "entry", "3 GiB", "FAIL", "unknown", "pass"):
        assert word in text
    assert "1 of 3 checks passed" in text


def test_brackets_in_ranges_are_no_markup():
    assert "[mem 0x0-0xfff]" in printed(BAD)


def test_causes_and_unreachable_hosts_are_said_in_sentences():
    text = printed(BAD, GONE, GOOD)
    assert "Cause: All RAM is capped." in text
    assert "tier2 is unreachable" in text
    assert "1 of 3 hosts are as planned." in text


def test_nothing_is_lost_on_a_narrow_terminal():
    assert "0123456789ab" in printed(BAD, width=50).replace("\n", "")


def test_exit_codes():
    assert exit_code([GOOD]) == ExitCode.OK
    assert exit_code([GOOD, GONE]) == ExitCode.UNREACHABLE
    assert exit_code([GOOD, GONE, BAD]) == ExitCode.VERDICT_FAILED


def test_one_sentence_per_host():
    assert BAD.sentence == "tier1: 2 of 3 checks failed. All RAM is capped."
    assert GOOD.sentence == "tier3: 1 of 1 checks passed."


def test_a_host_that_the_suite_never_reached_is_a_problem():
    verdict = verdict_from_results("tier4", None)
    assert verdict.outcome is Outcome.PROBLEM
    assert exit_code([verdict]) == ExitCode.VERDICT_FAILED
