"""Lines of JSON: what Python writes is read again, in little memory, however long the file is."""

from __future__ import annotations

import json
import math
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.errors import HotkitError
from hotkit.host.jsonlines import json_lines

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters()),  # lone surrogates too
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(lines=st.lists(st.dictionaries(st.text(max_size=5), VALUES, max_size=4), max_size=4))
def test_what_python_writes_is_read_again(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("lines") / "file"
    path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
    assert list(json_lines(path)) == lines


def test_what_only_python_takes(tmp_path):
    path = tmp_path / "file"
    path.write_text('{"a":NaN,"b":-Infinity,"c":"\\ud800"}\n')
    (found,) = json_lines(path)
    assert math.isnan(found["a"]) and found["b"] == -math.inf and found["c"] == "\ud800"


def test_a_last_line_that_was_cut_off_is_left_out_though_it_is_json(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b'{"n":1}\n{"n":2}')
    assert list(json_lines(path)) == [{"n": 1}]


def test_what_cannot_be_read_is_one_sentence(tmp_path):
    with pytest.raises(HotkitError, match=r"no: cannot be read: No such file"):
        list(json_lines(tmp_path / "no"))


def test_the_file_is_never_held_whole(tmp_path):
    path = tmp_path / "file"
    line = json.dumps({"text": "x" * 1000}) + "\n"
    path.write_text(line * 30_000)
    tracemalloc.start()
    try:
        assert sum(1 for _ in json_lines(path)) == 30_000
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 30e6 and most < 3e6


def test_a_line_that_is_damaged_is_named_wherever_it_is(tmp_path):
    path = tmp_path / "file"
    line = json.dumps({"text": "x" * 1000}) + "\n"
    path.write_text(line * 999 + "{broken}\n" + line)
    found = json_lines(path)
    for _ in range(999):
        assert next(found) == json.loads(line)
    with pytest.raises(HotkitError, match=r"file:1000: not a JSON line"):
        next(found)


def test_a_file_that_grows_while_it_is_read_is_read_up_to_what_was_cut_off(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b'{"n":1}\n{"n":')
    found = json_lines(path)
    assert next(found) == {"n": 1}
    with path.open("ab") as file:
        file.write(b'2}\n{"n":3}\n')
    assert list(found) == []


def test_a_line_that_is_nested_without_end_is_one_sentence(tmp_path):
    path = tmp_path / "file"
    path.write_text('{"a":' * 100_000 + "\n")
    with pytest.raises(HotkitError, match=r"file:1: not a JSON line"):
        list(json_lines(path))
