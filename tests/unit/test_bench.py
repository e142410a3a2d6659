"""tools/bench: what the benchmarks make of the measurements that they were told."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def scanrate(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    from bench import scanrate

    return scanrate


def said(idle_ms):
    """256 MiB; the time of a round per side, and twice that in the second pair."""
    machine = {"platform": "emulated", "kernel_release": "6.1-hotkit", "python": "3.11.2"}
    yield {"machine": machine, "memory": "4k", "bytes": 1 << 28, "huge_bytes": 0}
    sides = {
        "idlepage": {"scan": idle_ms, "pages": 900, "snapshot": 100, "span": 200},
        "softdirty": {"SoftDirty.look": 12, "softdirty": 10},
        "frames": {"frames_of": 50, "frames": 10},
    }
    for pair in (1, 2):
        for reader, times in sides.items():
            for side, ms in times.items():
                cpu_ns = ms * 1_000_000 * pair
                yield {"reader": reader, "side": side, "cpu_ns": cpu_ns, "pages": 65536}


@pytest.mark.parametrize(("idle_ms", "within"), [(100, True), (150, True), (151, False)])
def test_the_reference_is_the_fastest_and_the_bound_holds_for_two_readers(
    scanrate, idle_ms, within
):
    idle, soft, frames = scanrate.results(list(said(idle_ms)))
    assert (idle.reference, idle.within) == ("wss snapshot", within)
    assert idle.median == pytest.approx(idle_ms / 100)
    assert soft.ratios == pytest.approx((1.2, 1.2)) and soft.within
    assert soft.theirs == pytest.approx((0.25 / 0.01 + 0.25 / 0.02) / 2)
    assert frames.median == pytest.approx(5) and frames.within and frames.bound is None


def test_the_page_carries_the_label(scanrate):
    lines = list(said(151))
    page = scanrate.page(list(scanrate.results(lines)), [lines])
    assert page.startswith("## Scan rate (emulated)\n")
    assert "6.1-hotkit" in page and "MORE than 1.5" in page
    assert sys.modules["bench"].__path__ == [str(ROOT / "tools" / "bench")]


PARTS = ("scan-rate", "big-report", "damo-record", "timing", "targets", "startup", "verify-hosts",
         "provision-hosts", "simulate-boot")  # fmt: skip


@pytest.mark.parametrize("name", PARTS)
def test_each_part_of_the_page_has_its_marks_once(scanrate, name):
    from bench import page

    for mark in page.marks(name):
        assert page.DOCS.read_text().count(mark) == 1


def test_a_part_of_the_page_is_written_and_no_other(scanrate, tmp_path, monkeypatch):
    from bench import page

    file = tmp_path / "page.md"
    file.write_text("a\n<!-- x: generated -->\nold\n<!-- x: end -->\nb\n")
    monkeypatch.setattr(page, "DOCS", file)
    page.put("x", "new\n")
    assert file.read_text() == "a\n<!-- x: generated -->\nnew\n<!-- x: end -->\nb\n"
    with pytest.raises(ValueError, match="no marks of y"):
        page.put("y", "new\n")


@pytest.mark.parametrize(("more_ms", "within"), [(0.05, "within"), (0.25, "MORE than")])
def test_timing_compares_what_each_adds(scanrate, more_ms, within):
    from bench import timing

    # The work took 100 to 109 ms; hyperfine adds 0.7 ms and now and then a lot, hotkit a bit more.
    work = [100.0 + n for n in range(10)]
    theirs = [0.7 + (5.0 if n == 3 else 0.0) for n in range(10)]
    ours = [0.7 + more_ms] * 10
    pairs = timing.Pairs(
        times={
            "hotkit": [a + b for a, b in zip(work, ours, strict=True)],
            "hyperfine": [a + b for a, b in zip(work, theirs, strict=True)],
        },
        added={"hotkit": ours, "hyperfine": theirs},
    )
    assert pairs.least == pytest.approx(more_ms)
    middle, low, high = pairs.median
    assert middle == pytest.approx(more_ms) and low <= middle <= high
    cells = pairs.cells("100 ms")
    assert len(cells) == len(timing.HEAD) and within in cells[5]
    assert "of a pair" in timing.page([cells], [("hotset", "30", "1", "2", "3")])


def test_big_report_has_a_ratio_of_each_round(scanrate):
    from bench import bigreport

    def taken(*cpu):
        return [bigreport.Taken(wall_s=2 * s, cpu_s=s, peak_mb=100 + s) for s in cpu]

    rows = bigreport.table({bigreport.PEER: taken(2, 4, 2), "hotkit report": taken(3, 5, 4)})
    assert rows[0][-1].startswith("1.00")
    name, cpu, wall, peak, ratio = rows[1]
    assert (name, cpu, wall) == ("hotkit report", "3.00 (4.00)", "6.00 (8.00)")
    assert (peak, ratio) == ("105", "1.50 (1.25 to 2.00)")
    assert "hotkit report" in bigreport.page(rows, 327)


def test_damo_record_has_both_of_damos_commands_in_a_ratio(scanrate):
    from bench import bigreport, damorecord

    def taken(*cpu):
        return [bigreport.Taken(wall_s=2 * s, cpu_s=s, peak_mb=100 * s) for s in cpu]

    rows = damorecord.table([
        damorecord.Read(1000, "json", 1.5, taken(1, 1), taken(7, 9), taken(3, 4)),
        damorecord.Read(5000, "json", 3.0, taken(2), taken(9), taken(4)),
        damorecord.Read(9000, "json", 3.0, taken(2), [], []),
    ])  # fmt: skip
    assert all(len(row) == len(damorecord.HEAD) for row in rows)
    assert rows[0][3:6] == ("1.00, 2.00, 100", "8.00, 16.00, 900", "3.50, 7.00, 400")
    assert rows[0][6:] == ("11.5 (10.0 to 13.0), 10 or more", "9.0")
    assert (
        rows[1][6] == "6.5 (6.5 to 6.5), LESS than 10"
        and rows[2][4:] == ("not run",) * 2 + ("",) * 2
    )
    assert "1,000" in damorecord.page(rows)


def test_damo_record_is_laid_out_as_damo_does(scanrate, tmp_path):
    """Both forms hold the same regions; that damo reads them so is asked before any timing."""
    import numpy as np
    from bench import damorecord

    from hotkit.host.foreignrecord import read_foreign

    made = damorecord.made_record(3)
    for form in damorecord.FORMS:
        damorecord.write_record(made, form, tmp_path / form)
        (found,) = read_foreign(tmp_path / form).targets
        for name in ("at_ns", "first", "start", "end", "accesses", "age"):
            assert np.array_equal(getattr(found, name), getattr(made, name)), (form, name)


def figure(**more):
    from bench.results import Figure

    given = {"what": "20 hosts", "unit": "s", "hotkit": [2.0, 3.0, 2.0], "peer": "testinfra",
             "theirs": [12.0, 12.0, 14.0]}  # fmt: skip
    return Figure(**(given | more))


@pytest.mark.parametrize(
    ("more", "met", "said"),
    [
        ({"at_least": 5.0}, True, "6.00 times faster (4.00 to 7.00)"),
        ({"at_least": 6.5}, False, "6.00 times faster"),
        ({"at_most": 0.2, "share": True}, True, "0.17 of the peer's (0.14 to 0.25)"),
        ({"at_most": 0.1, "share": True}, False, "0.17 of the peer's"),
        ({"at_most": 2.0, "peer": None, "theirs": []}, True, "-"),
        ({"at_most": 1.9, "peer": None, "theirs": []}, False, "-"),
        ({}, None, "6.00 times faster"),
    ],
)
def test_a_figure_keeps_its_target_by_the_median_of_the_rounds(scanrate, more, met, said):
    one = figure(**more)
    assert one.met is met
    cells = one.cells()
    assert said in cells[3]
    assert cells[4] == "-" if met is None else cells[4].endswith("NOT met" if not met else ": met")


def test_results_are_kept_and_the_page_is_made_of_them(scanrate, tmp_path, monkeypatch):
    from bench import page, results

    (tmp_path / "page.md").write_text("".join(
        f"{begin}\n{end}\n" for begin, end in map(page.marks, ("startup", "targets"))
    ))  # fmt: skip
    monkeypatch.setattr(page, "DOCS", tmp_path / "page.md")
    monkeypatch.setattr(results, "FOLDER", tmp_path / "kept")
    console = Console(file=io.StringIO(), width=200)
    results.keep(console, "startup", "a machine", [figure(at_least=5.0), figure()], write=False)
    assert not (tmp_path / "kept").exists()
    results.keep(console, "startup", "a machine", [figure(at_least=5.0), figure()], write=True)
    text = (tmp_path / "page.md").read_text()
    assert text.count("| 20 hosts |") == 3 and text.count("`startup`") == 1
    (document,) = results.documents()
    assert results.part(document) in text and results.targets() in text


def test_the_page_shows_what_was_kept(scanrate):
    from bench import page, results

    text = page.DOCS.read_text()
    for document in results.documents():
        begin, end = page.marks(document["name"])
        assert f"{begin}\n{results.part(document)}{end}" in text
    begin, end = page.marks("targets")
    assert f"{begin}\n{results.targets()}{end}" in text


def test_the_cpu_time_of_all_children_is_counted(scanrate):
    from bench.cputime import metered

    # A grandchild in a session of its own, as an sshd's are, that takes 0.2 s of CPU.
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    argv = ["setsid", "--wait", "sh", "-c", f'"{sys.executable}" -c "{burn}"']
    with metered() as meter:
        if meter is None:
            pytest.skip("hardware: no control group may be made here")
        before = meter()
        subprocess.run(argv, check=True)
        assert meter() - before >= 0.2
        assert Path("/proc/self/cgroup").read_text().count("hotkit-bench-") >= 1
    assert "hotkit-bench-" not in Path("/proc/self/cgroup").read_text()
