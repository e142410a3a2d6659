"""DAMON's tracepoint: captured text (tests/data/trackers), what damage does to it, and the sums."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.agent.damon_trace import Records, Region, parse_trace
from hotkit.agent.trackers.damon import page_counts, physical_counts

DATA = Path(__file__).resolve().parents[2] / "data" / "trackers"
TRACE = (DATA / "damon-trace.txt").read_text()
LOST = (DATA / "damon-trace-lost.txt").read_text()
PAGE = 4096


def line(start, end, accesses, count, at="12.345678", age=" 7"):
    return (
        f"       kdamond.0-948     [001] .....  {at}: damon_aggregated: target_id=0 "
        f"nr_regions={count} {start}-{end}: {accesses}{age}\n"
    )


def aggregation(count, accesses=1, at="12.345678", age=" 7"):
    """All regions of one, of a page each."""
    return [
        line(PAGE * number, PAGE * (number + 1), accesses, count, at, age)
        for number in range(1, count + 1)
    ]


def test_captured():
    found = parse_trace(TRACE)
    assert (found.aggregations, found.lost, found.damaged) == (4, 0, 0)
    assert len(found.regions) == 32  # the process that ended is none
    assert found.regions[0] == Region(1427_700926_000, 4194304, 13127680, 0, 10)
    assert found.regions[26] == Region(1427_905020_000, 140507188092928, 140507196514304, 3, 10)
    assert sum(region.accesses for region in found.regions) == 4
    assert [region.start for region in found.regions[:10]] == [
        region.start for region in found.regions[10:20]
    ]


def test_captured_with_events_lost_in_the_midst():
    """The first five regions of one, then the last four of another, three seconds later."""
    found = parse_trace(LOST)
    text = LOST.splitlines()
    gap = text.index("CPU:0 [LOST 312 EVENTS]")
    assert (found.lost, found.damaged) == (312, 0)
    assert len(found.regions) == LOST.count("damon_aggregated:")
    # Each aggregation is written within a ms, and 100 ms after the one before.
    times = [region.at_ns for region in found.regions]
    seen = 1 + sum(b - a > 50_000_000 for a, b in zip(times, times[1:], strict=False))
    assert found.aggregations == seen
    before, after = ("\n".join(part) for part in (text[:gap], text[gap + 1 :]))
    assert parse_trace(before).aggregations + parse_trace(after).aggregations == seen


@pytest.mark.parametrize("age", [" 7", " 0", ""])
def test_kernels_before_5_15_have_no_age(age):
    found = parse_trace("".join(aggregation(3, accesses=5, age=age) * 2))
    assert (found.aggregations, found.lost, found.damaged) == (2, 0, 0)
    assert found.regions[0] == Region(12_345678_000, PAGE, 2 * PAGE, 5, 3)


@pytest.mark.parametrize("age", [" 7", ""])
def test_other_headers_of_trace_pipe(age):
    """The name of a thread, latency flags and clocks differ; what follows the time does not."""
    event = f"damon_aggregated: target_id=18446612688886784 nr_regions=1 4096-8192: 3{age}"
    text = (
        f"kdamond.0 x: 1-98 [000] ..... 12.345: {event}\n <...>-98 [011] d..1. 7.000000001: {event}"
    )
    found = parse_trace(text)
    assert [region.at_ns for region in found.regions] == [12_345000000, 7_000000001]
    assert found.damaged == 0


def test_nothing():
    assert parse_trace("") == Records([], 0, 0, 0)


def test_other_events_between_change_nothing():
    other = "            true-949     [000] .....  1427.696043: sched_process_exit: comm=true\n"
    lines = aggregation(4) + aggregation(4)
    assert parse_trace(other + other.join(lines)) == parse_trace("".join(lines))


def test_a_loss_of_which_the_kernel_does_not_know_how_much():
    lines = aggregation(4)
    found = parse_trace("".join([*lines[:2], "CPU:1 [LOST EVENTS]\n", *lines[1:]]))
    assert (found.aggregations, found.lost) == (2, 1)


@given(
    counts=st.lists(st.integers(3, 12), min_size=1, max_size=6),
    data=st.data(),
)
def test_aggregations_with_a_gap_are_those_of_which_something_is_left(counts, data):
    """The number of regions changes from one to the next, and a gap may be anywhere."""
    events = [
        (number, text)
        for number, count in enumerate(counts)
        for text in aggregation(count, at=f"{number}.000001")
    ]
    low = data.draw(st.integers(0, len(events)))
    high = data.draw(st.integers(low, len(events)))
    gap = [f"CPU:0 [LOST {high - low} EVENTS]\n"] if high > low else []
    left = events[:low] + events[high:]
    text = "".join([t for _, t in events[:low]] + gap + [t for _, t in events[high:]])
    found = parse_trace(text)
    assert found.lost == high - low
    assert len(found.regions) == len(left)
    assert found.aggregations == len({number for number, _ in left})


@pytest.mark.parametrize(
    "damaged",
    [
        "1.5: damon_aggregated: target_id=0 nr_regions=10 4096-8192:",
        "1.5: damon_aggregated: target_id=0 nr_regions=10 4096-8192: ",
        "1.5: damon_aggregated: target_id=0 nr_regions=10 4096-81",
        "1.5: damon_aggregated: target_id=0 nr_regions=",
        "1.5: damon_aggregated:",
        "damon_aggregated: target_id=0 nr_regions=10 4096-8192: 3 7",
        "1.5: damon_aggregated: target_id=0 nr_regions=10 4096-8192: 3 7 9",
        "1.5: damon_aggregated: target_id=0 nr_regions=10 4096-8192: 3 7kdamond.0-98 [000]",
        "1.5: damon_aggregated: target_id=0 nr_regions=10 4096-8192: -3 7",
        "1.5: damon_aggregated: target_id=0 nr_regions=10 8192-4096: 3 7",
        "1.5: damon_aggregated: target_id=0 nr_regions=10 4096-4096: 3 7",
        "1.5: damon_aggregated: target_id=0 nr_regions=10 (efault)-8192: 3 7",
    ],
)
def test_a_damaged_line_is_counted_and_left_out(damaged):
    lines = aggregation(4)
    expected = parse_trace("".join(lines))
    assert parse_trace("".join([*lines, damaged, "\n", *lines])) == Records(
        expected.regions * 2, 2, 0, 1
    )
    # In the place of a line of its own it breaks no aggregation.
    for place in range(4):
        text = "".join([*lines[:place], damaged + "\n", *lines[place + 1 :], *lines])
        found = parse_trace(text)
        assert (len(found.regions), found.damaged, found.aggregations) == (7, 1, 2)


@given(cut=st.integers(0, len(LOST)))
def test_text_that_ends_anywhere(cut):
    """All whole lines are there; the torn one is damaged, or lacks no more than its age."""
    whole = LOST[:cut].rpartition("\n")[0]
    torn = LOST[:cut].rpartition("\n")[2]
    expected, found = parse_trace(whole), parse_trace(LOST[:cut])
    assert found.regions[: len(expected.regions)] == expected.regions
    assert len(found.regions) - len(expected.regions) + found.damaged <= 1
    if "damon_aggregated" in torn:
        assert len(found.regions) - len(expected.regions) + found.damaged == 1


@given(st.data())
def test_bytes_that_change_raise_nothing(data):
    text = list(TRACE)
    for place in data.draw(st.lists(st.integers(0, len(text) - 1), max_size=20)):
        text[place] = data.draw(st.characters())
    found = parse_trace("".join(text))
    assert all(region.start < region.end for region in found.regions)
    assert len(found.regions) <= 32


regions = st.lists(
    st.builds(
        lambda start, length, accesses: Region(0, start, start + length, accesses, 1),
        st.integers(0, 40 * PAGE) | st.integers(0, 40).map(lambda page: page * PAGE),
        st.integers(1, 20 * PAGE) | st.integers(1, 20).map(lambda pages: pages * PAGE),
        st.integers(0, 30),
    ),
    max_size=12,
)


@given(regions, st.integers(0, 20), st.integers(0, 30))
def test_page_counts_are_the_sums_over_the_regions_that_hold_the_page(found, first, pages):
    start, end = first * PAGE, (first + pages) * PAGE
    assert page_counts(found, start, end) == [
        sum(r.accesses for r in found if r.start <= at and at + PAGE <= r.end)
        for at in range(start, end, PAGE)
    ]


def test_page_counts_of_captured_text():
    found = parse_trace(TRACE).regions
    start, end = 140507188092928, 140507196514304
    assert set(page_counts(found, start, end)) == {3}
    assert set(page_counts(found, end, end + 8 * PAGE)) == {0}


@given(data=st.data())
def test_physical_counts_are_the_sums_over_the_regions_that_hold_the_frame(chosen_frames, data):
    """Frames in any order and places, some pages without one."""
    ranges = data.draw(
        st.lists(st.lists(st.integers(0, 60), min_size=1, max_size=8), min_size=1, max_size=3)
    )
    found = data.draw(regions)
    target = {"pid": 1, "ranges": []}
    for number, frames in enumerate(ranges):
        start = number << 20
        chosen_frames[start] = frames
        target["ranges"].append([start, start + len(frames) * PAGE])
    assert physical_counts(found, target) == [
        (
            number << 20,
            [
                sum(r.accesses for r in found if r.start <= frame * PAGE < r.end) if frame else 0
                for frame in frames
            ],
        )
        for number, frames in enumerate(ranges)
    ]


@pytest.fixture(scope="module")
def chosen_frames():
    """Frames of pages by the start of their range: real ones cannot be chosen."""
    frames = {}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            "hotkit.agent.trackers.damon.frames_of", lambda pid, start, end: frames[start]
        )
        yield frames
