"""The linters are tests: one command checks everything. A missing tool is a failure, not a skip."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


def run(*argv):
    done = subprocess.run(
        list(map(str, argv)), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]


def tracked(*patterns):
    """Files that git knows (or would, when new and not ignored) and that still exist."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [ROOT / name for name in done.stdout.splitlines() if (ROOT / name).exists()]


def test_no_two_test_files_share_a_name():
    """pytest could not collect the second one, and only a run of both folders would say so."""
    names = Counter(path.name for path in tracked("tests/*test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


def test_ruff_check():
    run(BIN / "ruff", "check", ".")


def test_ruff_format():
    run(BIN / "ruff", "format", "--check", ".")


def test_mypy_strict():
    run(BIN / "mypy")


def test_import_contracts():
    """docs/architecture.md: cli -> stories -> host and report -> parse -> core."""
    run(BIN / "lint-imports")


def test_agent_needs_no_newer_python_than_3_9():
    """Old lab machines run the agent: its sources must compile there."""
    run(BIN / "vermin", "--target=3.9-", "--no-tips", "--eval-annotations", "-q", "hotkit/agent")


def test_ansible_lint_production():
    run(
        BIN / "ansible-lint",
        "--offline",
        "--profile",
        "production",
        "--strict",
        "playbooks",
        "roles",
    )


def test_shellcheck():
    scripts = [
        p
        for p in tracked()
        if p.is_file() and p.read_bytes()[:12].startswith((b"#!/bin/sh", b"#!/bin/bash"))
    ]
    assert scripts
    run("shellcheck", *scripts)


def test_no_path_of_one_machine():
    """No developer's directory, and no address of a package registry, belongs in the project."""
    marks = ["/wor" + "k/", "/far" + "m/", "/root/.py" + "env", "files.python" + "hosted"]
    for path in tracked("*"):
        if path.is_file() and not path.is_relative_to(ROOT / "tests/data"):
            text = path.read_bytes().decode(errors="replace")
            for mark in marks:
                assert mark not in text, f"{path.relative_to(ROOT)} holds {mark}"


@pytest.mark.parametrize("limit", [450])
def test_files_stay_small_enough_to_read(limit):
    long = {
        str(p.relative_to(ROOT)): n
        for p in tracked("*.py")
        if (n := len(p.read_text().splitlines())) > limit
    }
    assert not long, f"over {limit} lines, cut them by idea: {long}"
