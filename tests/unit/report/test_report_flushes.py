"""The table of flushes: where x what x flush counts x elapsed, in every form."""

from __future__ import annotations

import csv
import io
import json
import statistics

import pytest
from rich.console import Console

from hotkit.cli import main
from hotkit.core.flushes import flush_rows
from hotkit.report.flushreport import flushes_file, print_flushes
from hotkit.report.flushtable import flush_lines, flush_table
from hotkit.report.plaintable import plain
from hotkit.sweep.group import load_group
from hotkit.sweep.report import read_sweep
from tests.unit.guestsweeps import ALWAYS, ARMS, GUEST, as_told, make_guest_sweep
from tests.unit.sweepfolders import SLOW, SOFTDIRTY, make_group, make_sweep

COUNTS = (
    "kvm_tlb_flush", "kvm_remote_tlb_flush", "host_remote", "host_local", "guest_remote",
    "guest_local",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_guest_sweep(tmp_path_factory.mktemp("flushes") / "sweep")


def counted_on_the_host(run, event):
    """A host with its own counters only, as without a guest."""
    if event["type"] == "counter":
        event["deltas"] |= {key: value for key, value in ALWAYS.items() if key.startswith("vmstat")}
    return event


def printed(folder, width: int) -> str:
    out = io.StringIO()
    print_flushes(load_group(folder), Console(file=out, width=width, highlight=False))
    return out.getvalue()


def test_the_table_has_where_what_flushes_and_elapsed(folder):
    result = read_sweep(folder)
    table = plain(flush_table(result))
    assert table.title == "Flushes per run, and elapsed seconds (emulated, nested)"
    assert table.columns == (
        "where", "arm", "mode", "kvm\ntlb_flush", "kvm\nremote_tlb_flush", "host\nremote",
        "host\nlocal", "guest\nremote", "guest\nlocal", "elapsed",
    )  # fmt: skip
    # Off first, then the guest's, then the host's.
    assert [row[:3] for row in table.rows] == [
        ("-", "off", "-"),
        ("guest", "softdirty", "-"),
        ("guest", "guest-flush", "primary"),
        ("guest", "guest-damon", "stock"),
        ("host", "host-damon", "stock"),
        ("host", "host-both", "primary + secondary"),
    ]
    off, *_, both = table.rows
    # 1000 in even blocks, 1002 in odd ones; local is the sum of two such counters.
    assert off[3:9] == (
        "1,001\n+- 1.0", "11\n+- 1.0", "21\n+- 1.0", "32\n+- 2.1", "3\n+- 1.0", "12\n+- 2.1",
    )  # fmt: skip
    assert both[3:9] == (
        "9,001\n+- 1.1\n+8,000", "4,011\n+- 1.1\n+4,000", "121\n+- 1.1\n+100", "32\n+- 2.1\n0",
        "3\n+- 1.1\n0", "12\n+- 2.1\n0",
    )  # fmt: skip
    flush = table.rows[2]
    assert flush[7:9] == ("303\n+- 1.1\n+300", "212\n+- 2.1\n+200")
    times = [run.duration for run in result.runs if run.arm == "off"]
    assert off[9] == (f"{statistics.fmean(times):.3f} s\n+- {1e3 * statistics.stdev(times):.2f} ms")
    assert table.rows[1][9].endswith("\n+50.46 ms")


def test_the_difference_is_that_of_the_blocks(folder):
    """Flushes that grow with the block do not widen the interval: off grows beside them."""
    result = read_sweep(folder)
    rows = {row.arm: row for row in flush_rows(result.runs)}
    kvm = rows["host-both"].counts["kvm_tlb_flush"]
    assert kvm and (kvm.runs, kvm.difference, kvm.interval) == (8, 8000.0, None)
    elapsed, arm = (
        rows["softdirty"].elapsed,
        next(arm for arm in result.analysis.arms if arm.arm == "softdirty"),
    )
    assert elapsed and elapsed.interval and arm.overhead.interval
    assert elapsed.difference == pytest.approx(arm.overhead.mean)
    assert elapsed.interval.low == pytest.approx(arm.overhead.interval.low)
    assert elapsed.interval.high == pytest.approx(arm.overhead.interval.high)
    assert rows["off"].elapsed and rows["off"].elapsed.difference is None


@pytest.mark.parametrize("width", [80, 100, 140])
def test_no_figure_is_cut_off_however_narrow_the_terminal(folder, width):
    said = printed(folder, width)
    assert said.startswith("sweep on tier1: trustworthy [emulated, nested]\n")
    assert "…" not in said and max(map(len, said.splitlines())) <= width
    assert (
        said.count("Flushes per run, and elapsed seconds (emulated, nested)")
        == ({80: 4, 100: 2, 140: 1}[width])
    )
    for figure in ("9,001", "+8,000", "4,011", "+4,000", "303", "+300", "+50.46 ms", "remote_tlb"):
        assert figure in said
    words = " ".join(said.split())
    assert (
        "a cell: mean per run, +- standard deviation over runs, difference to off (mean over blocks"
        " of on - mean off; its 95 % interval is in csv and json)" in words
    )
    assert (
        "remote: nr_tlb_remote_flush, local: nr_tlb_local_flush_all + nr_tlb_local_flush_one of"
        " /proc/vmstat, of the whole machine; kvm: /sys/kernel/debug/kvm, all VMs of the host"
        in words
    )
    assert "nobody counted" not in said


def test_what_nobody_counted_is_a_dash_and_says_how_to_get_it(tmp_path):
    def nothing(run, event):
        event = as_told(run, event)
        if event["type"] == "counter":
            event["deltas"] = {key: value for key, value in event["deltas"].items()
                               if "tlb" not in key}  # fmt: skip
        return event

    result = read_sweep(make_guest_sweep(tmp_path / "s", told=nothing))
    table = plain(flush_table(result))
    assert {cell for row in table.rows for cell in row[3:9]} == {"-"}
    assert flush_lines(result)[2:] == [
        "kvm tlb_flush, kvm remote_tlb_flush: nobody counted: KVM must be loaded on the host, and"
        " its debugfs readable (/sys/kernel/debug/kvm, as root; mount -t debugfs none"
        " /sys/kernel/debug)",
        "host remote, host local: nobody counted: the host's kernel must have CONFIG_DEBUG_TLBFLUSH"
        " (nr_tlb_* of /proc/vmstat), as those of hotkit kernel build have",
        "guest remote, guest local: nobody counted: the guest's kernel must have"
        " CONFIG_DEBUG_TLBFLUSH (nr_tlb_* of its /proc/vmstat), as those of hotkit kernel build"
        " have (kernel: hotkit in hotkit_guests)",
    ]


def test_without_a_guest_it_has_the_columns_of_the_host(tmp_path):
    flush = {**SLOW, "settings": {"sample_us": 20000, "flush": "stock"}}
    folder = make_sweep(tmp_path / "s", arms=(SOFTDIRTY, flush), as_told=counted_on_the_host)
    table = plain(flush_table(read_sweep(folder)))
    assert table.columns == ("arm", "mode", "host\nremote", "host\nlocal", "elapsed")
    assert sorted(row[:4] for row in table.rows) == [
        ("off", "-", "20\n+- 0", "30\n+- 0"),
        ("slow", "stock", "20\n+- 0\n0", "30\n+- 0\n0"),
        ("softdirty", "-", "20\n+- 0\n0", "30\n+- 0\n0"),
    ]
    assert "guest" not in printed(folder, 120).replace("kernel", "")


def test_an_arm_that_did_not_flush_keeps_its_counts_as_evidence(tmp_path):
    def elided(run, event):
        event = as_told(run, event)
        if event["type"] == "counter" and run["arm"] == "host-both":
            event["deltas"] |= {"kvm.tlb_flush": 0, "kvm.remote_tlb_flush": 0}
        return event

    folder = make_guest_sweep(tmp_path / "s", told=elided)
    said = printed(folder, 140)
    assert "sweep on tier1: UNDEFINED [emulated, nested]" in said
    row = plain(flush_table(read_sweep(folder))).rows[-1]
    assert row[:5] == (
        "host",
        "host-both",
        "primary + secondary",
        "0\n+- 0\n-1,001",
        "0\n+- 0\n-11",
    )
    assert row[-1] == "no result"
    assert (
        "host-both: no result: flush: primary+secondary, but KVM counted no flush of the VM's TLBs"
        in " ".join(said.split())
    )


def test_csv_and_json_have_the_same_figures_and_the_label(folder):
    group = load_group(folder)
    rows = list(csv.DictReader(io.StringIO(flushes_file(group, "csv").decode(), newline="")))
    found = json.loads(flushes_file(group, "json"))
    assert found["unit"] == "flushes per run" and found["table"] == "flushes"
    assert found["label"]["platform"] == "emulated" and found["label"]["nested"] is True
    assert found["columns"]["guest_local"] == [
        "guest.vmstat.nr_tlb_local_flush_all", "guest.vmstat.nr_tlb_local_flush_one",
    ]  # fmt: skip
    assert len(rows) == len(found["rows"]) == 6
    for row, one in zip(rows, found["rows"], strict=True):
        assert (row["platform"], row["nested"], row["session_trusted"]) == (
            "emulated", "true", "true",
        )  # fmt: skip
        assert (row["where"], row["arm"], row["flush"]) == (
            one["where"] or "", one["arm"], one["flush"] or "",
        )  # fmt: skip
        for key in COUNTS:
            assert float(row[f"{key}_per_run_mean"]) == one[key]["mean"]
            assert float(row[f"{key}_per_run_sd"]) == one[key]["sd"]
        assert float(row["elapsed_s_mean"]) == one["elapsed_s"]["mean"]
    both = rows[-1]
    assert both["kvm_remote_tlb_flush_per_run_difference"] == "4000.0"
    assert (
        float(rows[1]["elapsed_s_difference_low"]) == found["rows"][1]["elapsed_s"]["interval"][0]
    )


def test_latex_and_markdown(folder):
    group = load_group(folder)
    latex, markdown = (flushes_file(group, form).decode() for form in ("latex", "markdown"))
    assert r"\caption{Flushes per run, and elapsed seconds (emulated, nested)}" in latex
    assert r"where & arm & mode & kvm tlb\_flush & kvm remote\_tlb\_flush & host remote" in latex
    assert r"host & host-both & primary + secondary & 9,001; $\pm$ 1.1; +8,000 &" in latex
    assert "**sweep on tier1: trustworthy [emulated, nested]**" in markdown
    assert "| host | host-both | primary + secondary | 9,001; +- 1.1; +8,000 |" in markdown


def test_the_command(folder, capsys):
    assert main(["report", str(folder), "--table", "flushes"]) == 0
    assert "Flushes per run, and elapsed seconds (emulated, nested)" in capsys.readouterr().out
    for form in ("csv", "json", "markdown", "latex"):
        assert main(["report", str(folder), "--table", "flushes", "--format", form]) == 0
        assert capsys.readouterr().out == flushes_file(load_group(folder), form).decode()
    assert main(["report", str(folder), "--table", "flushes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["table"] == "flushes"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--format", "csv"], "--format csv is of a --table"),
        (["--table", "flushes", "--html", "r.html"], "r.html: --table writes no file"),
        (["--table", "flash"], "'flash' is not 'flushes'"),
    ],
)
def test_bad_input(folder, capsys, options, said):
    assert main(["report", str(folder), *options]) == 2
    assert said in capsys.readouterr().err


def test_a_session_that_is_not_trustworthy_says_so_in_each_form(tmp_path, capsys):
    folder = make_guest_sweep(tmp_path / "s", shift=0.2)
    assert main(["report", str(folder), "--table", "flushes"]) == 5
    said = capsys.readouterr().out
    assert said.startswith("sweep on tier1: NOT TRUSTWORTHY [emulated, nested]\n  - the two off")
    group = load_group(folder)
    assert r"\caption{NOT TRUSTWORTHY: Flushes per run" in flushes_file(group, "latex").decode()
    assert json.loads(flushes_file(group, "json"))["trusted"] is False
    assert ",true,false,guest," in flushes_file(group, "csv").decode()


def test_of_several_parts_each_has_its_table(tmp_path, capsys):
    folder = make_group(
        tmp_path / "g", hosts=("a", "b"), arms=ARMS, guest=GUEST, nested=True, as_told=as_told,
        change={"b-hotset": None},
    )  # fmt: skip
    assert main(["report", str(folder), "--table", "flushes"]) == 5
    said = capsys.readouterr().out
    assert said.startswith("a-hotset: trustworthy [emulated, nested]\n")
    assert said.endswith("b-hotset: not begun\n")
    group = load_group(folder)
    first, second = json.loads(flushes_file(group, "json"))["parts"]
    assert first["flushes"]["rows"][0]["arm"] == "off" and first["part"]["host"] == "a"
    assert second["flushes"] is None and second["reason"] == "not begun"
    assert r"\caption{a-hotset: Flushes per run" in flushes_file(group, "latex").decode()
    rows = csv.DictReader(io.StringIO(flushes_file(group, "csv").decode(), newline=""))
    assert {row["host"] for row in rows} == {"a"}


def test_nothing_measured(tmp_path, capsys):
    folder = make_group(
        tmp_path / "g", hosts=("a", "b"), change={"a-hotset": None, "b-hotset": None}
    )
    assert main(["report", str(folder), "--table", "flushes"]) == 5
    assert "no part has a complete block" in capsys.readouterr().err
