"""memtierd's raw dumps: scans of processes, the cap that they do not tell, broken lines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.regions import shares
from hotkit.errors import HotkitError
from hotkit.parse.memtierd import read_memtierd
from tests.unit.damorecords import DATA

PAGE = 4096
HEAD = "          timestamp       pid             addr    pages     accs   writes"


def line(at, pid, addr, pages, accs, writes):
    """Go's "%20d %8d %16x %8d %8d %8d"."""
    return f"{at:20d} {pid:8d} {addr:16x} {pages:8d} {accs:8d} {writes:8d}"


def read(text):
    return read_memtierd([text.encode()], "memtierd")


def test_scans_of_two_processes_with_the_header_twice():
    found = read_memtierd([(DATA / "memtierd-softdirty.txt").read_bytes()], "memtierd")
    first, second = found.targets
    assert (str(first.target), first.snapshots, first.regions) == ("pid 4242", 6, 48)
    assert list(np.diff(first.at_ns)) == [5_000_000_000] * 5
    assert list(first.accesses[:8]) == [0, 0, 1, 1, 0, 0, 0, 0]
    assert list(shares(second)) == [0, 1] * 3
    assert first.relative and found.unit == "pages found accessed"
    assert "MaxCountPerRegion: a region is wholly hot with 1 pages" in found.notes[0]


def test_a_higher_cap_and_a_region_of_fewer_pages():
    text = "\n".join(
        [HEAD, line(5, 1, PAGE, 512, 64, 0), line(5, 1, PAGE * 600, 10, 5, 0),
         line(5, 1, PAGE * 700, 512, 16, 3)]
    )  # fmt: skip
    (found,) = read(text).targets
    assert list(found.full) == [64]
    # 64 of 64, 5 of 10, 16 of 64.
    assert list(shares(found)) == [1, 0.5, 0.25]
    assert "no writes" not in " ".join(read(text).notes)


def test_the_regions_that_damon_told_one_by_one():
    rows = [line(10**9 * scan + n, 1, PAGE * 10 * n, 5, n, 0) for scan in (1, 2) for n in (1, 2, 3)]
    found = read("\n".join([HEAD, *rows]) + "\n")
    assert list(found.targets[0].first) == [0, 3, 6]
    assert found.notes[-1] == "there are accesses, and no writes: idlepage or damon looked"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: the dump holds no accesses"),
        (HEAD + "\n", "line 1: the dump holds no accesses"),
        (f"{HEAD}\n{line(5, 1, 4096, 1, 1, 0)}\n 5 1 zz 1", "line 3: not a line of memtierd's raw"),
        (f"{HEAD}\n{line(5, 1, 4096, 0, 1, 0)}", "line 2: no memory is at 0x1000, 0 pages"),
        (f"{HEAD}\n{line(5, 1, (1 << 64) - 4096, 2, 1, 0)}", "line 2: no memory"),
        (f"{HEAD}\n{line(1 << 63, 1, 4096, 2, 1, 0)}", "line 2: no memory|not a line"),
        ("error: not recording", "line 1: not a line of memtierd's raw dump: error: not rec"),
    ],
)
def test_what_is_broken_is_named_with_its_line(text, words):
    with pytest.raises(HotkitError, match=words):
        read(text)


def test_a_later_version_may_add_columns():
    (found,) = read(f"{HEAD} node\n{line(5, 1, 4096, 1, 1, 0)}        2\n").targets
    assert found.regions == 1


ROWS = st.lists(
    st.tuples(st.integers(1, 500), st.integers(1, 9999), st.integers(0, 600)),
    min_size=1,
    max_size=8,
)


@given(scans=st.lists(ROWS, min_size=1, max_size=4), writes=st.booleans())
def test_what_is_printed_is_read(scans, writes):
    lines, wanted = [HEAD], []
    for number, rows in enumerate(scans):
        place = 1
        for pages, gap, count in rows:
            count = min(count, pages)
            place += gap
            wanted.append((place * PAGE, (place + pages) * PAGE, count, pages))
            at = 1_700_000_000_000_000_000 + number * 10**9
            pair = (0, count) if writes else (count, 0)
            lines.append(line(at, 7, place * PAGE, pages, *pair))
            place += pages
    (found,) = read("\n".join(lines)).targets
    assert [(int(a), int(b)) for a, b in zip(found.start, found.end, strict=True)] == [
        row[:2] for row in wanted
    ]
    most = max(1, *(row[2] for row in wanted))
    for share, (_, _, count, pages) in zip(shares(found), wanted, strict=True):
        assert share == pytest.approx(count / min(most, pages), abs=1 / most)
        assert (share > 0) == (count > 0)


@given(text=st.text(alphabet="0123456789abcdef \n\ttimespdrgcw", max_size=200))
def test_any_text_is_read_or_refused(text):
    try:
        read(text)
    except HotkitError as error:
        assert error.message.startswith("line ")
