"""The frames that the scanner asks about (trackers/src/frames.c), on real pages of this machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from scanning import SOURCES

from hotkit.agent.access import no_frames

HUGE = 512
NR = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
THP = Path("/sys/kernel/mm/transparent_hugepage/enabled")
pytestmark = pytest.mark.skipif(
    no_frames() is not None or not os.access("/proc/kpageflags", os.R_OK),
    reason="pagemap shows frames, and kpageflags opens, to root only",
)
needs_thp = pytest.mark.skipif(
    not THP.exists() or "[never]" in THP.read_text(), reason="transparent huge pages are off here"
)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    built = tmp_path_factory.mktemp("frames") / "frames"
    own = Path(__file__).with_name("frames.c")
    flags = ["-O1", "-g", "-std=gnu11", "-Wall", "-Wextra", "-Werror", f"-I{SOURCES}"]
    subprocess.run(["gcc", *flags, "-o", built, own, SOURCES / "frames.c"], check=True)
    return built


def frames(program, kind, *watched):
    """The first page's frame, and (frame, index, count) of each entry."""
    words = [str(word) for pair in watched for word in pair]
    said = subprocess.run([program, kind, *words], capture_output=True, text=True, check=True)
    first, *rest = said.stdout.splitlines()
    return int(first), [tuple(map(int, line.split())) for line in rest]


def test_small_pages_are_asked_about_one_by_one(program):
    _, found = frames(program, "small", (0, 1024), (1030, 3))
    assert len(found) == 1027 and {count for _, _, count in found} == {1}
    assert sorted(index for _, index, _ in found) == list(range(1027))
    assert found == sorted(found)


@needs_thp
def test_a_huge_page_is_asked_about_once(program):
    first, found = frames(program, "transparent", (0, 2 * HUGE))
    if first % HUGE:
        pytest.skip("no huge page was free here")
    assert sorted((index, count) for _, index, count in found) == [(0, HUGE), (HUGE, HUGE)]
    assert first in [frame for frame, _, _ in found]


@needs_thp
def test_a_part_of_a_huge_page_is_asked_about_by_its_first_frame(program):
    """What a workload has of a VM on huge pages; the other frames keep no bit."""
    first, found = frames(program, "transparent", (100, 32), (200, 1), (500, 2 * HUGE + 20))
    if first % HUGE:
        pytest.skip("no huge page was free here")
    parts = {index: (frame, count) for frame, index, count in found}
    assert {index: count for index, (_, count) in parts.items()} == {
        0: 32, 32: 1, 33: 12, 33 + 12: HUGE, 33 + 12 + HUGE: HUGE, 33 + 12 + 2 * HUGE: 8,
    }  # fmt: skip
    assert parts[0][0] == parts[32][0] == parts[33][0] == first
    assert all(frame % HUGE == 0 for frame, _, _ in found)


@pytest.fixture
def pool():
    """Five pages of hugetlbfs, given back afterwards."""
    before = NR.read_text() if NR.exists() else None
    try:
        if before is not None:
            NR.write_text(f"{int(before) + 5}\n")
    except OSError:
        before = None
    if before is None or int(NR.read_text()) < int(before) + 5:
        pytest.skip("this machine gives us no pages of hugetlbfs")
    yield
    NR.write_text(before)


@pytest.mark.parametrize("watched", [(0, HUGE), (100, 32), (100, 3 * HUGE)])
def test_pages_of_hugetlbfs_are_refused(program, pool, watched):
    """The kernel keeps no bit for them: all of them would look accessed."""
    said = subprocess.run(
        [program, "hugetlb", *map(str, watched)], capture_output=True, text=True, check=False
    )
    assert said.returncode == 3 and "pages of hugetlbfs, of which" in said.stderr
