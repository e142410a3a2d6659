"""`hotkit verify` refuses bad input with its place, before any host is asked; the shell's TAB."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hotkit.cli import main


def inventory(folder: Path, profile: str) -> Path:
    path = folder / "hosts.yml"
    # Port 1 refuses: an attempt to go there would end with exit code 3, not 2.
    path.write_text(
        "tiered:\n  hosts:\n    tier1:\n      ansible_host: 127.0.0.1\n      ansible_port: 1\n"
        f"      hotkit_profile: {profile}\n"
    )
    return path


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        ("5C17G", "5C17G"),
        ("{base: 4C16G-remote, total: 16Q}", "'16Q'"),
        ("{base: 4C16G-remote, fats: 3G}", "fats"),
        ("{base: 4C16G-remote, cpus: -4}", "cpus"),
    ],
)
def test_a_bad_profile_is_named_with_its_place(profile, said, tmp_path, capsys):
    path = inventory(tmp_path, profile)
    assert main(["verify", str(path)]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert f"{path}:6:" in captured.err
    assert captured.out == ""


def test_no_such_inventory(capsys):
    assert main(["verify", "my-lba"]) == 2
    assert "my-lba" in capsys.readouterr().err


def test_a_good_profile_gets_as_far_as_the_host(tmp_path, capsys):
    assert main(["verify", str(inventory(tmp_path, "4C16G-remote"))]) == 3
    assert "tier1 is unreachable" in capsys.readouterr().out


def complete(*words: str) -> list[str]:
    """What bash would offer after the last of `words`."""
    done = subprocess.run(
        [Path(sys.executable).parent / "hotkit"],
        env={
            **os.environ,
            "_HOTKIT_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(("hotkit", *words)),
            "COMP_CWORD": str(len(words)),
        },
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_the_shell_completes_commands_inventories_and_options():
    assert complete("ver") == ["verify"]
    assert complete("verify", "la") == ["lab"]
    assert "--junit" in complete("verify", "--")
