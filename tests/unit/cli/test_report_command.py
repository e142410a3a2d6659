"""`hotkit report`, from directory to files; what is wrong is one sentence and exit code 2 or 5."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from hotkit.cli import main
from tests.unit.sweepfolders import make_sweep


@pytest.fixture
def folder(tmp_path):
    return make_sweep(tmp_path / "sweep")


def test_all_forms_at_once(folder, tmp_path, capsys):
    files = [tmp_path / f"out.{kind}" for kind in ("html", "pdf", "svg")]
    options = [word for file in files for word in (f"--{file.suffix[1:]}", str(file))]
    assert main(["report", str(folder), "--json", *options]) == 0
    assert json.loads(capsys.readouterr().out)["trusted"] is True
    heads = [file.read_bytes()[:5] for file in files]
    assert heads == [b"<!DOC", b"%PDF-", b"<?xml"]
    assert main(["report", str(folder)]) == 0
    assert "To run it again (emulated)" in capsys.readouterr().out


def test_untrusted_writes_its_file_and_says_so_by_exit_code(tmp_path, capsys):
    folder = make_sweep(tmp_path / "sweep", shift=0.2)
    assert main(["report", str(folder), "--html", str(tmp_path / "r.html")]) == 5
    assert "NOT TRUSTWORTHY" in (tmp_path / "r.html").read_text()


@pytest.mark.parametrize(
    ("option", "name", "words"),
    [
        ("--html", "r.txt", "r.txt: does not end in .html"),
        ("--pdf", "r.svg", "r.svg: does not end in .pdf"),
        ("--svg", "nowhere/r.svg", "cannot be written"),
    ],
)
def test_files_that_cannot_be_written(folder, tmp_path, capsys, option, name, words):
    assert main(["report", str(folder), option, str(tmp_path / name)]) == 2
    assert words in capsys.readouterr().err


def test_what_was_measured_is_not_written_over(folder, capsys):
    (folder / "raw" / "x.svg").write_text("measured")
    assert main(["report", str(folder), "--svg", str(folder / "raw" / "x.svg")]) == 2
    assert "holds what was measured" in capsys.readouterr().err
    assert (folder / "raw" / "x.svg").read_text() == "measured"
    # A report beside them is fine.
    assert main(["report", str(folder), "--html", str(folder / "report.html")]) == 0


def test_no_sweep_cut_off_and_old(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 2
    assert "manifest.json: cannot be read" in capsys.readouterr().err

    assert main(["report", str(make_sweep(tmp_path / "cut", cut_after=2))]) == 5
    assert "no block is complete" in capsys.readouterr().err

    old = make_sweep(tmp_path / "old")
    manifest = json.loads((old / "manifest.json").read_text())
    del manifest["machine"]["kernel_release"]
    (old / "manifest.json").write_text(json.dumps(manifest))
    assert main(["report", str(old)]) == 2
    said = capsys.readouterr().err
    assert "lacks 'kernel_release': written by another version" in said
    assert "Traceback" not in said


def test_help_pays_for_no_figures():
    """matplotlib, pandas, jinja2 and the page are imported by those who want them."""
    code = (
        "import sys; from hotkit.cli import main; main(['--help']);"
        " heavy = {'matplotlib', 'pandas', 'pyarrow', 'jinja2', 'hotkit.report.sweephtml'};"
        " sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "report" in done.stdout
