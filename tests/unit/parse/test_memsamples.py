"""perf's samples with addresses: which fields a text has, steps, pages, processes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.regionmap import recording_of
from hotkit.core.regions import accessed_bytes, shares
from hotkit.errors import HotkitError
from hotkit.parse.memsamples import FIELD_LISTS, fields_of, read_samples
from hotkit.parse.perf_script import FIELDS
from tests.unit.damorecords import DATA

PERF = DATA.parent / "perf"
PAGE = 4096
ASKED = "pid,time,event,addr"


def sample(at_s, address, pid=7, event="page-faults"):
    return f"{pid:>7} {at_s:.6f}: {event}: {address:>16x} \n"


def read(text, **more):
    return read_samples(text, "samples", ASKED, **more)


@pytest.mark.parametrize(
    ("file", "fields"),
    [
        ("script-mem-loads.txt", FIELDS),
        ("script-ibs.txt", "comm,tid,cpu,time,event,addr,data_src,weight,ip,sym,symoff,dso"),
        ("script-page-faults.txt", "comm,pid,tid,cpu,time,period,event,addr,ip,sym,dso"),
    ],
)
def test_the_fields_of_a_text_are_found_out(file, fields):
    text = (PERF / file).read_text()
    assert fields_of(text) == fields
    found = read_samples(text, "samples", None)
    assert f"the fields are taken for {fields}" in found.notes
    assert sum(int(one.accesses.sum()) for one in found.targets) >= 2


def test_a_text_with_one_number_is_not_guessed_at():
    """It may be where the code was as well as where the data was."""
    text = "".join(sample(n, PAGE * n) for n in range(1, 5))
    assert fields_of(text) is None
    with pytest.raises(HotkitError, match="line 1: no samples with data addresses"):
        read_samples(text, "samples", None)
    assert read(text).targets[0].snapshots > 1


def test_steps_pages_and_processes():
    text = (
        sample(1.0, 0x10008) + sample(1.05, 0x10FF8) + sample(1.05, 0x11000)
        + sample(1.25, 0x12000) + sample(1.3, 0x7F0000000000, pid=9)
    )  # fmt: skip
    first, second = read(text).targets
    assert [str(one.target) for one in (first, second)] == ["pid 7", "pid 9"]
    assert list(first.at_ns - first.since_ns) == [200_000_000, 100_000_000]
    # The first step: two samples in one page, one in the next; the third page was not seen.
    assert list(first.start[:3]) == [0x10000, 0x11000, 0x12000]
    assert list(first.accesses[:3]) == [2, 1, 0] and list(shares(first)[:3]) == [1, 0.5, 0]
    assert list(accessed_bytes(first)) == [2 * PAGE, PAGE]
    # Both have the same steps, and of its memory each knows all the time.
    assert list(second.since_ns) == list(first.since_ns)
    assert list(accessed_bytes(second)) == [0, PAGE]
    assert recording_of(first).looked_fraction == 1


def test_pieces_of_memory_far_apart_are_no_cold_memory():
    text = sample(1, PAGE) + sample(1, 4 * PAGE) + sample(1, 1 << 40)
    (found,) = read(text).targets
    assert int(found.sizes.sum()) == 5 * PAGE


def test_what_was_lost_or_has_no_address_is_said():
    text = (PERF / "script-mem-loads.txt").read_text()
    notes = read_samples(text, "samples", None).notes
    assert "25 samples were lost, as perf says" in notes
    assert "1 samples have no data address and are left out" in notes
    with pytest.raises(HotkitError, match="none of the samples has a data address"):
        read(sample(1, 0))
    with pytest.raises(HotkitError, match="samples without a time"):
        read_samples("7 page-faults: 1000\n", "samples", "pid,event,addr")


def test_the_lists_that_are_tried_all_have_an_address_and_an_ip():
    for fields in FIELD_LISTS:
        assert {"addr", "ip", "time", "event"} <= set(fields.split(","))


@given(
    samples=st.lists(
        st.tuples(st.integers(0, 3000), st.integers(1, 400), st.sampled_from([7, 9])),
        min_size=1, max_size=40,
    ),
    every_ms=st.sampled_from([1, 50, 200, 5000]),
)  # fmt: skip
def test_no_sample_is_lost_and_regions_do_not_overlap(samples, every_ms):
    text = "".join(sample(5 + ms / 1000, page * PAGE + 8, pid) for ms, page, pid in samples)
    found = read(text, every_ms=every_ms)
    assert len(found.targets) == len({pid for _, _, pid in samples})
    for one in found.targets:
        own = [(ms, page) for ms, page, pid in samples if pid == one.target.number]
        pages = (one.sizes // PAGE).astype(int)
        assert int((one.accesses * pages).sum()) == len(own)
        for number in range(one.snapshots):
            part = slice(one.first[number], one.first[number + 1])
            assert (one.start[part][1:] >= one.end[part][:-1]).all()
        assert (one.at_ns > one.since_ns).all() and shares(one).max() <= 1


@given(text=st.text(alphabet="0123456789abcdef.: /-[]()\n", max_size=200))
def test_any_text_is_read_or_refused(text):
    for fields in (ASKED, None):
        try:
            read_samples(text, "samples", fields)
        except HotkitError as error:
            assert error.message


def test_a_time_with_a_wrong_digit_takes_no_memory():
    """Found by fuzzing: steps up to there were made one by one."""
    with pytest.raises(HotkitError, match="200,001 steps of 200 ms: is one of the times damaged"):
        read(sample(1, 0x10000) + sample(40_001, 0x10000))
    assert read(sample(1, 0x10000) + sample(40_000.9, 0x10000)).targets[0].snapshots == 200_000
