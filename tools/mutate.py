"""`tools/mutate.py NAME...`: mutate modules of hotkit.core, and say what nobody noticed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TextIO

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.mutation.modules import names
from tests.mutation.session import mutate


def main(wanted: list[str]) -> int:
    """0 when no mutant lives without a reason; each of the others as a line removed and added."""
    unknown = set(wanted) - set(names())
    if unknown or not wanted:
        said = f"no tests/mutation/modules/{min(unknown)}.yml: write one" if unknown else __doc__
        _say(str(said), sys.stderr)
        return 2
    good = True
    for module in wanted:
        found = mutate(module)
        good = good and bool(found["ok"])
        if "error" in found:
            _say(f"{module}: {found['error']}", sys.stderr)
            continue
        holes = [one for one in found["survived"] if not one["why"]]
        _say(
            f"{module}: {found['mutants']} mutants, {found['killed']} noticed,"
            f" {found['too_slow']} without an end, {len(holes)} holes"
        )
        for one in holes:
            _say(f"  {one['function']}\n    - {one['removed']}\n    + {one['added']}")
    return 0 if good else 1


def _say(text: str, file: TextIO = sys.stdout) -> None:
    print(text, file=file, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
