"""Writes docs/fuzzing.md and docs/mutation.md from their evidence; a test compares them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
EVIDENCE = ROOT / "docs" / "evidence"
BY = "<!-- Written by tools/robust_docs.py: `make docs`. -->"
Evidence = Mapping[str, Any]
_SHOWN = 90

FUZZING = """\
# Fuzzing

{by}
Whatever a machine, a user or another tool hands to hotkit, the answer is a result or a sentence:
never a traceback, a hang, or all memory. Every reader is fuzzed with atheris (libFuzzer, guided by
the coverage of hotkit and of the YAML reader), from captured files on; in JSON documents values are
changed, so that they stay documents. An input may take 10 s and the process 1 GiB.

{measured}
{table}
Edges are those of the code's control flow that were taken.

A short form runs in CI: `tests/fuzz/test_fuzz.py`. Beside it `tests/fuzz/test_readers.py` holds
every reader, without a fuzzer, against what has broken readers before: a seed is read; numbers of
5000 digits, files cut anywhere, other values in a document, brackets a thousand deep end in a
sentence; time grows as the input does.

A new reader is a line in `tests/fuzz/targets.py` and its seeds in `tests/fuzz/seeds.py`. A find is
mended together with a test of its input, beside the reader's other tests.
"""
MUTATION = """\
# Mutation testing

{by}
Are the tests of the core worth something? mutmut changes a module in one place after the other
(another operator, another number, another argument), and the module's own tests should notice.
Measured here: {share}. The tests of each are named in `tests/mutation/modules/`; hypothesis gives
the same 30 examples each time. mutmut leaves alone what has a decorator (properties, mostly) and
what is done when a module is imported. One module by hand: `python tools/mutate.py NAME`.

{measured}
{table}
Words: mutmut writes a text in capitals or puts XX around it; tests compare the part of a sentence
that matters. A module in CI: `tests/mutation/test_mutation.py`.

## Survivors that alter nothing

{lives}"""


def fuzzing(evidence: Evidence) -> str:
    """The page on what was fuzzed, how long, and what came out."""
    cases: Sequence[Evidence] = evidence["cases"]
    whole = sum(case["inputs"] or 0 for case in cases)
    table = _row("reader", "inputs", "a second", "edges by the seeds", "at the end", "finds")
    table += f"{'|---' * 6}|\n"
    for case in cases:
        found = len(case["finds"]) + (case["ended"] is not None)
        table += _row(
            case["target"], f"{case['inputs']:,}", f"{case['inputs_per_s']:,}",
            case["edges_of_seeds"], case["edges"], found or "none",
        )  # fmt: skip
    return FUZZING.format(by=BY, measured=_measured(evidence, f"{whole:,} inputs"), table=table)


def mutation(evidence: Evidence) -> str:
    """The page on the mutants of each module, and why those live that do."""
    cases: Sequence[Evidence] = evidence["cases"]
    mutants = sum(case["mutants"] for case in cases)
    killed = sum(case["killed"] + case["too_slow"] for case in cases)
    table = _row(
        "module", "mutants", "noticed", "by never ending", "words", "alter nothing", "holes"
    )
    table += f"{'|---' * 7}|\n"
    lives = "| module, function | line | became | why nobody can see it |\n|---|---|---|---|\n"
    for case in cases:
        kinds = [one["why"] for one in case["survived"]]
        words, holes = kinds.count("words"), kinds.count(None)
        table += _row(
            case["module"], case["mutants"], case["killed"] + case["too_slow"], case["too_slow"],
            words, len(kinds) - words - holes, holes or "none",
        )  # fmt: skip
        for one in case["survived"]:
            if one["why"] != "words":
                lives += _row(
                    f"{case['module']}, {one['function']}", _code(one["removed"]),
                    _code(one["added"]), one["why"] or "**a hole**",
                )  # fmt: skip
    figures = f"{mutants:,} mutants, {killed:,} noticed ({killed / mutants:.1%})"
    return MUTATION.format(
        by=BY, share=_share(cases), measured=_measured(evidence, figures), table=table, lives=lives
    )


def _share(cases: Sequence[Evidence]) -> str:
    """How much of the core the modules are, as it is now."""
    lines = {
        path.stem: len(path.read_text().splitlines())
        for path in (ROOT / "hotkit" / "core").glob("*.py")
        if path.stem != "__init__"
    }
    mutated = sum(lines[case["module"]] for case in cases)
    return f"{len(cases)} of {len(lines)} modules, {mutated / sum(lines.values()):.0%} of the lines"


def _measured(evidence: Evidence, what: str) -> str:
    label = next((case["label"] for case in evidence["cases"] if case["ok"]), "no label")
    held = evidence["result"]
    return (
        f"{what}: `{evidence['command']}` on {evidence['date']}, commit {evidence['commit']},"
        f" {evidence['machine']} (**{label}**); {held['held']} of {held['cases']} held.\n"
    )


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |\n"


def _code(line: str) -> str:
    short = line if len(line) <= _SHOWN else line[: _SHOWN - 3] + "..."
    return "``" + short.replace("|", "\\|") + " ``"


PAGES: dict[str, Callable[[Evidence], str]] = {"fuzzing": fuzzing, "mutation": mutation}
SOURCES = {"fuzzing": "fuzz", "mutation": "mutation"}


def pages() -> dict[Path, str]:
    """Each page that has evidence, and what should stand in it."""
    sources = {name: EVIDENCE / f"{SOURCES[name]}.json" for name in PAGES}
    return {
        ROOT / "docs" / f"{name}.md": PAGES[name](json.loads(source.read_text()))
        for name, source in sources.items()
        if source.exists()
    }


def main() -> int:
    wrong = [
        path for path, text in pages().items() if not path.exists() or path.read_text() != text
    ]
    if "--write" in sys.argv:
        for path, text in pages().items():
            path.write_text(text)
        return 0
    for path in wrong:
        print(f"{path.relative_to(ROOT)} is not that of its evidence")  # noqa: T201
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
