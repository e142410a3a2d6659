"""What the kernel's own KVM programs printed, of 6.1 and 6.12, and where they could not run."""

from __future__ import annotations

from typing import Any

import pytest

from hotkit.parse.kvm_selftest import read_witness
from tests.unit.kernelproofs import one

# As Linux 6.1's prints it when it is not started by its path.
NO_FILE = """==== Test Assertion Failure ====
  lib/elf.c:121: fd >= 0
  pid=52 tid=52 errno=2 - No such file or directory
  Failed to open ELF file,
Testing guest mode: PA-bits:ANY, VA-bits:48,  4K pages
"""


def witness(**fields: Any) -> dict[str, Any]:
    return read_witness({"proof": "witness", "test": "dirty_log_perf_test", "option": "", **fields})


@pytest.mark.parametrize(("name", "still_idle"), [("6.1", [0, 0]), ("6.12", [])])
def test_access_tracking(name: str, still_idle: list[int]) -> None:
    """6.1 warns of "too many" when there are few, 6.12 when there are many."""
    line = one(name, "witness", test="access_tracking_perf_test")
    assert (line["pages"], line["marks"], line["still_idle"]) == (1024, 2, still_idle)
    assert line["logged"] == [] and "why" not in line


@pytest.mark.parametrize("name", ["6.1", "6.12"])
@pytest.mark.parametrize("option", ["", "-g"])
def test_dirty_log(name: str, option: str) -> None:
    line = one(name, "witness", test="dirty_log_perf_test", option=option)
    assert (line["pages"], line["logged"], line["marks"]) == (1024, [1024, 1024], 0)


def test_still_idle_in_either_spelling() -> None:
    said = "Too many pages still idle (3out of 1024)\nToo many pages still idle (400 out of 1024)\n"
    assert witness(status=0, said=said)["still_idle"] == [3, 400]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"status": 254, "said": NO_FILE}, "it ended with 254, and said: lib/elf.c:121: fd >= 0"),
        ({"status": 4, "said": "1..0 # SKIP /dev/kvm not available\n"},
         "it found that it cannot run here, and said: 1..0 # SKIP /dev/kvm not available"),
        ({"status": -9, "said": ""}, "it ended with -9, and said: nothing"),
        ({"why": "it did not end within 30 s", "said": "Test iterations: 2"},
         "it did not end within 30 s"),
    ],
)  # fmt: skip
def test_one_that_did_not_run_says_why(fields: dict[str, Any], why: str) -> None:
    line = witness(**fields)
    assert line["why"] == why
    assert (line["pages"], line["marks"], line["still_idle"], line["logged"]) == (0, 0, [], [])


def test_numbers_that_no_machine_has_are_not_read() -> None:
    line = witness(status=0, said=f"Too many pages still idle ({'9' * 5000} out of 3)\n")
    assert line["still_idle"] == []
