"""What an error advises can be done: every command that a hint names exists."""

import ast
import re

import pytest
from test_docs import COMMANDS, ROOT

_NAMED = re.compile(r"hotkit ([a-z]+)(?: ([a-z]+)(?![\w./-]))?")
# Words after `hotkit` in a sentence about hotkit itself.
_PROSE = {
    "is",
    "does",
    "has",
    "needs",
    "knows",
    "here",
    "cannot",
    "that",
    "wrote",
    "again",
    "made",
    "differ",
    "keeps",
}
_GROUPS = {path.split(" ")[1] for path in COMMANDS if path.count(" ") > 1}


def hints():
    """(where, text) of every hint= in the package; what is put into an f-string becomes X."""
    for file in sorted((ROOT / "hotkit").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "hint":
                for part in ast.walk(node.value):
                    if isinstance(part, ast.JoinedStr):
                        words = [
                            item.value if isinstance(item, ast.Constant) else "X"
                            for item in part.values
                        ]
                        yield f"{file.name}:{node.value.lineno}", "".join(map(str, words))
                    elif isinstance(part, ast.Constant) and isinstance(part.value, str):
                        yield f"{file.name}:{node.value.lineno}", part.value


HINTS = [(where, text) for where, text in hints() if _NAMED.search(text)]


def test_many_hints_name_a_command():
    assert len({where for where, _ in HINTS}) > 40


@pytest.mark.parametrize(("where", "text"), HINTS, ids=[where for where, _ in HINTS])
def test_the_command_of_a_hint_exists(where, text):
    for first, second in _NAMED.findall(text):
        if first in _PROSE:
            continue
        assert f"hotkit {first}" in COMMANDS, text
        if first in _GROUPS and second:
            assert f"hotkit {first} {second}" in COMMANDS or first in ("sweep", "kernel"), text
