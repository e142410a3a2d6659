"""The agent's command line: what the controller runs on a measured machine.

  python3 agent.pyz hello                      who am I: one event
  python3 agent.pyz probe                      which trackers work here: JSON on stdin, a list of
                                               {"tracker", "settings"} ([] means all)
  python3 agent.pyz run --binary HOTSET [--scan SCAN]
                                               the schedule: one JSON line on stdin
  python3 agent.pyz tiers --binary HOTSET      how far each node's memory is: one probe event
  python3 agent.pyz doctor                     what it lacks for measuring: one probe event

Standard input is the line of life: when it ends (ssh is gone, the controller was interrupted), the
agent ends the workload, puts back what it touched and exits.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

from hotkit.agent import doctor
from hotkit.agent.protocol import AgentError, Emitter
from hotkit.agent.runner import Programs, Runner
from hotkit.agent.tierprobe import probe_tiers
from hotkit.agent.trackers import TRACKERS
from hotkit.agent.undo import Undo, state_directory

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


def main(argv: list[str] | None = None) -> int:
    """Do one job; returns the exit status."""
    options = _parse(argv)
    emitter = Emitter(sys.stdout)
    undo = Undo(state_directory())
    programs = Programs(options.binary or "", options.scan or "")
    runner = Runner(emitter, programs, _own_hash(), undo)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, _interrupt)
    try:
        if options.command == "run":
            runner.hello(restored=undo.open())
            schedule = _read_line()
            _watch_stdin()
            runner.carry_out(schedule)
            return 0
        if options.command == "tiers":
            # The machine is taken as for a run: a probe beside one would spoil both.
            runner.hello(restored=undo.open())
            probe_tiers(emitter.emit, options.binary)
            return 0
        runner.hello(restored=_left_behind(undo) if options.command == "probe" else [])
        if options.command == "probe":
            wanted = _read_line()
            runner.probe(wanted or [{"tracker": name} for name in sorted(TRACKERS)])
        if options.command == "doctor":
            emitter.emit("probe", doctor=doctor.facts())
        return 0
    except AgentError as error:
        emitter.emit("error", run=None, message=error.message, fix=error.fix)
        return EXIT_FAILED
    except BrokenPipeError:
        return EXIT_INTERRUPTED  # nobody listens any more
    except (OSError, ValueError) as error:
        # Like a file of /proc that was gone between two looks: the workload or kdamond died.
        emitter.emit("error", run=None, message=f"the agent cannot go on: {error}", fix=None)
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    finally:
        # From here on nothing may interrupt: the workload must not outlive us.
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        try:
            runner.clean_up()
        except AgentError as error:
            emitter.emit("error", run=None, message=error.message, fix=error.fix)
        undo.close()


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="agent.pyz", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("hello")
    commands.add_parser("probe")
    commands.add_parser("doctor")
    run = commands.add_parser("run")
    run.add_argument("--binary", required=True, help="the workload's program")
    run.add_argument("--scan", default="", help="the program that scans A bits")
    tiers = commands.add_parser("tiers")
    tiers.add_argument("--binary", required=True, help="the program that has the mode probe")
    parser.set_defaults(binary=None, scan=None)
    return parser.parse_args(argv)


def _left_behind(undo: Undo) -> list[str]:
    """Put back what a dead agent left, or its kdamond would look like somebody else's.

    Nothing where an agent lives and measures: a probe changes nothing, and may look beside it.
    """
    if not undo.something_to_undo():
        return []
    try:
        return undo.open(wait_s=2)
    except (AgentError, OSError):
        return []


def _read_line() -> Any:
    """The one JSON line on stdin; nothing is []. AgentError when it is none."""
    try:
        return json.loads(sys.stdin.readline() or "[]")
    except ValueError as error:
        raise AgentError(f"what came on stdin is not JSON: {error}") from None


def _own_hash() -> str:
    """SHA-256 of the zipapp that runs; of nothing when run from a source tree."""
    archive = Path(sys.argv[0])
    return hashlib.sha256(archive.read_bytes()).hexdigest() if archive.is_file() else ""


def _interrupt(number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt(number)


def _watch_stdin() -> None:
    """End with the connection: end of file on stdin interrupts the main thread."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="line-of-life", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
