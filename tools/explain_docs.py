"""Writes what `hotkit memory` prints of the captured machine into docs/memory.md; a test compares.

As in a terminal of 128 columns; blanks at the ends of lines are cut.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich.console import Console, RenderableType

from hotkit.core.memdiff import diff
from hotkit.core.memtree import explain
from hotkit.memory import load_facts
from hotkit.report.memoryaccount import account_report
from hotkit.report.memorydiff import diff_report

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs" / "memory.md"
CAPTURE = ROOT / "tests" / "data" / "captures" / "lab-2s-256g"
_COLUMNS = 128


def outputs() -> dict[str, str]:
    """The text for each place of the page, by its name."""
    account = _printed(account_report(explain(load_facts(str(CAPTURE)))))
    tree, _, rest = account.partition("\nWhat no field")
    suspects, _, beside = rest.partition("\nListed in vmallocinfo")
    beside = beside.partition("\nProcesses")[0]
    tables = [load_facts(str(CAPTURE / f"numactl-{name}.txt")) for name in ("all-cpus", "maxcpus4")]
    return {
        "tree": tree,
        "suspects": "What no field" + suspects,
        "beside": "Listed in vmallocinfo" + beside,
        "diff": _printed(diff_report(diff(*tables))),
    }


def page(text: str) -> str:
    """The page with what is printed now. Raises ValueError when it has no place for a part."""
    for name, printed in outputs().items():
        place = re.compile(rf"(<!-- {name}: printed -->\n```\n).*?(```\n)", re.DOTALL)
        if not place.search(text):
            raise ValueError(f"{DOCS.name}: the place for {name!r} is missing")
        text = place.sub(
            lambda match, new=printed: match[1] + new.strip("\n") + "\n" + match[2], text
        )
    return text


def _printed(what: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=_COLUMNS)
    console.print(what, highlight=False, markup=False)
    text = console.file.getvalue()
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        DOCS.write_text(page(DOCS.read_text()))
    else:
        sys.stdout.write("\n".join(outputs().values()))
