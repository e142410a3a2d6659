"""Text of DAMON's tracepoints: kdamonds side by side, tuned intervals, what was lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.regions import NO_AGE, Intervals, Target, accessed_bytes, frequency_hz
from hotkit.errors import HotkitError
from hotkit.parse.damon_trace import read_damon_trace
from tests.unit.damorecords import DATA, MS, records, trace_line

K = 4096
KNOWN = Intervals(sample_us=5000, aggr_us=100000)
TRACKERS = DATA.parent / "trackers"


def read(text, piece=1 << 20, known=None):
    blob = text.encode()
    return read_damon_trace(
        (blob[i : i + piece] for i in range(0, len(blob), piece)), "trace", lambda target: known
    )


def one(text, known=None):
    (found,) = read(text, known=known).targets
    return found


@pytest.mark.parametrize("file", [TRACKERS / "damon-trace.txt", DATA / "damo-lab.perf_script"])
def test_the_captured_trace_as_ftrace_and_as_damo_print_it(file):
    found = read(file.read_text(), known=KNOWN)
    (target,) = found.targets
    assert (target.snapshots, target.regions) == (4, 32)
    assert list(accessed_bytes(target)) == [0, 0, 17354752, 0]
    assert int(target.start[0]) == 4194304 and int(target.at_ns[0]) == 1427700926000
    # damo says of the last, which was cut off, that it has two regions.
    assert target.lost == (8 if file.suffix == ".txt" else 0)


def test_a_buffer_that_overflowed():
    found = read((TRACKERS / "damon-trace-lost.txt").read_text())
    assert found.targets[0].lost == 11
    assert found.notes[:2] == (
        "11 regions are missing in their snapshots: events were lost",
        "the tracer says that 312 events were lost",
    )


def test_kdamonds_that_are_traced_side_by_side_are_kept_apart():
    found = read((DATA / "interleaved.txt").read_text(), known=KNOWN)
    assert [str(target.target) for target in found.targets] == ["target 0", "kdamond 1, target 0"]
    first, second = found.targets
    assert list(first.first) == [0, 3, 6] and list(second.first) == [0, 2, 4]
    assert list(first.accesses) == [1, 2, 3] * 2 and list(second.accesses) == [7, 8] * 2
    assert first.lost == second.lost == 0


def test_two_threads_of_one_name_are_two():
    text = trace_line(1, K, 2 * K, 1) + trace_line(1, K, 2 * K, 2, thread="kdamond.0  99")
    found = read(text)
    assert [target.target.kdamond for target in found.targets] == [0, 1]


def test_a_tuned_interval_holds_from_its_event_on():
    found = one((DATA / "tuned.txt").read_text(), KNOWN)
    assert list(found.sample_us) == [5000, 5000, 80000, 80000]
    assert list(found.aggr_us) == [1e5, 1e5, 1.6e6, 1.6e6]
    assert list(frequency_hz(found)[::2]) == [200, 200, 12.5, 6.25]
    # The share does not depend on it: as many checks as before.
    assert list(found.full) == [20] * 4
    without = one((DATA / "tuned.txt").read_text())
    assert np.array_equal(without.sample_us, [np.nan, np.nan, 8e4, 8e4], equal_nan=True)
    assert without.relative and list(without.full) == [20] * 4


def test_where_a_snapshot_begins():
    text = "".join(trace_line(10 + n / 10, K, 2 * K, 1) for n in (0, 1, 2, 5))
    found = one(text)
    assert list((found.at_ns - found.since_ns) // MS) == [100, 100, 100, 300]
    assert list(found.since_ns[1:]) == list(found.at_ns[:-1])


def test_a_single_snapshot_took_as_long_as_damo_makes_up_or_as_was_asked():
    line = trace_line(10, K, 2 * K, 1)
    fake = trace_line(10.25, 0, 0, -1).replace(": -1 0", ": -1 -1")
    assert list(one(line + fake).since_ns) == [9_750 * MS]
    assert list(one(line, KNOWN).since_ns) == [9_900 * MS]
    assert list(one(line).since_ns) == [10_000 * MS]


def test_an_age_that_old_kernels_do_not_tell():
    found = one(trace_line(1, K, 2 * K, 1).replace(": 1 0\n", ": 1\n"))
    assert list(found.age) == [NO_AGE]


@pytest.mark.parametrize(
    ("event", "target"),
    [
        (
            "damos_before_apply: ctx_idx=1 scheme_idx=2 target_idx=3",
            Target(context=1, scheme=2, number=3),
        ),
        ("damon_region_aggregated: target_id=4", Target(number=4)),
        ("damon_aggregated_v2: target_id=4", Target(number=4)),
        ("damon_aggregated: target_id=18446623435582458880", Target(number=18446623435582458880)),
    ],
)
def test_other_events_and_future_ones(event, target):
    line = f"kdamond.0 44/44 [001] 1.000001: damon:{event} nr_regions=1 1-2: 3 4 probe_hits=14 00\n"
    found = one(line)
    assert found.target == target and list(found.accesses) == [3] and list(found.age) == [4]


def test_trace_cmd_with_and_without_its_latency_field():
    for middle in ("[005] ..... ", "[005] "):
        event = "damon_aggregated:     target_id=0 nr_regions=1 4096-8192: 2 974"
        found = one(f"cpus=2\n   kdamond.1-129062 {middle}101005.778382: {event}\n")
        assert found.target == Target(kdamond=1) and list(found.at_ns) == [101005778382000]


def test_regions_that_are_missing_do_not_shift_the_snapshots():
    """The end of one and the beginning of the next are lost: addresses never go back."""
    parts = [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (4, 2), (5, 1), (5, 2)]
    text = "".join(trace_line(at, n * 2 * K, n * 2 * K + K, at, regions=2) for at, n in parts)
    found = one(text)
    assert list(np.diff(found.first)) == [2, 2, 1, 1, 2] and found.lost == 2


def test_damaged_lines_are_counted_and_the_first_is_named():
    good = trace_line(1, K, 2 * K, 1)
    bad = good.replace("4096-8192", "4096-x"), trace_line(2, 2 * K, K, 1)
    found = read("# a comment\n" + good + bad[0] + bad[1] + good[:-20])
    assert found.skipped == 3
    assert "3 damaged lines were passed over, the first is line 3" in found.notes
    assert found.targets[0].regions == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "lines 1 to 0: no region of DAMON"),
        ("true-9 [000] 1.5: sched_process_exit: comm=true\n" * 3, "lines 1 to 3: no region"),
        (trace_line(1, 2, 1, 1), "line 1: no region"),
        (
            trace_line(1, K, 99999999999999999999, 1),
            "from line 1 on: a number of more than 64 bits",
        ),
    ],
)
def test_what_holds_nothing_is_refused(text, words):
    with pytest.raises(HotkitError, match=words):
        read(text)


@given(record=records(with_intervals=True), piece=st.integers(1, 200))
def test_a_record_printed_as_a_trace_is_read_in_any_pieces(record, piece):
    # A trace tells times in us, and nothing of a snapshot without regions.
    times = (np.arange(record.snapshots) + 1) * 100_000
    lines, kept = [], []
    for number in range(record.snapshots):
        rows = range(record.first[number], record.first[number + 1])
        kept += [number] if len(rows) else []
        for row in rows:
            lines.append(
                trace_line(
                    times[number] / 1e6, record.start[row], record.end[row], record.accesses[row],
                    regions=len(rows), age=max(0, record.age[row]),
                )
            )  # fmt: skip
    (found,) = read("".join(lines), piece, KNOWN).targets
    assert list(found.at_ns) == [int(times[number]) * 1000 for number in kept]
    for name in ("start", "end", "accesses"):
        assert np.array_equal(getattr(found, name), getattr(record, name))
    assert (
        list(np.diff(found.first)) == [int(record.first[n + 1] - record.first[n]) for n in kept]
        and found.lost == 0
    )


@given(
    data=st.data(), text=st.sampled_from(["tuned.txt", "interleaved.txt", "damo-lab.perf_script"])
)
def test_a_damaged_trace_is_refused_or_read_but_never_worse(data, text):
    blob = bytearray((DATA / text).read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(blob) - 1))
        blob[at : at + data.draw(st.integers(0, 60))] = data.draw(st.binary(max_size=6))
    try:
        found = read_damon_trace([bytes(blob)], "trace")
    except HotkitError as error:
        assert "line" in error.message
    else:
        assert all(target.regions for target in found.targets)


def test_a_number_that_no_kernel_prints_is_not_read():
    """Python refuses more than 4300 digits (found by fuzzing)."""
    text = (DATA / "damo-lab.perf_script").read_text()
    assert "target_id=" in text
    found = one(text.replace("target_id=0", "target_id=" + "9" * 5000))
    assert found.target.number == 0


def test_a_name_that_is_blank_to_unicode_only():
    """Found by fuzzing: a thread called \\x1d, which str.split() takes for white space."""
    text = (TRACKERS / "damon-trace.txt").read_text()
    line = next(line for line in text.splitlines() if "damon_aggregated" in line)
    found = one("  \x1d" + line + "\n")
    assert (found.regions, found.target.kdamond) == (1, 0)
