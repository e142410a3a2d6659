"""Reports of a sweep whose workload is in a guest: where, clocks, and what a host cannot know."""

from __future__ import annotations

import csv
import io
import json

import pytest
from rich.console import Console

from hotkit.report.export import FORMATS
from hotkit.report.group import group_dict, print_group
from hotkit.report.group_tables import slowdown_matrix
from hotkit.report.sweepcompare import print_comparison
from hotkit.report.sweephtml import html
from hotkit.report.sweepreport import print_report, report_dict
from hotkit.sweep.compare import compare_sweeps
from hotkit.sweep.group import load_group
from hotkit.sweep.report import read_sweep
from tests.unit.guestsweeps import ARMS, GUEST, as_told, drifting, make_guest_sweep
from tests.unit.report.test_report_html import SECTIONS, Page
from tests.unit.sweepfolders import make_group, make_sweep

WARNING = (
    "WARNING: the guest's clock differs from the host's by more than 1 % in 7 of 56 runs, and every"
    " time here is the guest's"
)
LINES = (
    "the workload ran in guest g1 (qemu): kernel 6.1.0-guest, 2 vCPU(s), 384 MiB, backing thp,"
    " clock kvm-clock",
    "clocks: of 56 runs guest and host differ most by -0.30 ms (-300 ppm) in 1.000 s",
    "steal: the host took 3.00 ms of a run from the guest's CPUs (median), 40.00 ms at most (arm"
    " host-both)",
)
SEEN = (
    "softdirty: mechanism: write faults",
    "host-damon, host-both: mechanism: A bits of NPT",
    "guest-flush, guest-damon: mechanism: A bits",
    "where host: it sees guest-physical pages only: not which process of the guest uses them, nor"
    " that two virtual pages share one",
    "host-damon: 2 of 2,048 pages of the workload moved to another guest frame while it ran"
    " (median; at most 8); elsewhere in the VM it found 2.1 % of 50,000 pages accessed (medians)",
)


def words(text: str) -> str:
    """What is printed, without its line breaks."""
    return " ".join(text.split())


def printed(show, *things, width: int = 120) -> str:
    out = io.StringIO()
    show(*things, Console(file=out, width=width, highlight=False))
    return out.getvalue()


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    return read_sweep(make_guest_sweep(tmp_path_factory.mktemp("guest") / "sweep"))


def test_where_stands_beside_each_arm(there):
    said = printed(print_report, there)
    assert "trustworthy [emulated, nested]" in said.splitlines()[0]
    for title, row in (
        ("Slow-down against off,", "│ host-both   │ host  │"),
        ("Against ground truth:", "│ softdirty   │ guest │"),
        ("Overhead per sample (", "│ host-damon  │ host  │ ns per region check"),
        ("Accuracy against cost (", "│ softdirty   │ guest │"),
        ("Counters that moved,", "│ guest-flush │ guest │ vmstat.pgfault"),
    ):
        table = said.partition(title)[2].partition("└")[0]
        head = next(line for line in table.splitlines() if "┃" in line)
        assert head.split("┃")[2].strip() == "where", title
        assert row in table, title
    # Where there are no columns the name says it.
    assert "  host-both (host) " in said and "  guest-damon (guest) " in said


def test_what_is_said_of_the_guest_and_of_what_a_host_cannot_know(there):
    said = words(printed(print_report, there))
    for line in (*LINES, *SEEN):
        assert line in said
    assert "WARNING" not in said
    assert f"TLB flushes: hotkit report {there.folder} --table flushes" in said
    environment = said.partition("Environment (")[2]
    for row in ("guest │ g1 (qemu)", "guest kernel │ 6.1.0-guest", "guest vCPUs │ 2",
                "guest memory │ 384 MiB", "guest backing │ thp", "guest clocksource │ kvm-clock",
                "guest knob thp │ always [madvise] never"):  # fmt: skip
        assert row in environment


def test_a_clock_that_goes_wrong_is_told_with_the_verdict(tmp_path):
    result = read_sweep(make_guest_sweep(tmp_path / "s", told=drifting))
    said = words(printed(print_report, result).replace("│", ""))
    assert WARNING in said.partition("Slow-down")[0]
    assert (
        "differ most by -20.04 ms (-20,000 ppm) in 1.002 s; by more than 1 % in 7 of them" in said
    )
    assert WARNING in words(FORMATS["latex"](result).decode().replace("%  ", ""))


def test_clocks_that_nobody_told(tmp_path):
    def no_clocks(run, event):
        event = as_told(run, event)
        event.pop("clocks", None)
        if event["type"] == "counter":
            del event["deltas"]["guest.steal_ns"]
        return event

    result = read_sweep(make_guest_sweep(tmp_path / "s", told=no_clocks))
    said = words(printed(print_report, result))
    assert "clocks: no run told what passed by the host's clock and by the guest's" in said
    assert "steal:" not in said
    assert report_dict(result)["guest"]["clocks"] is None


def test_json(there):
    found = report_dict(there)
    json.dumps(found, allow_nan=False)
    guest = found["guest"]
    assert (guest["name"], guest["kind"], guest["vcpus"], guest["backing"]) == (
        "g1", "qemu", 2, "thp",
    )  # fmt: skip
    assert guest["kernel_release"] == "6.1.0-guest" and guest["memory_bytes"] == 384 << 20
    assert guest["clocks"]["runs"] == 56 and guest["clocks"]["runs_beyond_1_percent"] == 0
    assert guest["clocks"]["largest_difference_fraction"] == pytest.approx(-3e-4, rel=1e-3)
    assert guest["steal"] == {"median_s": 0.003, "most_s": 0.04, "most_arm": "host-both"} | {
        "median_s": pytest.approx(0.003)
    }
    arms = {arm["arm"]: arm for arm in found["arms"]}
    assert arms["host-both"]["where"] == "host" and arms["softdirty"]["where"] == "guest"
    assert arms["host-both"]["vm"] == {
        "pages": 2048, "moved": 2, "moved_most": 8, "elsewhere_pages": 50_000,
        "elsewhere_share": pytest.approx(0.0207),
    }  # fmt: skip
    assert arms["softdirty"]["vm"] is None
    assert arms["softdirty"]["facts"] == {"mechanism": "write faults"}


def test_a_sweep_without_a_guest_says_nothing_of_one(tmp_path):
    result = read_sweep(make_sweep(tmp_path / "s"))
    said = printed(print_report, result)
    assert "┃ where" not in said and "workload ran in" not in said
    assert "guest" not in said.replace(str(tmp_path), "")
    found = report_dict(result)
    assert "guest" not in found and not any("where" in arm for arm in found["arms"])
    assert "where" not in FORMATS["csv"](result).decode().partition("\r\n")[0].split(",")
    assert Page(html(result)).section == SECTIONS


def test_html_has_sections_of_guest_and_flushes(there):
    text = html(there)
    page = Page(text)
    for line in LINES:
        assert line in page.words["guest"]
    for line in SEEN:
        assert line in page.words["accuracy"]
    assert "kvm remote_tlb_flush" in words(page.words["flushes"])
    assert "4,011" in page.words["flushes"]
    # The lines of a cell stay lines: mean, spread, difference.
    assert "th.right, td.right { text-align: right; white-space: pre; }" in text
    assert '<td class="right">9,001\n+- 1.1\n+8,000</td>' in text


def test_rows_of_runs(there):
    found = list(csv.DictReader(io.StringIO(FORMATS["csv"](there).decode(), newline="")))
    assert {(row["arm"], row["where"]) for row in found} == {
        ("off", ""), *((arm["name"], arm["scope"]) for arm in ARMS)
    }  # fmt: skip
    for row, run in zip(found, there.runs, strict=True):
        assert run.clocks and float(row["elapsed_host_s"]) == run.clocks.host
        assert float(row["elapsed_guest_s"]) == run.clocks.guest
        assert row["vm_moved_count"] == (str(run.vm.moved) if run.vm else "")
        assert row["vm_elsewhere_hot_count"] == (str(run.vm.elsewhere_hot) if run.vm else "")
        assert row["facts"] == (json.dumps(run.facts) if run.facts else "")
        assert row["counter_guest.steal_ns"] == str(run.deltas["guest.steal_ns"])
    assert (found[0]["guest"], found[0]["guest_kernel_release"]) == ("g1", "6.1.0-guest")
    assert (found[0]["guest_vcpus"], found[0]["guest_backing"]) == ("2", "thp")


def test_markdown_and_latex_have_where_the_notes_and_the_table(there):
    markdown, latex = (FORMATS[form](there).decode() for form in ("markdown", "latex"))
    assert markdown.count("| arm | where |") == 3 and markdown.count("(emulated, nested)") == 4
    assert r"\label{tab:hotkit-flushes}" in latex and r"& host & " in latex
    for line in (*LINES, *SEEN):
        assert line in markdown and f"% {line}" in latex


def test_boots_of_a_guest_side_by_side(tmp_path):
    folder = make_group(
        tmp_path / "g", hosts=("a", "b", "c"), arms=ARMS, guest=GUEST, nested=True, as_told=as_told,
        change={"b-hotset": {"as_told": drifting}},
    )  # fmt: skip
    group = load_group(folder)
    assert slowdown_matrix(group, group.columns).columns[1].header == "where"
    said = printed(print_group, group)
    assert said.count("where") >= 3 and "│ host-both   │ host  │" in said
    assert f"- b-hotset: {WARNING}" in words(said.replace("│", ""))
    (column,) = group_dict(group)["combined"]
    assert {arm["arm"]: arm["where"] for arm in column["arms"]} == {
        arm["name"]: arm["scope"] for arm in ARMS
    }


def test_compared_with_a_sweep_elsewhere(tmp_path):
    one = make_guest_sweep(tmp_path / "one")
    other = make_guest_sweep(tmp_path / "other", seed=11, guest={**GUEST, "backing": "4k"})
    said = words(printed(print_comparison, *compare_sweeps([one, other])))
    assert "guest backing differs" in said and "NOT MERGED (emulated, nested)" in said
    assert "┃ arm ┃ where ┃ unit ┃" in said
    outside = make_sweep(tmp_path / "outside", nested=True)
    said = words(printed(print_comparison, *compare_sweeps([one, outside])))
    assert (
        "workload's machine differs: work in a guest pays for nested paging, and its time is the"
        " guest's" in said
    )
