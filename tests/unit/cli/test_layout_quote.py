"""hotkit layout quote, as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hotkit.cli import main
from hotkit.cli.layout_quote import command
from hotkit.errors import ExitCode


def call(*words: str) -> Result:
    return CliRunner().invoke(command, list(words))


def test_json_names_every_layer_and_the_way_out() -> None:
    result = call("--json", "memmap=127796M$5324M maxcpus=4")
    layers = {row["layer"]: row for row in json.loads(result.stdout)["layers"]}
    assert layers["GRUB script"]["text"] == "memmap=127796M\\$5324M maxcpus=4"
    assert layers["BLS entry, older"]["text"] is None
    assert "%" in layers["BLS entry, older"]["way_out"]
    assert json.loads(result.stdout)["schema_version"] == 1


def test_table() -> None:
    result = call("memmap=1G$5G")
    assert "memmap=1G\\$5G" in result.stdout
    assert "cannot be written" in result.stdout


def test_undo() -> None:
    result = call("--undo", "grub", "memmap=127796M$5324M")
    assert "memmap=127796MM" in result.stdout
    assert "no RAM above 127796 MiB" in result.stdout
    document = json.loads(call("--undo", "drop-in", "--json", "'a$1'").stdout)
    assert document["kernel"] == "aDebian GNU/Linux"
    assert len(document["stages"]) == 3
    assert "memory stays as it is" in call("--undo", "grub", "quiet").stdout


def test_what_a_profile_plans() -> None:
    capture = Path(__file__).parents[2] / "data" / "captures" / "lab-2s-256g"
    result = call("--profile", "4C16G-remote", "--topology", str(capture), "--json")
    layers = {row["layer"]: row["text"] for row in json.loads(result.stdout)["layers"]}
    assert "maxcpus=4" in layers["kernel"] and "M$" in layers["kernel"]
    assert layers["GRUB script"] == layers["kernel"].replace("$", "\\$")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ((), "nothing to quote"),
        (("--undo", "grub"), "needs the spelling"),
        (("--profile", "4C16G-remote"), "go together"),
        (('a="b"',), "it holds a quote"),
        (("--undo", "grub", "a$,"), "names no variable"),
    ],
)
def test_bad_input(words: tuple[str, ...], what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["layout", "quote", *words]) == ExitCode.BAD_INPUT
    assert what in capsys.readouterr().err
