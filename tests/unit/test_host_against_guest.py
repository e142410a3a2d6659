"""docs/host-against-guest.md: its commands parse, its files load, its checks are the doctor's."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from hotkit.cli import cli
from hotkit.core.doctor import judge
from hotkit.core.gravity import Finding
from hotkit.core.guestdoctor import judge_guest
from hotkit.core.guestspec import StartedGuest
from hotkit.core.vmdoctor import judge_vms
from hotkit.host.guestspec import guests_of
from hotkit.host.inventory import load_inventory
from hotkit.host.sweepspec import load_sweep_spec
from tests.unit.doctorfacts import AMD, DOWN, HOST, METAL, SERVER, UP, guest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/host-against-guest.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def commands() -> list[str]:
    """Those of hotkit in blocks of the shell, without what they are piped into."""
    rows = [row for block in blocks("sh") for row in block.splitlines()]
    return [row.partition(" | ")[0] for row in rows if row.startswith("hotkit ")]


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that the page's commands name, as earlier ones of them have made them."""
    inventory, sweep = blocks("yaml")
    for name, text in (("hosts.yml", inventory), ("metal.yml", sweep), ("config", ""),
                       ("lsmod.txt", "")):  # fmt: skip
        (tmp_path / name).write_text(text)
    for name in ("results/pilot", "results/first"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("line", dict.fromkeys(commands()))
def test_every_command_parses(line: str, there: Path) -> None:
    command: click.Command = cli
    context: click.Context | None = None
    words = shlex.split(line.partition(" > ")[0])
    while isinstance(command, click.Group):
        context = command.make_context(words[0], words[1:], parent=context)
        # Of a group, what is left is its command with its own words.
        name, found, rest = command.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        assert name is not None and found is not None, line
        command, words = found, [name, *rest]
    # Raises UsageError for a word that the command does not know.
    command.make_context(words[0], words[1:], parent=context)


def test_it_leads_all_the_way():
    said = "\n".join(commands())
    steps = ["kernel build", "provision", "doctor", "guest up", "sweep init", "sweep plan",
             "sweep metal.yml", "--table flushes", "guest down", "rollback"]  # fmt: skip
    places = [said.index(step) for step in steps]
    assert places == sorted(places)


def test_the_sweep_of_the_page(there: Path) -> None:
    spec = load_sweep_spec(there / "metal.yml")
    arms = spec.named_arms()
    assert spec.guest == "g1" and {arm.scope for arm in arms} == {"guest", "host"}
    assert {(arm.tracker, arm.scope) for arm in arms} >= {
        ("damon", "guest"), ("damon", "host"), ("idlepage", "host"), ("kvm-dirty", "host"),
        ("softdirty", "guest"), ("folio-referenced", "host"), ("perf", "guest"),
    }  # fmt: skip
    over_vm = [arm.described["flush"] for arm in arms if arm.name.startswith("over-vm")]
    assert over_vm == ["stock", "primary", "primary+secondary"]


def test_the_inventory_of_the_page(there: Path) -> None:
    known = load_inventory(there / "hosts.yml")
    (found,) = guests_of(known.host("tier1"), known)
    assert isinstance(found, StartedGuest)
    assert (found.name, found.kernel, found.cpus) == ("g1", "/srv/g1.vmlinuz", 4)
    assert [node.host_node for node in found.nodes] == [0, 1]
    assert known.host("tier1").variables["hotkit_kernel"] == "host"


def known_codes() -> tuple[set[str], set[str]]:
    """The doctor's checks: all, and those that are made for guests only."""
    bare = SERVER | {"no_kvm": ["none", "modprobe kvm_intel"], "modules": {}}
    process = UP["process"] | {"ring": True, "merging": 1}
    backed = guest(cpus=1, cpu_pins=[1])
    found: list[Finding] = list(judge(HOST, METAL))
    usual = {item.code for item in found}
    for vm in (SERVER, AMD, bare):
        found += judge_vms(vm, HOST, METAL, ())
    for one in (UP, DOWN, UP | {"process": process}):
        found += judge_guest(backed, one, SERVER, HOST, "my-lab")
    every = {item.code for item in found}
    return every, every - usual


def named() -> set[str]:
    """What the columns `check` of the page's tables name."""
    found: set[str] = set()
    for table in re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE):
        head, _, *rows = [[cell.strip() for cell in row.strip("|").split(" | ")]
                          for row in table.splitlines()]  # fmt: skip
        if "check" in head:
            cells = [row[head.index("check")] for row in rows]
            found |= {name for cell in cells for name in re.findall(r"`([a-z-]+)`", cell)}
    return found


def test_every_check_that_is_named_exists_and_none_is_left_out():
    every, of_guests = known_codes()
    assert named() <= every
    assert of_guests <= named()
    assert len(of_guests) > 25  # the tables were found
