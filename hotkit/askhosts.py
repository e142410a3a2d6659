"""One question to the agents of many hosts at once: what `hotkit trackers` and `doctor` share."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hotkit import lab
from hotkit.agentplace import Place, install
from hotkit.core.answer import Answer
from hotkit.errors import HotkitError
from hotkit.host.agentlink import ask_agent
from hotkit.host.inventory import Inventory, load_inventory
from hotkit.host.run import run
from hotkit.host.runs import new_run_folder
from hotkit.host.zipapp import Built, build_agent

# An emulated machine needs some seconds to start Python.
_SECONDS = 120
# Each host that lacks the agent gets an Ansible of its own: about 100 MiB each.
_AT_ONCE = 8

Say = Callable[[str, str], None]  # (host, what happens there now)


def ask_hosts(
    inventory: str | Path | Inventory,
    *,
    limit: str | None,
    local: bool,
    command: str,
    stdin: str | Callable[[str], str] = "",
    say: Say = lambda host, what: None,
) -> list[Answer]:
    """`agent.pyz COMMAND` on every host, or on this machine; an answer each, in their order.

    The agent is installed where it is not. `stdin` is what it reads, or says so of a host's name.
    Raises HotkitError (exit code 2) for a bad inventory, before any host is contacted.
    """
    agent = build_agent()
    read = stdin if callable(stdin) else lambda host: stdin
    if local:
        place = Place("localhost", None, None)
        return [_ask(place, agent, Path(), command, read(place.name), say)]
    known = inventory if isinstance(inventory, Inventory) else load_inventory(inventory, limit)
    running = lab.running() if any(host.machine for host in known.hosts) else []
    folder = new_run_folder(command)

    def one(place: Place) -> Answer:
        if place.host and place.host.machine is not None and place.name not in running:
            return Answer(
                host=place.name,
                problem="does not run",
                advice=f"hotkit lab up {place.name}",
                running=False,
            )
        return _ask(place, agent, folder / place.name, command, read(place.name), say)

    places = [Place(host.name, host, known) for host in known.hosts]
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        return list(pool.map(one, places))


def _ask(place: Place, agent: Built, folder: Path, command: str, stdin: str, say: Say) -> Answer:
    try:
        say(place.name, "is the agent there?")
        path = install(place, (agent,), folder)[0]
        say(place.name, "asking the agent")
        argv = place.words([place.python, path, command])
        events = ask_agent(run(argv, check=False, timeout=_SECONDS, input=stdin), host=place.name)
        say(place.name, "answered")
    except HotkitError as error:
        say(place.name, "did not answer")
        return Answer(
            host=place.name,
            problem=error.message.removeprefix(f"{place.name}: "),
            advice=error.hint,
        )
    probes = tuple(event for event in events if event["type"] == "probe")
    return Answer(host=place.name, machine=events[0]["machine"], events=probes)
