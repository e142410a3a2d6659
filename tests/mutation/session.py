"""Mutation of modules of the core: mutmut changes a copy of the clone, one small change at a time.

A mutant that none of the module's own tests notices has survived: it is either a hole in the tests,
or a change that alters nothing (modules/NAME.yml says why), or one of the words of a message, of
which tests compare a part.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hotkit.agent.gather import machine_kind
from tests.mutation.modules import known, names

ROOT = Path(__file__).resolve().parents[2]
# Exit codes of pytest in a mutant's process, and mutmut's own (mutmut 3.8, utils).
_SURVIVED, _KILLED, _NOT_RUN = (0,), (1, 2, 3), (5, 33)
# More than the slowest module takes on a machine with nothing else to do; a hang of mutmut ends.
_MOST_S = 3600
# A text in a line of Python, with its quotes.
_TEXT = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""")
_SETTINGS = """
[tool.mutmut]
source_paths = ["{source}"]
pytest_add_cli_args_test_selection = {tests}
pytest_add_cli_args = ["-p", "no:cacheprovider", "--hypothesis-profile=mutation"]
also_copy = ["hotkit", "docs", "playbooks", "roles", "inventories", "kernel"]
use_git_change_detection = false
"""


def mutate(module: str) -> dict[str, Any]:
    """Run every mutant of a module of hotkit.core against its tests (modules/NAME.yml)."""
    source, tests = f"hotkit/core/{module}.py", known(module).tests
    with tempfile.TemporaryDirectory(prefix="hotkit-mutants-") as folder:
        clone = Path(folder, "clone")
        _copy(clone)
        with (clone / "pyproject.toml").open("a") as file:
            file.write(_SETTINGS.format(source=source, tests=json.dumps(list(tests))))
        done = _mutmut(clone, "run", "--max-children", "1")
        record = clone / "mutants" / f"{source}.meta"
        if not record.exists():
            return {"ok": False, "module": module, "error": (done.stdout + done.stderr)[-2000:]}
        codes: dict[str, int | None] = json.loads(record.read_text())["exit_code_by_key"]
        left = [name for name, code in codes.items() if code in _SURVIVED + _NOT_RUN]
        diffs = {name: _diff(_mutmut(clone, "show", name).stdout) for name in left}
    survived = [
        {
            "function": _function(name),
            "removed": removed,
            "added": added,
            "why": why(module, removed, added),
        }
        for name, (removed, added) in diffs.items()
    ]
    return {
        "ok": all(one["why"] for one in survived) and None not in codes.values(),
        "module": module,
        "tests": list(tests),
        "mutants": len(codes),
        "killed": sum(code in _KILLED for code in codes.values()),
        "too_slow": sum(code not in _KILLED + _SURVIVED + _NOT_RUN for code in codes.values()),
        "survived": survived,
    }


def _function(mutant: str) -> str:
    """Its name as in the source: mutmut calls Range.__str__ "x\u01c1Range\u01c1__str__"."""
    name = mutant.rpartition("__mutmut_")[0].rpartition(".")[2]
    return ".".join(name.split("\u01c1")[1:]) or name.removeprefix("x_")


def why(module: str, removed: str, added: str) -> str | None:
    """Why a survivor may live; None where nobody knows."""
    if _only_words(removed, added):
        return "words"
    if "strict=True" in removed and added != removed and _unchecked(removed) == _unchecked(added):
        return "lengths that are the same: strict=True only says so"
    if "judged(" in removed and removed.replace("False", "None") == added != removed:
        return "None is no pass either"
    return known(module).alters_nothing.get((removed, added))


def campaign_case(number: int) -> dict[str, Any]:
    """One module by its place in `names`."""
    return {"label": machine_kind()["platform"], **mutate(names()[number])}


def _copy(target: Path) -> None:
    """The files that git knows or would take, as they are now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True, text=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def _mutmut(clone: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mutmut", *words],
        cwd=clone,
        capture_output=True,
        text=True,
        timeout=_MOST_S,
        check=False,
    )


def _diff(shown: str) -> tuple[str, str]:
    """The lines that a mutant removes and adds, as one text each."""
    lines = [line for line in shown.splitlines() if not line.startswith(("---", "+++", "#"))]
    return _joined(lines, "-"), _joined(lines, "+")


def _joined(lines: Sequence[str], mark: str) -> str:
    return " ".join(line[1:].strip() for line in lines if line.startswith(mark))


def _unchecked(line: str) -> str:
    """A call of zip without its word on lengths."""
    return re.sub(r"strict=\w*", "", line)


def _only_words(removed: str, added: str) -> bool:
    """A sentence that mutmut puts XX around, or writes in small or capital letters.

    A word alone may be a key or a name that others compare: that is no sentence.
    """
    before, after = _TEXT.split(removed), _TEXT.split(added)
    if len(before) != len(after) or before[::2] != after[::2]:
        return False
    changed = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
    return bool(changed) and all(
        " " in was[1:-1].strip()
        and (became == f"{was[0]}XX{was[1:-1]}XX{was[0]}" or became.lower() == was.lower())
        for was, became in changed
    )
