"""The agent's command line: what the controller runs on a measured machine.

  python3 agent.pyz hello                      who am I: one event
  python3 agent.pyz probe [--binary HOTSET --scan SCAN]
                                               which trackers work here: JSON on stdin, a list of
                                               {"tracker", "settings"} ([] means all), or with
                                               "scope" each, {"guest", "trackers": [...]}
  python3 agent.pyz run --binary HOTSET [--scan SCAN]
                                               the schedule: one JSON line on stdin
  python3 agent.pyz start --binary HOTSET [--scan SCAN]
                                               the same, without us: it goes on when we are gone
  python3 agent.pyz follow|stop|forget --sweep ID --session K
                                               its events; end it; remove what it kept (spool.py)
  python3 agent.pyz tiers --binary HOTSET      how far each node's memory is: one probe event
  python3 agent.pyz doctor [--in-guest]        what it lacks for measuring: one probe event; with
                                               {"guests": [...]} on stdin also for VMs, and in them
  python3 agent.pyz quiesce check|apply|restore [--dry-run]
                                               make it quiet until restored: settings on stdin
  python3 agent.pyz guest up|down|status [--dry-run]
                                               a VM of this host: its description on stdin
  python3 agent.pyz serve --binary HOTSET [--scan SCAN]
                                               in a guest: what the agent on its host asks
  python3 agent.pyz become [--thp no] -- WORDS  be another program, with no huge pages

Of `run`, standard input is the line of life: when it ends (ssh is gone, the controller was
interrupted), the agent ends the workload, puts back what it touched and exits.
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
from typing import Any

from hotkit.agent import doctor, guestdoctor, vmdoctor
from hotkit.agent.guest import command as guest
from hotkit.agent.guest.serve import Server
from hotkit.agent.protocol import AgentError, Emitter
from hotkit.agent.quiesce import command as quiesce
from hotkit.agent.runner import Runner
from hotkit.agent.spool import Session, detach, follow
from hotkit.agent.stage import Programs
from hotkit.agent.tierprobe import probe_tiers
from hotkit.agent.trackers import TRACKERS
from hotkit.agent.undo import Undo, state_directory

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


def main(argv: list[str] | None = None) -> int:
    """Do one job; returns the exit status."""
    options = _parse(argv)
    if options.command in ("start", "follow", "stop", "forget"):
        return _detached(options)
    if options.command == "become":
        return guest.become(options.words, options.thp == "yes")
    return _job(options, Emitter(sys.stdout))


def _detached(options: argparse.Namespace) -> int:
    """What concerns an agent that runs without a controller (spool.py)."""
    emitter = Emitter(sys.stdout)
    try:
        if options.command == "start":
            schedule = _read_line()
            session = Session(state_directory(), str(schedule["sweep"]), int(schedule["session"]))
            detach(session, lambda sink: _job(options, Emitter(sink), schedule, session))
            emitter.emit("probe", started=True)
            return 0
        session = Session(state_directory(), options.sweep, options.session)
        if options.command == "follow":
            return follow(session, options.first, sys.stdout.buffer)
        if options.command == "stop":
            session.ask_to_stop(options.when)
        else:
            session.forget()
        return 0
    except AgentError as error:
        emitter.emit("error", run=None, message=error.message, fix=error.fix)
        return EXIT_FAILED
    except (OSError, ValueError, KeyError) as error:
        emitter.emit("error", run=None, message=f"the agent cannot: {error!r}", fix=None)
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _job(
    options: argparse.Namespace,
    emitter: Emitter,
    schedule: dict[str, Any] | None = None,
    session: Session | None = None,
) -> int:
    """Probe or measure; with a schedule and its session detached, else as stdin says."""
    undo = Undo(state_directory())
    programs = Programs(options.binary or "", options.scan or "")
    runner = Runner(emitter, programs, _own_hash(), undo)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: emitter.interrupt())
    try:
        if session is not None and schedule is not None:
            runner.hello(restored=undo.open())
            runner.carry_out(schedule, session.stop_wanted)
            return 0
        if options.command == "run":
            runner.hello(restored=undo.open())
            schedule = _read_line()
            _watch_stdin()
            runner.carry_out(schedule)
            return 0
        if options.command == "serve":
            undo.open()
            server = Server(programs, undo)
            try:
                server.serve()
            finally:
                server.close()
        if options.command == "guest":
            runner.hello(restored=[])
            well = guest.carry_out(options.act, _read_line(), options.dry_run, emitter.emit)
            return 0 if well else EXIT_FAILED
        if options.command == "tiers":
            # The machine is taken as for a run: a probe beside one would spoil both.
            runner.hello(restored=undo.open())
            probe_tiers(emitter.emit, options.binary)
            return 0
        if options.command == "quiesce":
            changes = options.act != "check" and not options.dry_run
            runner.hello(restored=undo.open() if changes else [])
            wanted = options.act != "restore" and _read_line() or {}
            well = quiesce.carry_out(options.act, undo, wanted, options.dry_run, emitter.emit)
            return 0 if well else EXIT_FAILED
        runner.hello(restored=_left_behind(undo) if options.command == "probe" else [])
        if options.command == "probe":
            wanted = _read_line()
            guest_of = wanted.get("guest") if isinstance(wanted, dict) else None
            if guest_of:
                runner.bring_guest_up(guest_of)
                wanted = wanted["trackers"]
            runner.probe(wanted or [{"tracker": name} for name in sorted(TRACKERS)])
        if options.command == "doctor":
            emitter.emit("probe", **_doctor(options.in_guest))
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
        # Asked to by `stop`; a machine that shuts down interrupts us too, and that is no end.
        if session is not None and session.stop_wanted() == "now":
            emitter.emit("end", run=None, stopped="now")
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
    ill = commands.add_parser("doctor")
    ill.add_argument("--in-guest", action="store_true", help="only what it shows as a guest")
    for name in ("run", "start", "serve", "probe"):
        run = commands.add_parser(name)
        needed = name != "probe"
        run.add_argument("--binary", required=needed, default="", help="the workload's program")
        run.add_argument("--scan", default="", help="the program that scans A bits")
    for name in ("follow", "stop", "forget"):
        about = commands.add_parser(name)
        about.add_argument("--sweep", required=True, help="the sweep's name")
        about.add_argument("--session", type=int, required=True, help="which start of the agent")
        about.add_argument("--from", dest="first", type=int, default=0, help="first event (follow)")
        about.add_argument("--when", choices=("run", "block", "now"), default="run", help="(stop)")
    tiers = commands.add_parser("tiers")
    tiers.add_argument("--binary", required=True, help="the program that has the mode probe")
    quiet = commands.add_parser("quiesce")
    quiet.add_argument("act", choices=quiesce.ACTS)
    quiet.add_argument("--dry-run", action="store_true", help="say what would change, and do not")
    vm = commands.add_parser("guest")
    vm.add_argument("act", choices=guest.ACTS)
    vm.add_argument("--dry-run", action="store_true", help="say what would change, and do not")
    become = commands.add_parser("become")
    become.add_argument("--thp", choices=("yes", "no"), default="yes", help="huge pages or none")
    become.add_argument("words", nargs="+", help="the program and its words")
    parser.set_defaults(binary=None, scan=None)
    return parser.parse_args(argv)


def _doctor(in_guest: bool) -> dict[str, Any]:
    """What the probe event says. In a guest nobody is at the other end of stdin."""
    if in_guest:
        return {"inside": guestdoctor.inside()}
    wanted = _read_line()
    if not wanted:
        return {"doctor": doctor.facts()}
    guests = guestdoctor.facts(wanted["guests"])
    return {"doctor": doctor.facts(), "vm": vmdoctor.facts(), "guests": guests}


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


def _watch_stdin() -> None:
    """End with the connection: end of file on stdin interrupts the main thread."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="line-of-life", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
