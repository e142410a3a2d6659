"""Which target of an import a report is about."""

from __future__ import annotations

import pytest

from hotkit.core.imported import Imported
from tests.unit.core.test_regions import plain


@pytest.mark.parametrize(
    ("sizes", "main"),
    [([[5], [9], [7]], 1), ([[5], [4, 3], [6]], 1), ([[3], [7], [7]], 1), ([[0], []], 0)],
)
def test_the_main_target_is_the_first_with_the_most_memory_seen(sizes, main):
    targets = tuple(plain([(0, size, 0) for size in some if size]) for some in sizes)
    found = Imported(form="f", tracker="damon", unit="checks", targets=targets)
    assert found.main == main
    assert (found.notes, found.skipped) == ((), 0)
