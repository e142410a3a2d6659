"""`tools/mutate.py NAME...`: mutate modules of hotkit.core, and say what nobody noticed."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.mutation.modules import names  # noqa: E402
from tests.mutation.session import mutate  # noqa: E402


def main(wanted: list[str]) -> int:
    """0 when no mutant lives without a reason; each of the others as a line removed and added."""
    unknown = set(wanted) - set(names())
    if unknown or not wanted:
        said = f"no tests/mutation/modules/{min(unknown)}.yml: write one" if unknown else __doc__
        print(said, file=sys.stderr)
        return 2
    good = True
    for module in wanted:
        found = mutate(module)
        good = good and bool(found["ok"])
        if "error" in found:
            print(f"{module}: {found['error']}", file=sys.stderr)
            continue
        holes = [one for one in found["survived"] if not one["why"]]
        print(
            f"{module}: {found['mutants']} mutants, {found['killed']} noticed,"
            f" {found['too_slow']} without an end, {len(holes)} holes"
        )
        for one in holes:
            print(f"  {one['function']}\n    - {one['removed']}\n    + {one['added']}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
