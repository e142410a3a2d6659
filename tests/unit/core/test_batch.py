"""How many hosts at once."""

import pytest

from hotkit.core.batch import Batch
from hotkit.errors import HotkitError


@pytest.mark.parametrize(
    ("text", "hosts", "size"),
    [(None, 1, 1), (None, 2, 1), (None, 7, 3), ("all", 7, 7), ("all", 1, 1), ("4", 7, 4),
     ("25%", 8, 2), ("1%", 8, 1), ("100%", 3, 3)],
)  # fmt: skip
def test_size(text: str | None, hosts: int, size: int) -> None:
    found = Batch(text).size(hosts)
    assert (found, type(found)) == (size, int)


@pytest.mark.parametrize("text", ["", "0", "0%", "-1", "half", "1.5", "²"])
def test_what_cannot_be_read(text: str) -> None:
    with pytest.raises(HotkitError, match="--batch") as raised:
        Batch(text).size(3)
    assert "25%, or all" in raised.value.hint
