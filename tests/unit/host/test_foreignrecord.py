"""Other tools' files on this disk: found out, unpacked, refused with file and place."""

from __future__ import annotations

import gzip
import json
import threading
import zlib
from pathlib import Path

import pytest

from hotkit.core.regions import Intervals
from hotkit.errors import HotkitError
from hotkit.host.foreignrecord import read_foreign
from hotkit.host.readahead import ahead
from tests.unit.damorecords import DATA, record, region, snapshot, text, trace_line, write

K = 4096
PLAIN = text(record(snapshot(0, region(K, 2 * K, 3))))


def file(tmp_path, blob, name="seen"):
    path = tmp_path / name
    path.write_bytes(blob)
    return path


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("damo-lab.json_compressed", "damo record, json_compressed"),
        ("damo-lab.json", "damo record, json"),
        ("damo-lab.perf_script", "text of DAMON's tracepoints"),
        ("memtierd-softdirty.txt", "raw dump of memtierd"),
        ("../perf/script-ibs.txt", "perf script's samples (ibs_op//)"),
    ],
)
def test_what_a_file_is_is_found_out(name, form):
    assert read_foreign(DATA / name).form == form


def test_gzip_in_several_pieces_and_much_of_it(tmp_path):
    line = "".join(trace_line(n, K, 2 * K, n % 20) for n in range(1, 40_000)).encode()
    cut = len(line) // 2
    found = read_foreign(file(tmp_path, gzip.compress(line[:cut]) + gzip.compress(line[cut:])))
    assert found.targets[0].regions == 39_999


def test_a_format_can_be_named(tmp_path):
    path = file(tmp_path, b"  # nothing\n" + PLAIN)
    with pytest.raises(HotkitError, match="seen: not a record that hotkit knows") as caught:
        read_foreign(path)
    assert "damo (damo's json_compressed or json)" in caught.value.hint
    with pytest.raises(HotkitError, match="seen: byte 2: not JSON"):
        read_foreign(path, form="damo")


def test_intervals_beside_a_trace_and_named_ones(tmp_path):
    path = file(tmp_path, trace_line(10, K, 2 * K, 5).encode(), "damon.data")
    assert read_foreign(path).targets[0].relative
    (tmp_path / "damon.data.kdamonds").write_text(
        json.dumps([{"contexts": [{"intervals": {"sample_us": "5 ms", "aggr_us": "100 ms"}}]}])
    )
    assert read_foreign(path).targets[0].intervals == Intervals(
        sample_us=5000, aggr_us=100_000, update_us=0
    )
    named = Intervals(sample_us=1000, aggr_us=10_000)
    assert read_foreign(path, intervals=named).targets[0].intervals == named
    (tmp_path / "damon.data.kdamonds").write_text("{")
    with pytest.raises(HotkitError, match="damon.data: damon.data.kdamonds beside it: "):
        read_foreign(path)


@pytest.mark.parametrize(
    ("blob", "words"),
    [
        (b"", "is empty"),
        (zlib.compress(PLAIN)[:-30], "ends in the middle, after byte"),
        (zlib.compress(PLAIN)[:30] + b"\xff" * 40, "damaged before byte"),
        (zlib.compress(b""), "not a record that hotkit knows"),
        (zlib.compress(PLAIN[:-9]), " of the unpacked text: it ends in the middle"),
        (PLAIN[:-9], f"byte {PLAIN.rindex(b'unknown') - 1}: it ends in the middle"),
        (zlib.compress(b"hello"), "not a record that hotkit knows"),
        (b"\0\1\2\3" * 99, "not a record that hotkit knows"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_sentence_with_the_file(tmp_path, blob, words):
    with pytest.raises(HotkitError) as caught:
        read_foreign(file(tmp_path, blob))
    message = caught.value.message
    assert message.startswith(f"{tmp_path}/seen: ") and message.count(str(tmp_path)) == 1
    assert words in message


def test_files_that_are_not_there_or_not_ours(tmp_path):
    with pytest.raises(HotkitError, match="cannot be read: No such file"):
        read_foreign(tmp_path / "nothing")
    with pytest.raises(HotkitError, match="cannot be read: Is a directory"):
        read_foreign(tmp_path)


def test_a_thread_reads_ahead_and_ends_with_whoever_reads():
    before = threading.active_count()
    assert list(ahead(iter([b"a", b"b"]))) == [b"a", b"b"]

    def endless():
        while True:
            yield b"x"

    reader = ahead(endless())
    assert next(reader) == b"x"
    reader.close()

    def broken():
        yield b"a"
        raise HotkitError("no more")

    with pytest.raises(HotkitError, match="no more"):
        list(ahead(broken()))
    assert threading.active_count() == before


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_nothing_is_left_open(tmp_path):
    path = write(tmp_path / "seen", record(snapshot(0, region(K, 2 * K, 3))))
    before = open_files()
    for _ in range(3):
        read_foreign(path)
        with pytest.raises(HotkitError):
            read_foreign(path, form="memtierd")
    assert open_files() == before


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A perf that answers as the real one does of a file which only a kernel with DAMON can make:
    the names of its events, and their text. (Of other events: tests/integration.)"""
    program = tmp_path / "bin" / "perf"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        'case "$1" in\n'
        'evlist) echo "damon:damon_aggregated"; echo "dummy:HG";;\n'
        'script) case "$*" in *broken*) echo "bad file" >&2; exit 234;; esac\n'
        f"  cat {DATA}/tuned.txt;;\n"
        "esac\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")


def test_perf_data_of_damons_tracepoints(tmp_path, stand_in):
    path = file(tmp_path, b"PERFILE2" + bytes(96), "perf.data")
    found = read_foreign(path, intervals=Intervals(sample_us=5000, aggr_us=100_000))
    assert found.form == "perf.data of DAMON's tracepoints"
    assert list(found.targets[0].sample_us) == [5000, 5000, 80000, 80000]


def test_a_perf_that_fails_is_named_with_its_last_words(tmp_path, stand_in):
    path = file(tmp_path, b"PERFILE2" + bytes(96), "broken.data")
    with pytest.raises(HotkitError, match="broken.data: perf script exited with 234: bad file"):
        read_foreign(path)
