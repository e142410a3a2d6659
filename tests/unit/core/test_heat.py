"""Heat against ground truth, by hand."""

import pytest

from hotkit.core.heat import HeatRange, pages_found

PAGE = 4096


def heat(start_page, *counts):
    return HeatRange(start=start_page * PAGE, page_bytes=PAGE, heat=bytes(counts))


@pytest.mark.parametrize(
    ("ranges", "start", "size", "expected"),
    [
        ([], 0, 8 * PAGE, (0, 0)),
        ([heat(0, 1, 0, 2, 0)], 0, 4 * PAGE, (4, 2)),
        ([heat(0, 1, 1, 1, 1)], PAGE, 2 * PAGE, (2, 2)),
        # Only pages that lie whole inside the hot range count.
        ([heat(0, 1, 1, 1, 1)], PAGE + 8, 2 * PAGE, (1, 1)),
        # A hot page that nobody scanned was not found.
        ([heat(2, 1, 1)], 0, 4 * PAGE, (4, 2)),
        ([heat(0, 1), heat(3, 0, 5)], 0, 5 * PAGE, (5, 2)),
        ([heat(100, 1)], 0, 4 * PAGE, (4, 0)),
    ],
)
def test_pages_found(ranges, start, size, expected):
    assert pages_found(ranges, start, size) == expected
