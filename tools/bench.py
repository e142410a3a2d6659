"""Speed beside a peer, as ratios: `make bench`. Never part of a test: a busy machine is slow.

tools/bench.py [NAME...] [--write]: all benchmarks, or those named; --write puts the results of
those that are kept into docs/benchmarks.md. One that cannot run says why, the others follow, and
the exit code is 1.
"""

from __future__ import annotations

import argparse
import sys

from bench import bigreport, boots, damorecord, manyhosts, reading, scanrate, startup, timing
from rich.console import Console

from hotkit.errors import HotkitError

BENCHMARKS = {
    "reading": reading.run,
    "scan-rate": scanrate.run,
    bigreport.NAME: bigreport.run,
    damorecord.NAME: damorecord.run,
    timing.NAME: timing.run,
    startup.NAME: startup.run,
    "verify-hosts": manyhosts.run_verify,
    "provision-hosts": manyhosts.run_provision,
    boots.NAME: boots.run,
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Speed beside a peer, as ratios.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--write", action="store_true", help="put results into docs/benchmarks.md")
    given = parser.parse_args()
    unknown = set(given.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}: {', '.join(BENCHMARKS)}")
    console = Console()
    failed = 0
    for name in given.names or BENCHMARKS:
        try:
            BENCHMARKS[name](console, given.write)
        except HotkitError as error:
            said = ": ".join(filter(None, (name, error.message, error.hint)))
            Console(stderr=True).print(said, style="red", markup=False)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
