"""Speed beside a peer, as ratios: `make bench`. Never part of a test: a busy machine is slow.

tools/bench.py [NAME...] [--write]: all benchmarks, or those named; --write puts the results of
those that are kept into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse

from bench import bigreport, boots, damorecord, manyhosts, reading, scanrate, startup, timing
from rich.console import Console

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


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed beside a peer, as ratios.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--write", action="store_true", help="put results into docs/benchmarks.md")
    given = parser.parse_args()
    unknown = set(given.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}: {', '.join(BENCHMARKS)}")
    console = Console()
    for name in given.names or BENCHMARKS:
        BENCHMARKS[name](console, given.write)


if __name__ == "__main__":
    main()
