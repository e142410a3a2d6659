"""`hotkit export`: to stdout or into a file, and what it says about sessions not to trust."""

from __future__ import annotations

import json

import pytest

from hotkit.cli import main
from hotkit.report.export import FORMATS
from tests.unit.sweepfolders import make_sweep


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_goes_into_a_file(tmp_path, capsys, form):
    folder, file = make_sweep(tmp_path / "sweep"), tmp_path / "out"
    assert main(["export", str(folder), "--format", form, "-o", str(file)]) == 0
    assert file.stat().st_size > 500
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")


def test_stdout_is_the_file(tmp_path, capfdbinary):
    folder, file = make_sweep(tmp_path / "sweep"), tmp_path / "out"
    main(["export", str(folder), "--format", "csv", "-o", str(file)])
    main(["export", str(folder), "--format", "csv"])
    assert capfdbinary.readouterr().out == file.read_bytes()


def test_untrusted_is_told_on_stderr_and_by_the_exit_code(tmp_path, capsys):
    folder = make_sweep(tmp_path / "sweep", shift=0.2)
    assert main(["export", str(folder), "--format", "hyperfine"]) == 5
    said = capsys.readouterr()
    assert "NOT TRUSTWORTHY: the two off runs" in said.err
    assert json.loads(said.out)["hotkit"]["trusted"].startswith("NO")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--format", "xml"], "'xml' is not one of"),
        ([], "Missing option '--format'"),
        (["--format", "csv", "-o", "{folder}/journal.jsonl"], "holds what was measured"),
        (["--format", "csv", "-o", "/dev/full/x"], "cannot be written"),
    ],
)
def test_bad_input(tmp_path, capsys, words, said):
    folder = make_sweep(tmp_path / "sweep")
    before = (folder / "journal.jsonl").read_bytes()
    assert main(["export", str(folder), *(word.format(folder=folder) for word in words)]) == 2
    assert said in capsys.readouterr().err
    assert (folder / "journal.jsonl").read_bytes() == before


def test_no_sweep(tmp_path, capsys):
    assert main(["export", str(tmp_path), "--format", "csv"]) == 2
    assert "manifest.json: cannot be read" in capsys.readouterr().err
