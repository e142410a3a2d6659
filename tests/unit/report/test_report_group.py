"""The report of several parts, on the terminal and as JSON; the page: test_group_html.py."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from hotkit.report.group import group_dict, print_group
from hotkit.report.group_tables import over_tables, sample_matrix, slowdown_matrix
from hotkit.report.group_words import group_verdict
from hotkit.report.plaintable import plain
from hotkit.report.sweep_tables import percent, span
from hotkit.sweep.group import SweepGroup, load_group
from tests.unit.sweepfolders import UNITS, make_group

BOOTS = {"layouts": ("4C16G",), "boots": 3}


@pytest.fixture
def group(tmp_path):
    def make(**given) -> SweepGroup:
        return load_group(make_group(tmp_path / "sweep", **given))

    return make


def printed(group, width=120) -> str:
    out = io.StringIO()
    print_group(group, Console(file=out, width=width, highlight=False))
    return out.getvalue()


def cells(table) -> dict[str, list[str]]:
    return {row[0]: list(row[1:]) for row in plain(table).rows}


def test_the_verdict_goes_first_and_counts_the_parts(group):
    found = group(change={"tier1-4C16G-hotset-boot1": {"shift": 0.2}}, **BOOTS)
    verdict = group_verdict(found)
    assert (verdict.title, verdict.kind) == ("NOT TRUSTWORTHY", "untrusted")
    assert verdict.lines[0] == "2 of 3 parts are trustworthy"
    assert verdict.lines[1].startswith("- tier1-4C16G-hotset-boot1: NOT TRUSTWORTHY: the two off")
    assert "of 3, 0.15 are to be expected" in verdict.lines[2]
    assert verdict.lines[-1].startswith("EMULATED")
    said = printed(found)
    assert said.index("2 of 3 parts are trustworthy") < said.index("Slow-down against off")
    assert "left out: tier1-4C16G-hotset-boot1: not trustworthy" in " ".join(said.split())


def test_a_sound_group_and_one_that_has_not_begun(group, tmp_path):
    assert group_verdict(group(**BOOTS)).title == "trustworthy"
    none = dict.fromkeys([f"tier1-4C16G-hotset-boot{boot}" for boot in range(3)])
    nothing = load_group(make_group(tmp_path / "none", change=none, **BOOTS))
    said = printed(nothing)
    assert "0 of 3 parts are trustworthy" in said and "not begun" in said
    assert "Slow-down against off" not in said and "[nothing measured]" in said


def test_the_matrix_has_a_column_for_each_layout_and_workload(group):
    found = group(layouts=("4C16G", "36C"), workloads=("hotset", "zipf"), boots=3)
    table = slowdown_matrix(found, found.columns)
    assert plain(table).columns[1:] == (
        "4C16G / hotset", "4C16G / zipf", "36C / hotset", "36C / zipf"
    )  # fmt: skip
    for place, column in enumerate(found.columns):
        for arm in column.arms:
            assert cells(table)[arm.arm][place] == (
                f"{percent(arm.slowdown.mean)}\n{span(arm.slowdown.interval, percent)}\n"
                "3 boots; different"
            )


def test_one_boot_two_boots_two_hosts(group, tmp_path):
    one = group(workloads=("hotset", "zipf"))
    cell = cells(slowdown_matrix(one, one.columns))["idle"][0]
    ratio = next(arm for arm in one.columns[0].arms if arm.arm == "idle").only.cell.slowdown
    assert cell == (
        f"{percent(ratio.estimate)}\n{span(ratio.interval, percent)}\n1 boot; different"
    )
    # Where there is one part only, the note below the matrix says that it is one.
    assert "statement beyond" not in printed(one) and "says nothing about the next" in printed(one)

    two = load_group(make_group(tmp_path / "two", layouts=("4C16G",), boots=2))
    cell = cells(slowdown_matrix(two, two.columns))["idle"][0]
    assert cell.startswith("boot 0 +") and cell.endswith("2 boots: no interval")
    assert "2 boot(s): a statement beyond them needs at least 3" in printed(two)
    assert over_tables(two.columns[0]) == []

    hosts = load_group(make_group(tmp_path / "h", hosts=("a", "b"), **BOOTS))
    cell = cells(slowdown_matrix(hosts, hosts.columns))["idle"][0]
    means = [one.slowdown.mean for one in hosts.columns[0].arms[0].hosts]
    assert cell == f"a {percent(means[0])}\nb {percent(means[1])}\n2 hosts: no interval"
    # Each host speaks for itself.
    rows = plain(over_tables(hosts.columns[0])[0]).rows
    assert [row[1] for row in rows] == ["3 boots of a", "3 boots of b"] * 2
    assert {row[4] for row in rows} == {"-"}


def test_over_hosts_with_p_and_word(group):
    found = group(hosts=("a", "b", "c"), **BOOTS)
    slow, per = over_tables(found.columns[0])
    row = plain(slow).rows[0]
    arm = found.columns[0].arms[0]
    assert row[:3] == (arm.arm, "3 hosts", percent(arm.slowdown.mean))
    assert row[4:] == ("< 0.001", "different")
    assert [row[1] for row in plain(slow).rows][1:4] == [f"3 boots of {host}" for host in "abc"]
    assert plain(per).rows[0][1] == f"ns per {arm.unit}"
    assert "(emulated)" in plain(slow).title and "(emulated)" in plain(per).title


def test_units_never_share_a_row(group):
    other = {"softdirty": UNITS["softdirty"] | {"examined": "huge PTE examined"}}
    found = group(
        layouts=("4C16G", "36C"),
        change={"tier1-36C-hotset-boot0": {"units": other}},
    )
    rows = plain(sample_matrix(found, found.columns)).rows
    by_unit = {row[1]: row[2:] for row in rows if row[0] == "softdirty"}
    assert by_unit["PTE examined"][1] == "-" and by_unit["huge PTE examined"][0] == "-"
    assert "1 boot" in by_unit["PTE examined"][0] and "1 boot" in by_unit["huge PTE examined"][1]


def test_labels_are_told_column_by_column_where_they_differ(group):
    found = group(
        layouts=("4C16G", "36C"), change={"tier1-36C-hotset-boot0": {"platform": "metal"}}
    )
    assert plain(slowdown_matrix(found, found.columns)).columns[1:] == (
        "4C16G / hotset [emulated]", "36C / hotset [metal]"
    )  # fmt: skip
    said = printed(found)
    assert "[emulated / metal]" in said and "METAL" in said and "EMULATED" in said


def test_no_interval_is_broken_however_narrow(group):
    found = group(layouts=("4C16G", "36C"), workloads=("hotset", "zipf"), boots=3)
    for width in (80, 120):
        said = printed(found, width)
        for column in found.columns:
            for arm in column.arms:
                assert span(arm.slowdown.interval, percent) in said


def test_json_has_each_part_and_what_they_say_together(group):
    found = group(change={"tier1-4C16G-hotset-boot3": None}, layouts=("4C16G",), boots=4)
    document = json.loads(json.dumps(group_dict(found), allow_nan=False))
    assert (document["trusted"], document["trusted_parts"]) == (False, 3)
    assert [part["part"]["boot"] for part in document["parts"]] == [0, 1, 2, 3]
    assert document["parts"][3]["report"] is None and document["parts"][3]["reason"] == "not begun"
    assert document["parts"][0]["report"]["arms"][0]["slowdown"]["estimate"]
    (column,) = document["combined"]
    assert (column["layout"], column["workload"]) == ("4C16G", "hotset")
    assert column["label"]["platform"] == "emulated" and column["margin_fraction"] == 0.01
    assert column["left_out"] == [{"part": "tier1-4C16G-hotset-boot3", "reason": "not begun"}]
    for arm, known in zip(column["arms"], found.columns[0].arms, strict=True):
        assert arm["slowdown"]["mean"] == known.slowdown.mean
        assert arm["per_examined_ns"]["mean"] == pytest.approx(1e9 * known.per_examined.mean)
        assert (arm["answer"], arm["slowdown"]["n"], len(arm["each"])) == ("different", 3, 3)
    assert document["reproduce"]["commands"][1] == (
        "hotkit sweep again.yml --inventory '/srv/my lab' --limit tier1 --out again"
    )


def test_json_has_no_mean_without_an_interval(group):
    (column,) = group_dict(group(layouts=("4C16G",), boots=2))["combined"]
    for arm in column["arms"]:
        assert (arm["slowdown"]["mean"], arm["p_holm"]) == (None, None)
        assert "needs at least 3" in arm["slowdown"]["undefined"]
