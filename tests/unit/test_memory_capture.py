"""A capture: the script's answer, a directory that keeps it, and both read back."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hotkit import memory
from hotkit.errors import ExitCode, HotkitError
from hotkit.memory import gather, load_facts, memory_script, read_capture, write_capture
from hotkit.topology import load_topology
from tests.unit.machines import CAPTURE, DATA

MEMINFO = "MemTotal:  1000 kB\nMemFree:  400 kB\nMemAvailable:  500 kB\n"
TEXTS = {"meminfo": MEMINFO, "node0-meminfo": "Node 0 MemTotal: 1000 kB\nNode 0 MemFree: 400 kB\n"}


def record() -> dict[str, Any]:
    return {
        "hostname": "m1",
        "kernel_release": "6.1.0",
        "processes": [{"pid": 1, "name": "init", "pss_bytes": 4096}],
        "problems": ["slabinfo cannot be read"],
    }


def names(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()]


def test_written_and_read_again(tmp_path):
    write_capture(tmp_path / "a/b", TEXTS, record())
    texts, found = read_capture(tmp_path / "a/b")
    assert texts == TEXTS and found == record() | {"schema_version": 1}
    assert (tmp_path / "a/b").stat().st_mode & 0o777 == 0o700
    facts = load_facts(str(tmp_path / "a/b"))
    assert (facts.name, facts.used_bytes, facts.kernel_release) == ("m1", 600 << 10, "6.1.0")
    assert facts.problems == ("slabinfo cannot be read",)
    assert names(tmp_path / "a") == ["b"], "something is left over"


def test_a_capture_of_ours_is_replaced_whole(tmp_path):
    write_capture(tmp_path / "a", TEXTS | {"vmstat": "nr_x 1\n"}, record())
    write_capture(tmp_path / "a", TEXTS, record())
    assert read_capture(tmp_path / "a")[0] == TEXTS
    assert names(tmp_path) == ["a"]
    (tmp_path / "empty").mkdir()
    write_capture(tmp_path / "empty", TEXTS, record())
    assert read_capture(tmp_path / "empty")[0] == TEXTS


@pytest.mark.parametrize("name", ["notes.md", "meminfo.txt", "facts.json", "sub/x.txt"])
def test_nothing_else_is_ever_overwritten(tmp_path, name):
    """A capture that somebody put together by hand is not ours either."""
    file = tmp_path / "a" / name
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    with pytest.raises(HotkitError, match="is not overwritten"):
        write_capture(tmp_path / "a", TEXTS, record())
    assert file.read_text() == "mine" and names(tmp_path) == ["a"]


def test_a_note_beside_our_capture_keeps_it(tmp_path):
    write_capture(tmp_path / "a", TEXTS, record())
    (tmp_path / "a" / "notes.md").write_text("mine")
    with pytest.raises(HotkitError, match="is not overwritten"):
        write_capture(tmp_path / "a", TEXTS, record())
    (tmp_path / "file").write_text("x")
    with pytest.raises(HotkitError, match="is not overwritten"):
        write_capture(tmp_path / "file", TEXTS, record())


def test_nothing_half_written(tmp_path):
    write_capture(tmp_path / "a", TEXTS, record())
    with pytest.raises(HotkitError, match="no name of a source"):
        write_capture(tmp_path / "a", {"meminfo": "new", "../evil": "x"}, record())
    assert read_capture(tmp_path / "a")[0] == TEXTS and names(tmp_path) == ["a"]
    with pytest.raises(HotkitError, match="cannot be made: (File exists|Not a dir)"):
        write_capture(tmp_path / "a/meminfo.txt/b", TEXTS, record())


def test_the_script_runs_alone():
    """As on a host: from standard input, in an empty environment; JSON and nothing else."""
    script = memory_script()
    assert script.isascii() and "\n# hotkit: the script begins\n" not in script
    done = subprocess.run(
        [sys.executable, "-I", "-"], input=script, capture_output=True, text=True, check=True,
        env={"PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.stderr == ""
    assert set(json.loads(done.stdout)) == {"schema_version", "texts", "record"}
    # The way through sudo with a password executes it so.
    wrapped = "import sys; exec(sys.stdin.read())"
    done = subprocess.run(
        [sys.executable, "-I", "-c", wrapped], input=script, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["schema_version"] == 1


def test_this_machine_there_and_back(tmp_path):
    texts, found = gather("local")
    write_capture(tmp_path / "a", texts, found)
    again = read_capture(tmp_path / "a")
    assert again == (texts, json.loads(json.dumps(found)) | {"schema_version": 1})
    facts = load_facts(str(tmp_path / "a"))
    assert facts.meminfo["MemTotal"] > facts.used_bytes > 0
    assert facts.processes and facts.cpus_online == os.cpu_count()
    assert facts.label is not None
    # The directory is a topology reference too.
    assert load_topology(str(tmp_path / "a")).ram == load_topology("local").ram


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("", "no capture"),
        ("{", "no capture"),
        ('{"a":' * 100_000, "no capture"),
        ("[]", "no capture"),
        ('{"schema_version": 1, "texts": {}}', "no capture"),
        ('{"schema_version": 9, "texts": {}, "record": {}}', "schema_version 9 is not known"),
        ('{"schema_version": 1, "texts": [], "record": {}}', "texts or record is no object"),
        ('{"schema_version": 1, "texts": {"../x": ""}, "record": {}}', "no name of a source"),
        ('{"schema_version": 1, "texts": {"a\\u001b[2J": ""}, "record": {}}', "no name of a sour"),
    ],
)
def test_an_answer_that_is_none(monkeypatch, answer, said):
    monkeypatch.setattr(memory, "run_here", lambda script: answer)
    with pytest.raises(HotkitError, match=said) as caught:
        gather("local")
    assert "\x1b" not in caught.value.message


def test_pmem_by_the_firmwares_table(monkeypatch):
    srat = json.loads((DATA / "facts/qemu-8n.json").read_text())["acpi"]["SRAT"]
    topology = load_topology(str(DATA / "facts/qemu-8n.json"))

    def answer(table: str) -> dict[str, Any]:
        document = {
            "schema_version": 1,
            "texts": {},
            "record": {"topology": {"acpi": {"SRAT": table}}},
        }
        monkeypatch.setattr(memory, "run_here", lambda script: json.dumps(document))
        return gather("local")[1]

    expected = {str(n): topology.pmem(n).size_bytes for n in topology.nodes if topology.pmem(n)}
    assert answer(srat)["pmem_bytes"] == expected
    for table in ("%%%", base64.b64encode(b"SRAT").decode()):
        found = answer(table)
        assert found["pmem_bytes"] == {} and "SRAT cannot be read" in found["problems"][0]


def test_a_damaged_capture_is_read_as_far_as_it_goes(tmp_path):
    write_capture(tmp_path / "a", TEXTS, record())
    (tmp_path / "a/memory.json").write_text('{"schema_version": 1, "hostna')
    (tmp_path / "a/slabinfo.txt").write_bytes(b"slabinfo - version: 2.1\n\xff\xfe\n")
    (tmp_path / "a/odd.txt").mkdir()
    texts, found = read_capture(tmp_path / "a")
    assert texts["meminfo"] == MEMINFO and "\ufffd" in texts["slabinfo"]
    assert found is not None
    assert any("memory.json is damaged" in item for item in found["problems"])
    assert any("odd.txt cannot be read: Is a directory" in item for item in found["problems"])
    assert load_facts(str(tmp_path / "a")).used_bytes == 600 << 10
    (tmp_path / "a/memory.json").write_text("[1]")
    found = read_capture(tmp_path / "a")[1]
    assert found is not None and any("no object is in it" in item for item in found["problems"])


def test_other_references(tmp_path):
    assert load_facts(str(CAPTURE)).name == "lab-2s-256g"
    assert read_capture(CAPTURE)[1] is None
    one = tmp_path / "mine.txt"
    one.write_text(MEMINFO)
    assert load_facts(str(one)).used_bytes == 600 << 10
    one.write_text(json.dumps({"schema_version": 1, "texts": TEXTS, "record": record()}))
    assert load_facts(str(one)).name == "m1"


def test_references_that_lead_nowhere(tmp_path):
    for ref, said in (
        (str(tmp_path), "holds no capture"),
        ("nowhere/", "no such file"),
        ("nowhere.txt", "no such file"),
        ("no-such-host", "no host of the inventories"),
        ("ssh://-oProxyCommand=x", "no ssh address"),
    ):
        with pytest.raises(HotkitError, match=said) as caught:
            load_facts(ref)
        assert caught.value.exit_code == ExitCode.BAD_INPUT
    with pytest.raises(HotkitError, match="cannot be reached") as caught:
        gather("ssh://nobody@127.0.0.1:1")
    assert caught.value.exit_code == ExitCode.UNREACHABLE


def test_the_command(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    from hotkit.cli.memory_capture import command

    out = str(tmp_path / "a")
    command.main(["local", "--out", out], standalone_mode=False)
    said = capsys.readouterr()
    assert said.out.startswith(f"{out}: ") and f"--capture {out}" in said.out
    assert Path(out, "meminfo.txt").exists()
    command.main(["local", "--out", out, "--json"], standalone_mode=False)
    document = json.loads(capsys.readouterr().out)
    assert document["out"] == out and document["sources"]["meminfo"] > 100
    with pytest.raises(HotkitError, match="not overwritten"):
        command.main(["local", "--out", str(DATA)], standalone_mode=False)
