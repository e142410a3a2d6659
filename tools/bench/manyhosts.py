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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from rich.console import Console

from bench.cputime import Meter, metered
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


VERIFY = (Plan(1, 3), Plan(20, 3), Plan(50, 1))
PROVISION = (Plan(1, 2), Plan(20, 2))


def run_verify(console: Console, write: bool) -> None:
    """`hotkit verify` and plain testinfra."""

    def sides(hosts: Fleet) -> Sides:
        specs = ",".join(f"ssh://{host.name}" for host in hosts.hosts)
        return {
            "hotkit": [*HOTKIT, "verify", hosts.inventory("verify")],
            "testinfra": [
                sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", PLAIN,
                f"--rootdir={hosts.folder}", f"--hosts={specs}",
                f"--ssh-config={hosts.folder}/ssh_config",
            ],
        }  # fmt: skip

    target = {20: {"at_least": 5.0}}
    figures = compare(console, "verify", VERIFY, sides, target)
    keep(console, "verify-hosts", about_here(), figures, write=write)


def run_provision(console: Console, write: bool) -> None:
    """A second run of `hotkit provision`, and ansible-playbook with the same plays."""

    def sides(hosts: Fleet) -> Sides:
        inventory, playbook = hosts.inventory("again"), ROOT / "playbooks/provision.yml"
        return {
            "hotkit": [*HOTKIT, "provision", inventory, "--yes"],
            "ansible-playbook": [*ansible_program("playbook"), "-i", inventory, playbook],
        }

    target = {20: {"at_most": 1.1}}
    figures = compare(console, "provision again", PROVISION, sides, target, share=True)
    keep(console, "provision-hosts", about_here(), figures, write=write)


def compare(
    console: Console,
    what: str,
    plans: Sequence[Plan],
    sides_of: Callable[[Fleet], Sides],
    targets: Mapping[int, Mapping[str, float]],
    *,
    share: bool = False,
) -> list[Figure]:
    """For each plan the seconds on the wall, and the CPU seconds of all that ran for it."""
    figures = []
    with metered() as meter:
        for plan, hosts in _fleets(plans):
            ours, peer = sides_of(hosts).items()
            taken = measure(console, dict([ours, peer]), plan.rounds, hosts, meter)
            load = load_average()
            for number, unit in enumerate(("s", "s of CPU") if meter else ("s",)):
                figures.append(
                    Figure(
                        what=f"{what}, {plan.hosts} host{'s' * (plan.hosts > 1)}", unit=unit,
                        hotkit=[one[number] for one in taken[ours[0]]], peer=peer[0],
                        theirs=[one[number] for one in taken[peer[0]]], share=share, load=load,
                        **(targets.get(plan.hosts, {}) if unit == "s" else {}),
                    )
                )  # fmt: skip
    return figures


def measure(
    console: Console, sides: Sides, rounds: int, hosts: Fleet, meter: Meter | None
) -> dict[str, list[tuple[float, float]]]:
    """Seconds on the wall and of CPU of each side, round by round."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for number in range(rounds):
        names = list(sides) if number % 2 else list(reversed(sides))
        for name in names:
            before = meter() if meter else 0.0
            wall = _seconds(sides[name], hosts)
            taken[name].append((wall, meter() - before if meter else 0.0))
        said = ", ".join("{} {:.1f} s ({:.1f} of CPU)".format(n, *taken[n][-1]) for n in sides)
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
