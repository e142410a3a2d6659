"""What a file is, by its first bytes."""

from __future__ import annotations

import gzip
import zlib

import pytest

from hotkit.parse.recordforms import (
    DAMO,
    FORMS,
    MEMTIERD,
    PERF_DATA,
    SAMPLES,
    TRACE,
    form_of,
    packed,
)
from tests.unit.damorecords import DATA


@pytest.mark.parametrize(
    ("file", "form"),
    [
        ("record/damo-lab.json", DAMO),
        ("record/damo-lab.perf_script", TRACE),
        ("record/tuned.txt", TRACE),
        ("record/memtierd-softdirty.txt", MEMTIERD),
        ("trackers/damon-trace.txt", TRACE),
        ("perf/script-mem-loads.txt", SAMPLES),
        ("perf/script-ibs.txt", SAMPLES),
        ("perf/script-page-faults.txt", SAMPLES),
    ],
)
def test_real_files(file, form):
    assert form_of((DATA.parent / file).read_bytes()) == form


@pytest.mark.parametrize(
    ("head", "form"),
    [
        (b"PERFILE2\x68\0\0\0", PERF_DATA),
        (b"2ELIFREP\0\0\0\x68", PERF_DATA),
        (b' \n{"damo_record_ver": 2}', DAMO),
        (b"memtierd> tracker -dump raw new\n          timestamp       pid             addr    pages"
         b"     accs   writes\n", MEMTIERD),
        (b"hello\n", None),
        (b"", None),
        (b"\x7fELF\2\1\1", None),
    ],
)  # fmt: skip
def test_beginnings(head, form):
    assert form_of(head) == form


def test_every_form_has_words():
    assert set(FORMS) == {DAMO, TRACE, PERF_DATA, SAMPLES, MEMTIERD} and all(FORMS.values())


def test_packed_files():
    for level in (0, 1, 6, 9):
        assert packed(zlib.compress(b"[]", level))
    assert packed(gzip.compress(b"[]"))
    assert packed((DATA / "damo-lab.json_compressed").read_bytes())
    for head in (b"", b"x", b"[\n", b"xy", b"PERFILE2"):
        assert not packed(head)
