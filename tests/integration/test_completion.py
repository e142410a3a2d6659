"""TAB in a real bash, at a real terminal: what the printed script makes of it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

BIN = Path(sys.executable).parent


class Bash:
    """An interactive bash without anybody's settings, that has read the script."""

    def __init__(self, folder: Path) -> None:
        self._terminal = pexpect.spawn(
            "bash", ["--norc", "--noprofile", "-i"], cwd=str(folder), encoding="utf-8", timeout=60,
            dimensions=(50, 200), env={"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(folder),
                                       "TERM": "dumb", "PS1": "> "},
        )  # fmt: skip
        self._terminal.expect_exact("> ")
        self.tell("bind 'set bell-style none'; bind 'set enable-bracketed-paste off'")
        self.tell('eval "$(hotkit completion bash)"')

    def tell(self, line: str) -> str:
        """Run a line; what came before the next prompt."""
        self._terminal.sendline(line)
        self._terminal.expect_exact("\r\n> ")
        return str(self._terminal.before)

    def after_tab(self, typed: str) -> str:
        """What stands on the line once bash has completed it."""
        # Then to its beginning, where a word goes that prints the rest. bash reads on once hotkit
        # has answered.
        self._terminal.send(f"{typed}\t\x01printf '<%s>' \n")
        self._terminal.expect(r"\r\n(<[^>]*>)+")
        words = re.findall("<([^>]*)>", str(self._terminal.after))
        self._terminal.expect_exact("> ")
        return " ".join(words)

    def close(self) -> None:
        self._terminal.close(force=True)


@pytest.fixture(scope="module")
def bash(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bash]:
    folder = tmp_path_factory.mktemp("home")
    (folder / "capture-of-mine").mkdir()
    found = Bash(folder)
    yield found
    found.close()


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("hotkit layo", "hotkit layout"),
        ("hotkit layout qu", "hotkit layout quote"),
        ("hotkit provision --take", "hotkit provision --take-over"),
        ("hotkit provision example", "hotkit provision example-metal"),
        ("hotkit lab up lab-sm", "hotkit lab up lab-small"),
        ("hotkit layout plan 36C1", "hotkit layout plan 36C144G-remote"),
        ("hotkit layout plan x --topology lab-2", "hotkit layout plan x --topology lab-2s-256g"),
        ("hotkit topology show capture-o", "hotkit topology show capture-of-mine/"),
        ("hotkit completion z", "hotkit completion zsh"),
    ],
)
def test_tab(bash: Bash, typed: str, completed: str) -> None:
    assert bash.after_tab(typed) == completed


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(shell: str) -> None:
    done = subprocess.run(
        [BIN / "hotkit", "completion", shell], capture_output=True, text=True, check=True,
        timeout=60,
    )  # fmt: skip
    assert done.stderr == "" and "_HOTKIT_COMPLETE" in done.stdout


def test_a_shell_that_is_not_known_is_named_with_those_that_are() -> None:
    done = subprocess.run(
        [BIN / "hotkit", "completion", "tcsh"], capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 2 and "'bash', 'zsh', 'fish'" in done.stderr
