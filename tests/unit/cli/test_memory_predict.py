"""`hotkit memory predict` and `hotkit memory model`, on the captured server and on kept pairs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from hotkit.cli import main
from hotkit.host.memorypairs import keep_pairs
from tests.unit.core.test_memorypair import pair

SERVER = Path(__file__).parents[2] / "data" / "captures" / "lab-2s-256g"


def predict(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = main(["memory", "predict", *words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_the_layout_that_ran_out_of_memory(capsys: pytest.CaptureFixture[str]) -> None:
    """It did on the real machine: 3276 MiB of DRAM, where some 8 GiB are in use."""
    code, said = predict(capsys, "4C16G-pmem", "--capture", str(SERVER))
    assert code == 1 and said["forecast"]["fit"] == "will not boot"
    assert said["reference"]["platform"] == "metal"
    assert said["reference"]["used_bytes"] // (1 << 20) == 8316


def test_the_layout_that_boots(capsys: pytest.CaptureFixture[str]) -> None:
    """Node 1 with 13108 MiB of RAM has 12867 MB by numactl -H (tried in QEMU)."""
    code, said = predict(capsys, "4C16G-remote", "--capture", str(SERVER))
    assert code == 0 and said["forecast"]["fit"] == "fits"
    sizes = {node["node"]: node["memtotal_bytes"] / (1 << 20)
             for node in said["forecast"]["nodes"]}  # fmt: skip
    assert sizes[1] == pytest.approx(12867, rel=0.01)
    # What the real machine uses with maxcpus=4 (numactl: 4309 + 2434 MB) is inside the range.
    used = said["forecast"]["used_bytes"]
    assert used["least"] < (4309 + 2434) * (1 << 20) < used["most"]


def test_words_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", "predict", "4C16G-pmem", "--capture", str(SERVER)]) == 1
    said = capsys.readouterr().out
    assert "4C16G-pmem on lab-2s-256g [metal]: will not boot" in said
    assert "large hashes" in said and "CPUs: 4 online instead of 144" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "which machine? name a host, or a directory with --capture"),
        (["tier1", "--capture", str(SERVER)], "one machine at a time"),
        (["--capture", "EMPTY"], "holds no capture"),
        (["--capture", "PART"], "SRAT"),
    ],
)
def test_a_users_mistake_is_one_sentence(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "PART").mkdir()
    shutil.copy(SERVER / "meminfo.txt", tmp_path / "PART")
    (tmp_path / "PART" / "dmesg-boot.txt").write_text("Linux version 6.1\n")
    words = [str(tmp_path / word) if word.isupper() else word for word in words]
    assert main(["memory", "predict", "4C16G-remote", *words]) == 2
    err = capsys.readouterr().err
    assert said in err and "Traceback" not in err


def test_a_capture_that_does_not_know_its_nodes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("meminfo.txt", "dmesg-boot.txt"):
        shutil.copy(SERVER / name, tmp_path)
    assert main(["memory", "predict", "4C16G-remote", "--capture", str(tmp_path),
                 "--set", "cpus_on=any"]) == 2  # fmt: skip
    assert "does not show the RAM and the use of each node" in capsys.readouterr().err


def test_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert main(["memory", "model"]) == 0
    assert "no pair yet" in capsys.readouterr().out
    keep_pairs([pair(), pair(boot_id="c", host="m2")])
    assert main(["memory", "model", "--host", "m1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [item["host"] for item in document["pairs"]] == ["m1"]
    assert document["error"]["within"] == document["error"]["pairs"] == 1
    keep_pairs([pair(boot_id="d", used=(1 << 30, 1 << 28))])
    assert main(["memory", "model"]) == 1
    said = capsys.readouterr().out
    assert "2 of 3 fresh boots within the stated doubt" in said and "emulated" in said
