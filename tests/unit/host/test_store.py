"""The journal: appended, synced, never overwritten; a cut-off last line is survived."""

import json

import pytest

from hotkit.errors import HotkitError
from hotkit.host.store import Journal, create_sweep_folder, is_written, read_journal, write_once


def test_round_trip(tmp_path):
    folder = create_sweep_folder(tmp_path / "sweep")
    write_once(folder / "manifest.json", {"seed": 1})
    assert json.loads((folder / "manifest.json").read_text()) == {"schema_version": 1, "seed": 1}
    with Journal(folder) as journal:
        journal.append({"type": "run", "n": 1})
        journal.append({"type": "end", "n": 2})
        journal.keep_raw("a.json", b"x")
    with Journal(folder) as journal:
        journal.append({"type": "more"})
        assert journal.keep_raw("a.json", b"x").name == "a.json"
        assert journal.keep_raw("a.json", b"y").name == "2-a.json"
    assert [event["type"] for event in read_journal(folder)] == ["run", "end", "more"]
    assert (folder / "raw/a.json").read_bytes() == b"x"
    assert sorted(path.name for path in (folder / "raw").iterdir()) == ["2-a.json", "a.json"]


def test_one_writer_at_a_time(tmp_path):
    folder = create_sweep_folder(tmp_path / "sweep")
    with Journal(folder):
        assert is_written(folder)
        with pytest.raises(HotkitError, match="another hotkit is at work on it"):
            Journal(folder)
    assert not is_written(folder)


def test_a_torn_line_does_not_spoil_the_next_one(tmp_path):
    folder = create_sweep_folder(tmp_path / "sweep")
    (folder / "journal.jsonl").write_bytes(b'{"type":"run"}\n{"type":"en')
    with Journal(folder) as journal:
        journal.append({"type": "end"})
    assert [event["type"] for event in read_journal(folder)] == ["run", "end"]


def test_nothing_is_overwritten(tmp_path):
    folder = create_sweep_folder(tmp_path / "sweep")
    write_once(folder / "manifest.json", {})
    with pytest.raises(HotkitError, match="nothing is overwritten"):
        write_once(folder / "manifest.json", {})
    with pytest.raises(HotkitError, match="not empty"):
        create_sweep_folder(folder)


def test_a_line_cut_off_by_a_power_failure_is_left_out(tmp_path):
    folder = create_sweep_folder(tmp_path / "sweep")
    (folder / "journal.jsonl").write_bytes(b'{"type":"run"}\n{"type":"en')
    assert [event["type"] for event in read_journal(folder)] == ["run"]


@pytest.mark.parametrize("line", [b"{broken}", b"[1]", b"\xff\xfe"])
def test_a_damaged_line_is_named(tmp_path, line):
    folder = create_sweep_folder(tmp_path / "sweep")
    (folder / "journal.jsonl").write_bytes(b'{"type":"run"}\n' + line + b"\n")
    with pytest.raises(HotkitError, match=r"journal\.jsonl:2: not a JSON"):
        list(read_journal(folder))


def test_full_disk_is_one_sentence(tmp_path):
    folder = create_sweep_folder(tmp_path / "sweep")
    (folder / "journal.jsonl").symlink_to("/dev/full")
    with Journal(folder) as journal, pytest.raises(HotkitError, match="No space left"):
        journal.append({"type": "run"})
