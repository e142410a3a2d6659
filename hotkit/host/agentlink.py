"""The line to an agent: a schedule goes in, its events come out; when it breaks, the agent ends."""

from __future__ import annotations

import json
import select
import signal
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from hotkit.agent.spool import GONE
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.run import describe_end, spawn

PROTOCOL_VERSION = 1
_UNREACHABLE = 255  # ssh's own exit status


class ConnectionLost(HotkitError):
    """The way to the host broke, or it fell silent; an agent that was started goes on."""


class AgentGone(HotkitError):
    """The agent died before its schedule was done: killed, or with its machine."""


@contextmanager
def talk_to_agent(
    argv: Sequence[str], schedule: Mapping[str, Any], *, host: str, remote: bool, silence_s: float
) -> Iterator[Iterator[dict[str, Any]]]:
    """Start an agent (through ssh when `remote`), hand it its schedule, yield its events.

    The agent's stdin stays open as its line of life: leaving the block closes it, and the agent
    ends workload and tracker by itself. Raises HotkitError for a lost connection (exit code 3), an
    agent that says nothing for `silence_s`, or one that breaks the protocol.
    """
    line = json.dumps(schedule).encode() + b"\n"
    with _conversation(argv, line) as child:
        yield _events(child, 0, host, remote, silence_s)


@contextmanager
def follow_agent(
    argv: Sequence[str], *, first: int, host: str, remote: bool, silence_s: float
) -> Iterator[Iterator[dict[str, Any]]]:
    """Yield the events, from number `first` on, of an agent that runs by itself (agent/spool.py).

    `argv` is a follower. Raises ConnectionLost, AgentGone, or HotkitError for what the agent
    itself could not do.
    """
    with _conversation(argv, b"") as child:
        yield _events(child, first, host, remote, silence_s)


@contextmanager
def _conversation(argv: Sequence[str], line: bytes) -> Iterator[subprocess.Popen[bytes]]:
    with spawn(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Ctrl-C at the terminal is ours to handle: it must not kill ssh before the agent has ended.
        start_new_session=True,
    ) as child:
        assert child.stdin is not None
        with suppress(BrokenPipeError):  # how it ended is said below
            child.stdin.write(line)
            child.stdin.flush()
        try:
            yield child
        finally:
            with suppress(OSError):
                child.stdin.close()
            for wanted in (None, signal.SIGTERM):
                if wanted is not None:
                    child.send_signal(wanted)
                with suppress(subprocess.TimeoutExpired):
                    child.wait(8)
                    break


def _events(
    child: subprocess.Popen[bytes], first: int, host: str, remote: bool, silence_s: float
) -> Iterator[dict[str, Any]]:
    assert child.stdout is not None and child.stderr is not None
    for expected, line in enumerate(_lines(child, host, silence_s), start=first):
        try:
            event: dict[str, Any] = json.loads(line)
            number, version = event["seq"], event["v"]
        except (ValueError, KeyError, TypeError) as error:
            raise HotkitError(
                f"{host}: the agent sent something else than an event: {line[:120]!r}",
                exit_code=ExitCode.VERDICT_FAILED,
            ) from error
        if version != PROTOCOL_VERSION or number != expected:
            raise HotkitError(
                f"{host}: event {number} of protocol {version} where {expected} of protocol"
                f" {PROTOCOL_VERSION} was due",
                exit_code=ExitCode.VERDICT_FAILED,
            )
        yield event
        if event["type"] == "end" and event.get("run") is None:
            return
        if event["type"] == "error" and event.get("run") is None:
            raise HotkitError(
                f"{host}: {event['message']}",
                hint=event.get("fix"),
                exit_code=ExitCode.VERDICT_FAILED,
            )
    status = child.wait(10)
    said = child.stderr.read().decode(errors="replace").strip().splitlines()
    last = f": {said[-1]}" if said else ""
    # A signal ended our ssh, not the agent: that would be 128 + its number.
    if remote and (status == _UNREACHABLE or status < 0):
        raise ConnectionLost(
            f"{host}: the connection was lost{last}",
            hint="what was journalled so far is kept",
            exit_code=ExitCode.UNREACHABLE,
        )
    raise AgentGone(
        f"{host}: the agent {_how(status)} before its schedule was done{last}",
        exit_code=ExitCode.VERDICT_FAILED,
    )


def _how(status: int) -> str:
    return "ended" if status == GONE else describe_end(status)


def _lines(child: subprocess.Popen[bytes], host: str, silence_s: float) -> Iterator[bytes]:
    """Lines of stdout; an agent that hangs is not waited for without end."""
    assert child.stdout is not None
    handle = child.stdout.fileno()
    rest = b""
    while True:
        if not select.select([handle], [], [], silence_s)[0]:
            raise ConnectionLost(
                f"{host}: the agent said nothing for {silence_s:.0f} s",
                exit_code=ExitCode.UNREACHABLE,
            )
        got = child.stdout.read1(1 << 16)  # type: ignore[attr-defined]
        if not got:
            return
        *whole, rest = (rest + got).split(b"\n")
        yield from whole


def ask_agent(
    done: subprocess.CompletedProcess[str], *, host: str, fine: Collection[int] = (0,)
) -> list[dict[str, Any]]:
    """The events of an agent that ran to its end (`hello`, `probe`); the first is its hello.

    `fine` are the exit statuses by which it may have told something. Raises HotkitError.
    """
    try:
        events = [json.loads(line) for line in done.stdout.splitlines()]
    except ValueError:
        events = []
    failed = next((event for event in events if event.get("type") == "error"), None)
    if failed:
        raise HotkitError(
            f"{host}: {failed['message']}", hint=failed.get("fix"),
            exit_code=ExitCode.VERDICT_FAILED,
        )  # fmt: skip
    if done.returncode not in fine or not events or events[0].get("type") != "hello":
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        lost = done.returncode == _UNREACHABLE
        raise HotkitError(
            f"{host}: {'not reachable' if lost else 'the agent does not run'}"
            + (f": {said[-1][:200]}" if said else f" ({describe_end(done.returncode)})"),
            hint="is it up? hotkit status" if lost else "what the machine lacks: hotkit doctor",
            exit_code=ExitCode.UNREACHABLE if lost else ExitCode.VERDICT_FAILED,
        )
    return events
