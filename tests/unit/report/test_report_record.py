"""The map in characters and as a figure, and what the report says beside it."""

from __future__ import annotations

import io
import json
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from rich.console import Console

from hotkit.core.record import Recording
from hotkit.errors import HotkitError
from hotkit.record import Scene
from hotkit.recordreading import load_recording
from hotkit.report.heatmap import HeatMap, caption
from hotkit.report.record import print_recording, scene_view, title, to_dict
from hotkit.report.recordfigure import draw, write_figure
from tests.unit.recordings import BASE, PAGES, events, write

PAGE = 4096


@pytest.fixture
def result(tmp_path):
    return load_recording(write(tmp_path / "seen", events()))


def printed(what, **options):
    console = Console(file=io.StringIO(), width=100, **options)
    console.print(what)
    return console.file.getvalue()


def report(result, at_least=0.5):
    console = Console(file=io.StringIO(), width=120)
    print_recording(result, console, at_least)
    return console.file.getvalue()


def rows(said):
    """The cells of the map and of its truth, line by line."""
    return re.findall(r"│(.*)│ ?(.*)", said)


def small(*lines, ranges=None):
    """One bin per line, one step per letter: 0 to 9 tenths, x not looked at."""
    share = np.array([[np.nan if c == "x" else int(c) / 9 for c in line] for line in lines])
    steps = share.shape[1]
    bins = ranges or tuple((BASE + i * PAGE, BASE + (i + 1) * PAGE) for i in range(len(lines)))
    at = (np.arange(steps, dtype=np.int64) + 1) * 10**9
    return Recording(bins=bins, since_ns=at - 10**9, at_ns=at, share=share)


def test_a_cell_shows_its_share_and_unseen_is_not_cold():
    said = printed(HeatMap(small("09x", "1x4"), lines=2))
    first, second = (cells for cells, _ in rows(said))
    third = len(first) // 3
    assert first[1] == " " and first[third + 2] == "█" and first[-1] == "·"
    assert second[1] == "░" and second[third + 2] == "·" and second[-1] == "▒"
    assert "· not looked at" in said


def test_what_is_not_zero_is_never_blank():
    tiny = small("1")
    tiny.share[0, 0] = 1 / 255
    assert set(rows(printed(HeatMap(tiny, lines=1)))[0][0]) == {"░"}


def test_colours_put_two_rows_into_a_line():
    said = printed(HeatMap(small("9", "0"), lines=1), force_terminal=True, color_system="truecolor")
    cells = re.findall(r"\x1b\[38;2;([\d;]+);48;2;([\d;]+)m▀", said)
    assert set(cells) == {("252;255;164", "0;0;4")}
    assert "grey: not looked at" in said


def test_no_color_is_respected():
    said = printed(
        HeatMap(small("9", "0"), lines=2), force_terminal=True, color_system="truecolor",
        no_color=True,
    )  # fmt: skip
    assert "38;2" not in said and "█" in said


def test_axes_name_their_units():
    said = printed(HeatMap(small("90", "09", "00", "00"), lines=4, until_ns=4 * 10**9))
    assert "+0.0 MiB" in said
    assert re.search(r"0 s +2\.0 s +4\.0 s", said)
    # What lies behind the last step has not come yet.
    assert rows(said)[0][0].endswith("····")


def test_several_ranges_have_addresses_and_no_gap():
    ranges = ((0x1000, 0x3000), (0x7F0000000000, 0x7F0000002000))
    seen = small("9", "0", ranges=ranges)
    said = printed(HeatMap(seen, lines=8))
    assert " 1000 │" in said and "7f0000000000 │" in said
    assert "2 ranges (gaps left out)" in caption(seen)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_is_wider_than_the_console(result, width):
    console = Console(file=io.StringIO(), width=width)
    console.print(HeatMap(result.recording, lines=4))
    lines = console.file.getvalue().splitlines()
    shown = [line for line in lines if "│" in line or line.rstrip().endswith("truth")]
    assert len(shown) == 5
    assert all(len(line) <= width for line in shown)


def test_the_report(result):
    said = report(result)
    assert said.startswith("tier1: softdirty (interval_ms 100) [emulated]")
    assert "EMULATED: shows what a tracker sees, never what it costs" in said
    cells = rows(said)
    # The hot quarter is full from left to right, beside its truth; the rest is not.
    assert set(cells[0][0]) == {"█"} and "█" in cells[0][1]
    assert "█" not in "".join(cells[-1][:2])
    hot = f"{BASE:#x}-{BASE + PAGES * PAGE // 4:#x}"
    assert re.search(rf"{hot} │ +\+0 B │ +1 MiB │ +100\.0 %", said)
    assert "100.0 % of the hot memory was called hot; 100.0 % of what was called hot is hot" in said
    assert "40,960 (PTE examined), 12,345 (soft-dirty page)" in said
    assert "seen" in said and "CPU model TCG" in said
    assert said.count("emulated") >= 4
    assert "CUT OFF" not in said and "Looked at" not in said


def test_the_label_of_hardware_is_no_warning(tmp_path):
    folder = write(tmp_path / "m", events(), platform="metal", platform_evidence="no hypervisor")
    said = report(load_recording(folder))
    assert "[metal]" in said and "EMULATED" not in said


def test_a_moving_hot_range_has_a_truth_over_time(tmp_path):
    result = load_recording(write(tmp_path / "moving", events(phases=4)))
    truths = [truth for _, truth in rows(report(result))[:24]]
    assert truths[0].startswith(" ███") or truths[0].startswith("███")
    assert truths[0].rstrip() != truths[-1].rstrip() and truths[-1].rstrip().endswith("███")
    assert to_dict(result, 0.5)["truth"]["found"] == pytest.approx(1)


def test_what_was_cut_off_says_so(tmp_path):
    cut = [event for event in events(phases=4) if event["type"] != "end" and "units" not in event]
    said = report(load_recording(write(tmp_path / "cut", cut[:20])))
    assert "CUT OFF: the run did not end" in said
    assert "ground truth: not known of a run that was cut off" in said
    assert "samples:" not in said


def test_memory_that_nobody_looked_at(tmp_path):
    result = load_recording(write(tmp_path / "half", events(looks=(PAGES // 2, PAGES))))
    said = report(result)
    assert "Looked at: 50.0 % of this memory and time" in said
    # The hot quarter was not looked at: not found is not the same as undefined.
    assert "undefined of the hot memory was called hot" in said
    assert to_dict(result, 0.5)["truth"]["found"] is None


def test_a_map_without_any_heat_says_so(tmp_path):
    cold = events(steps=2)
    for event in cold:
        if event.get("part"):
            event["share_zlib_base64"] = events(looks=(0, 0))[1]["share_zlib_base64"]
    said = report(load_recording(write(tmp_path / "cold", cold)))
    assert "Nothing was found accessed" in said and "│ none" in said


def test_json_is_strict_and_has_its_units_in_its_keys(result):
    found = json.loads(json.dumps(to_dict(result, 0.5), allow_nan=False))
    assert found["schema_version"] == 1 and found["label"]["platform"] == "emulated"
    assert found["duration_s"] == 4 and found["steps"] == 40 and found["bins"] == 64
    assert found["size_bytes"] == PAGES * PAGE
    assert list(found["working_set_bytes"]) == ["0", "25", "50", "75", "100"]
    # A quarter, and a twentieth of the rest.
    assert found["working_set_bytes"]["50"] == pytest.approx(0.2875 * PAGES * PAGE, rel=0.02)
    assert found["hot_ranges"] == [
        {"start": BASE, "end": BASE + PAGES * PAGE // 4, "share": 1.0}
    ]  # fmt: skip
    assert to_dict(result, 0.01)["hot_ranges"][0]["end"] == BASE + PAGES * PAGE


def test_the_live_view_fills_from_the_left(result):
    whole = result.recording
    half = Recording(
        bins=whole.bins, since_ns=whole.since_ns[:20], at_ns=whole.at_ns[:20],
        share=whole.share[:, :20], phases=whole.phases,
    )  # fmt: skip

    def scene(step):
        return Scene(
            host="tier1", step=step, tracker="softdirty", settings={"interval_ms": 100},
            label=result.label, recording=half, wanted_s=4.0,
        )  # fmt: skip

    said = printed(scene_view(scene("running"), 2.5, height=20))
    assert "softdirty (interval_ms 100) [emulated]  running  2 s" in said
    assert re.fullmatch("█+·+", rows(said)[0][0])
    assert len(said.splitlines()) < 20
    assert "·" not in rows(printed(scene_view(scene("done"), 2.5, height=20)))[0][0]
    empty = Scene(host="tier1", step="installing the agent", tracker="none", settings={})
    assert printed(scene_view(empty, 1.0, height=20)).strip() == (
        "tier1: none  installing the agent  1 s"
    )


def test_a_placement_is_named_when_it_is_not_the_default():
    def name(**settings):
        return title("h", "t", settings, None)

    assert name(placement="shared", cpu=0) == "h: t"
    assert name(placement="spare", cpu=0) == "h: t (placement spare)"
    assert name(placement="pinned", cpu=3, interval_ms=5) == (
        "h: t (cpu 3, interval_ms 5, placement pinned)"
    )


def test_a_png(result, tmp_path):
    file = tmp_path / "map.png"
    write_figure(result, file)
    assert file.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_an_svg_says_what_it_shows_and_is_the_same_each_time(result, tmp_path):
    first, second = tmp_path / "a.svg", tmp_path / "b.svg"
    write_figure(result, first)
    write_figure(result, second)
    assert first.read_bytes() == second.read_bytes()
    words = " ".join(ElementTree.parse(first).getroot().itertext())
    for said in (
        "tier1: softdirty (interval_ms 100) [emulated]",
        "EMULATED: shows what a tracker sees, never what it costs",
        "time since tracking began (s)",
        "(MiB)",
        "found accessed (% of what was looked at)",
        "hot range (ground truth)",
        "not looked at",
    ):
        assert said in words


def test_the_figure_shows_the_recording(result):
    axes = draw(result).axes[0]
    mesh = axes.collections[0]
    np.testing.assert_allclose(mesh.get_array(), 100 * result.recording.share)
    assert axes.get_xlim() == (0, 4) and axes.get_ylim() == (4, 0)
    # The truth: a box around the first MiB.
    points = np.concatenate(axes.collections[1].get_segments())
    assert points.min(axis=0).tolist() == [0, 0] and points.max(axis=0).tolist() == [4, 1]


def test_a_figure_of_another_kind_or_place_is_one_sentence(result, tmp_path):
    with pytest.raises(HotkitError, match="not a figure that can be written"):
        write_figure(result, tmp_path / "map.gif")
    with pytest.raises(HotkitError, match="cannot be written: No such file"):
        write_figure(result, tmp_path / "nowhere" / "map.png")
