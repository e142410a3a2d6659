"""A machine, or an inventory, that means harm: nothing it says runs a command or forges a line.

Through real Ansible, with a `python` on the host that prints hostile facts for the real ones.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from hotkit.assets import asset
from hotkit.cli import main
from hotkit.errors import ExitCode
from hotkit.host.ansible_env import ansible_env
from hotkit.host.run import run
from hotkit.hostoutcome import HostOutcome
from hotkit.report.provision import print_summary

FACTS = Path(__file__).parents[1] / "data" / "facts" / "lab-small-stock.json"
INVENTORY = """
all:
  hosts:
    m1:
      ansible_connection: local
      hotkit_profile: {{base: 4C16G-remote, cpus: 2, total: 1536M, fast_share: 1/3}}
  vars:
    gather_python: {python}
"""


def hostile_texts(canary: Path) -> list[str]:
    """What each tries: Ansible's templates, a shell, a terminal, rich's markup."""
    run_it = f"lookup('pipe', 'touch {canary}')"
    return [
        "{{ " + run_it + " }}",
        "{% set x = " + run_it + " %}",
        f"$(touch {canary})",
        f"`touch {canary}`; touch {canary}\n touch {canary}",
        "\x1b[2J\x1b]0;all is well\x07",
        "[bold green]ok[/] \u202edrawkcab",
    ]


@pytest.fixture
def hostile_facts(tmp_path: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(FACTS.read_text())
    texts = hostile_texts(tmp_path / "canary")
    facts["hostname"] = texts[0]
    facts["os_release"] = dict(zip(("ID", "NAME", "VERSION"), texts, strict=False))
    facts["cmdline"] += f" hotkit.id={texts[2]} {texts[4]}"
    facts["dmesg_memory"] = texts
    facts["lease"] = {"id": texts[0], "who": texts[3], "since": texts[4], "until": texts[5]}
    facts["state"] = {"state": texts[1], "token": texts[2], "layout": {"profile": texts[5]}}
    facts["boot"]["default_grub"] = texts[3]
    return facts


def test_hostile_facts_through_the_playbook(hostile_facts: dict[str, Any], tmp_path: Path) -> None:
    answer = tmp_path / "facts.json"
    answer.write_text(json.dumps(hostile_facts))
    python = tmp_path / "python"
    # It reads the script that it is sent: else the pipe breaks now and then.
    python.write_text(f"#!/bin/sh\ncat >/dev/null\ncat {answer}\n")
    python.chmod(0o755)
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(INVENTORY.format(python=python))
    done = run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", inventory,
         asset("playbooks") / "provision.yml", "--tags", "plan"],
        env=ansible_env(), check=False, timeout=120,
    )  # fmt: skip
    # The lease of somebody else is a refusal: told, and not run.
    assert "is at work on it since" in done.stdout, done.stdout + done.stderr
    assert not (tmp_path / "canary").exists()


def test_hostile_words_in_a_report_stay_in_their_line() -> None:
    screen = io.StringIO()
    texts = hostile_texts(Path("/nowhere"))
    outcome = HostOutcome(
        host="m1", status="failed", sentence=texts[5], hint=texts[4], notes=tuple(texts),
        console=tuple(texts),
    )  # fmt: skip
    print_summary([outcome], "/logs", Console(file=screen, width=300))
    said = screen.getvalue()
    assert "[bold green]ok[/]" in said  # shown, not obeyed
    assert "\x1b" not in said and "\x07" not in said and "\u202e" not in said
    assert "\n touch" not in said


@pytest.mark.parametrize("name", ["a\\nb: ok", "a\\e[31mb", "-oProxyCommand=x", "a\\u202eb"])
def test_hostile_host_names_are_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hosts = tmp_path / "hosts.yml"
    hosts.write_text(f'all:\n  hosts:\n    "{name}":\n      hotkit_profile: 4C16G-remote\n')
    assert main(["status", str(hosts)]) == ExitCode.BAD_INPUT
    said = capsys.readouterr().err
    assert "\x1b" not in said and "\u202e" not in said and len(said.splitlines()) <= 2
