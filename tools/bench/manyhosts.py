"""hotkit over many hosts beside what it stands on: testinfra, and Ansible.

The hosts are of tests/fleet: each an sshd of its own on loopback, with a layout that runs and was
verified. All of them share this machine's cores with both sides, and no network lies between: a
round trip costs its CPU time alone. Sides take turns in an order that is turned round from round
to round; ssh's shared connections are closed in between.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from rich.console import Console

from bench.here import about_here
from bench.results import Figure, keep, load_average
from hotkit.host.ansible_env import ansible_env, ansible_program
from hotkit.host.run import clean_env

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.fleet.hosts import Fleet, FleetHost, fleet

ROOT = Path(__file__).resolve().parents[2]
PLAIN = Path(__file__).parent / "plain" / "test_layout.py"
HOTKIT = (sys.executable, "-m", "hotkit")

Sides = Mapping[str, Sequence[str | Path]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How many hosts, and how many rounds with them."""

    hosts: int
    rounds: int


VERIFY = (Plan(1, 5), Plan(20, 7), Plan(50, 3))
PROVISION = (Plan(1, 3), Plan(20, 5))


def run_verify(console: Console, write: bool) -> None:
    """`hotkit verify` and plain testinfra."""
    figures = []
    for plan, hosts in _fleets(VERIFY):
        specs = ",".join(f"ssh://{host.name}" for host in hosts.hosts)
        pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", PLAIN,
                  f"--rootdir={hosts.folder}", f"--hosts={specs}"]  # fmt: skip
        sides: Sides = {
            "hotkit": [*HOTKIT, "verify", hosts.inventory("verify")],
            "testinfra": [*pytest, f"--ssh-config={hosts.folder}/ssh_config"],
        }
        taken = measure(console, sides, plan.rounds, hosts)
        figures.append(
            Figure(
                what=f"verify {plan.hosts} host{'s' * (plan.hosts > 1)}", unit="s",
                hotkit=taken["hotkit"], peer="testinfra", theirs=taken["testinfra"],
                at_least=5.0 if plan.hosts == 20 else None, load=load_average(),
            )
        )  # fmt: skip
    keep(console, "verify-hosts", about_here(), figures, write=write)


def run_provision(console: Console, write: bool) -> None:
    """A second run of `hotkit provision`, and ansible-playbook with the same plays."""
    figures = []
    for plan, hosts in _fleets(PROVISION):
        inventory = hosts.inventory("provision")
        sides: Sides = {
            "hotkit": [*HOTKIT, "provision", inventory, "--yes"],
            "ansible-playbook": [
                *ansible_program("playbook"), "-i", inventory, ROOT / "playbooks/provision.yml",
            ],
        }  # fmt: skip
        taken = measure(console, sides, plan.rounds, hosts)
        figures.append(
            Figure(
                what=f"provision {plan.hosts} host{'s' * (plan.hosts > 1)} again", unit="s",
                hotkit=taken["hotkit"], peer="ansible-playbook", theirs=taken["ansible-playbook"],
                at_most=1.1 if plan.hosts == 20 else None, load=load_average(),
            )
        )  # fmt: skip
    keep(console, "provision-hosts", about_here(), figures, write=write)


def measure(console: Console, sides: Sides, rounds: int, hosts: Fleet) -> dict[str, list[float]]:
    """Seconds on the wall of each side, round by round."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        names = list(sides) if number % 2 else list(reversed(sides))
        for name in names:
            taken[name].append(_seconds(sides[name], hosts))
        said = ", ".join(f"{name} {taken[name][-1]:.1f} s" for name in sides)
        console.print(f"{len(hosts.hosts)} hosts, round {number + 1} of {rounds}: {said}")
    return taken


def _seconds(argv: Sequence[str | Path], hosts: Fleet) -> float:
    env = clean_env({**ansible_env(), "XDG_STATE_HOME": str(hosts.folder / "state")})
    began = perf_counter()
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, env=env)
    took = perf_counter() - began
    if done.returncode:
        raise AssertionError(f"{argv}: {done.stdout[-1500:]}{done.stderr[-500:]}")
    hosts.hang_up()
    return took


def _fleets(plans: Sequence[Plan]) -> Iterator[tuple[Plan, Fleet]]:
    """A fleet for each plan, whose hosts run a verified layout."""
    with provisioned() as like:
        for plan in plans:
            with (
                tempfile.TemporaryDirectory(prefix="hkb") as folder,
                fleet(Path(folder), plan.hosts, like=like) as hosts,
            ):
                yield plan, hosts


@contextmanager
def provisioned() -> Iterator[FleetHost]:
    """A host that was provisioned by hotkit and is off again."""
    with tempfile.TemporaryDirectory(prefix="hkb") as folder:
        with fleet(Path(folder), 1) as one:
            _seconds([*HOTKIT, "provision", one.inventory("first"), "--yes"], one)
        yield one.hosts[0]
