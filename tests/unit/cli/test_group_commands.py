"""`hotkit report`, `export` and `compare` on a sweep of several parts."""

from __future__ import annotations

import json

import pytest

from hotkit.cli import main
from tests.unit.sweepfolders import make_group

BOOTS = {"layouts": ("4C16G",), "boots": 3}


@pytest.fixture
def folder(tmp_path):
    return make_group(tmp_path / "sweep", **BOOTS)


def test_report_in_all_forms(folder, tmp_path, capsys):
    files = [tmp_path / f"out.{kind}" for kind in ("html", "pdf", "svg")]
    options = [word for file in files for word in (f"--{file.suffix[1:]}", str(file))]
    assert main(["report", str(folder), "--json", *options]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["trusted"] is True and len(document["parts"]) == 3
    assert [file.read_bytes()[:5] for file in files] == [b"<!DOC", b"%PDF-", b"<?xml"]
    assert main(["report", str(folder)]) == 0
    said = capsys.readouterr().out
    assert said.index("3 of 3 parts are trustworthy") < said.index("4C16G / hotset")
    assert f"hotkit report {folder}/parts/NAME" in said


def test_one_part_is_reported_as_ever(folder, capsys):
    assert main(["report", str(folder / "parts" / "tier1-4C16G-hotset-boot1")]) == 0
    said = capsys.readouterr().out
    assert "sweep on tier1: trustworthy" in said and "parts are trustworthy" not in said


def test_not_every_part_can_be_trusted(tmp_path, capsys):
    change = {"tier1-4C16G-hotset-boot1": {"shift": 0.2}}
    folder = make_group(tmp_path / "sweep", change=change, **BOOTS)
    assert main(["report", str(folder), "--html", str(tmp_path / "r.html")]) == 5
    assert "2 of 3 parts are trustworthy" in (tmp_path / "r.html").read_text()
    capsys.readouterr()
    assert main(["export", str(folder), "--format", "csv"]) == 5
    assert "NOT TRUSTWORTHY: 2 of 3 parts are trustworthy" in capsys.readouterr().err


def test_no_figure_at_all(tmp_path, capsys):
    folder = make_group(tmp_path / "sweep", shift=0.2, **BOOTS)
    assert main(["report", str(folder), "--pdf", str(tmp_path / "r.pdf")]) == 5
    assert "no part has a figure that counts" in capsys.readouterr().err
    assert not (tmp_path / "r.pdf").exists()


def test_export(folder, tmp_path, capsys):
    file = tmp_path / "out.csv"
    assert main(["export", str(folder), "--format", "csv", "-o", str(file)]) == 0
    assert len(file.read_text().splitlines()) == 1 + 3 * 8 * 4
    assert main(["export", str(folder), "--format", "pyperf"]) == 2
    assert "holds the times of one part: name it" in capsys.readouterr().err


def test_compare_wants_a_part(folder, capsys):
    part = folder / "parts" / "tier1-4C16G-hotset-boot0"
    assert main(["compare", str(folder), str(part)]) == 2
    said = capsys.readouterr().err
    assert f"{folder}: is a sweep of several parts: name one of them" in said
    # Parts are sweeps like any other.
    assert main(["compare", *map(str, sorted(part.parent.iterdir()))]) == 0
    assert "Over boots" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name",
    ["sweep.json", "parts/tier1-4C16G-hotset-boot0/manifest.json",
     "parts/tier1-4C16G-hotset-boot0/journal.jsonl", "parts/tier1-4C16G-hotset-boot0/raw/x.csv"],
)  # fmt: skip
def test_what_was_measured_is_not_written_over(folder, capsys, name):
    before = (folder / name).read_bytes() if (folder / name).exists() else None
    assert main(["export", str(folder), "--format", "csv", "-o", str(folder / name)]) == 2
    assert "holds what was measured" in capsys.readouterr().err
    assert ((folder / name).read_bytes() if (folder / name).exists() else None) == before
    assert main(["export", str(folder), "--format", "csv", "-o", str(folder / "x.csv")]) == 0


def test_a_broken_sweep_json_is_one_sentence(folder, capsys):
    (folder / "sweep.json").write_text("[1")
    for words in (["report"], ["export", "--format", "csv"]):
        assert main([words[0], str(folder), *words[1:]]) == 2
        said = capsys.readouterr().err
        assert "sweep.json: not JSON" in said and "Traceback" not in said


def test_sweep_of_a_directory_prints_the_group(folder, capsys):
    assert main(["sweep", str(folder)]) == 0
    assert "3 of 3 parts are trustworthy" in capsys.readouterr().out
    assert main(["sweep", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["trusted_parts"] == 3
