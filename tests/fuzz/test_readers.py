"""What holds for every reader, without a fuzzer: seeds are read, damage ends in one sentence, and
the time for a larger input grows as the input does."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotkit.errors import HotkitError
from tests.fuzz.changes import changed_json
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

BY_NAME = {target.name: target for target in TARGETS}
TEXTS = [target.name for target in TARGETS if not target.name.startswith("acpi-")]


def read(name: str, data: bytes, folder: Path) -> str | None:
    """None when the target takes the data, else what it says; anything else is raised on."""
    target = BY_NAME[name]
    try:
        target.read(data, folder / "input.yml")
    except (HotkitError, *target.allowed) as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", BY_NAME)
def test_a_seed_is_read(name, tmp_path):
    """Else the fuzzer would not get past the first check."""
    assert None in [read(name, seed, tmp_path) for seed in seeds(name)]


@pytest.mark.parametrize("name", TEXTS)
def test_numbers_of_any_length(name, tmp_path):
    """int() refuses more than 4300 digits, and 64 bits end earlier: neither may come through."""
    for seed in seeds(name)[:2]:
        numbers = list(re.finditer(rb"(?<![\w.])\d+", seed))
        for match in numbers[:: max(1, len(numbers) // 40)]:
            for digits in (b"9" * 5000, b"1" + b"0" * 19, b"0" * 300, b"-1"):
                read(name, seed[: match.start()] + digits + seed[match.end() :], tmp_path)


@pytest.mark.parametrize("name", BY_NAME)
@settings(max_examples=40)
@given(data=st.data())
def test_a_part_of_a_file(name, tmp_path_factory, data):
    """Cut short, a piece lost in the middle, or a piece twice: as by a full disk or a bad copy."""
    seed = data.draw(st.sampled_from(seeds(name)))
    begin = data.draw(st.integers(0, len(seed)))
    end = data.draw(st.integers(begin, min(len(seed), begin + 400)))
    folder = tmp_path_factory.getbasetemp()
    for damaged in (seed[:begin], seed[:begin] + seed[end:], seed[:end] + seed[begin:]):
        said = read(name, damaged, folder)
        assert said is None or said.strip()


@pytest.mark.parametrize("name", [target.name for target in TARGETS if target.form == "json"])
@settings(max_examples=40)
@given(change=st.integers(0, 1 << 32), piece=st.binary(max_size=8))
def test_other_values_in_a_document(name, tmp_path_factory, change, piece):
    for seed in seeds(name):
        changed = changed_json(seed, change, lambda text: text[: change % 9] + piece)
        assert changed is not None
        read(name, changed, tmp_path_factory.getbasetemp())


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize(
    "opened",
    [b"[", b"{", b"a: {", b"(", b'"', b"- ", b"${a", b"if true; then\n", b"menuentry a {\n",
     b"function f {\n", b'[{"snapshots":', b'{"a":'],
)  # fmt: skip
def test_what_is_opened_and_never_closed(name, opened, tmp_path):
    """A thousand deep: Python's own stack ends before."""
    read(name, opened * 1000 + b"\n", tmp_path)


def took_s(name: str, data: bytes, folder: Path) -> float:
    began = time.process_time()
    read(name, data, folder)
    return time.process_time() - began


@pytest.mark.parametrize("name", TEXTS)
def test_time_grows_as_the_input_does(name, tmp_path):
    """Also where nothing in it is as it should be. Four times the bytes take four times as long;
    a reader that looks again at what it has read takes sixteen times."""
    seed = seeds(name)[0] or b"0"
    for piece in (seed + b"\n", seed[: len(seed) // 2], b" ", b"0", b"a\n", b"a: "):
        small, large = (
            took_s(name, piece * (size // len(piece) + 1), tmp_path) for size in (1 << 14, 1 << 16)
        )
        assert large < 8 * small + 0.5, f"{large:.2f} s after {small:.2f} s for {piece[:40]!r}"
