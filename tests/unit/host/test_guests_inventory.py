"""hotkit_guests in an inventory's files: a mistake has its file, line and column."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from hotkit.cli import main
from hotkit.cli.completion import guest_names
from hotkit.core.guestspec import FoundGuest, StartedGuest
from hotkit.errors import ExitCode
from hotkit.host.guestspec import guests_of, names_written_in
from hotkit.host.inventory import load_inventory

G1 = "hotkit_guests:\n  - name: g1\n    disk: /srv/g1.img\n"

ONE = "hotkit_guests:\n  - "

BAD = [
    # What the schema knows:
    ("hotkit_guests: g1\n", "1:16: hotkit_guests: 'g1' is not of type 'array'; expected: a list"),
    (ONE + "disk: /srv/g1.img\n", "2:5: hotkit_guests.0: the key 'name' is missing"),
    (ONE + "{name: g_1, disk: /x}\n", "2:12: hotkit_guests.0.name: 'g_1' does not fit; expected: "
     "up to 32 letters, digits and -, like g1"),
    (ONE + "{name: g1, disk: g1.img}\n", "2:22: hotkit_guests.0.disk: 'g1.img' does not fit; "
     "expected: a path on the host"),
    (ONE + "{name: t, process: {unit: vm.slice}}\n", "2:31: hotkit_guests.0.process.unit: "
     "'vm.slice' does not fit; expected: a systemd unit"),
    (G1 + "    memry: 1G\n", "4:5: unknown key 'memry': did you mean 'memory'?"),
    (G1 + "    memory: 512\n", "4:13: hotkit_guests.0.memory: 512 is not of type 'string'; "
     "expected: a size with a unit"),
    (G1 + "    backing: 2M\n", "4:14: hotkit_guests.0.backing: '2M' is none of 4k, thp, hugetlb; "
     "expected: what the guest's memory is made of"),
    (G1 + "    kernel: lab\n", "4:13: hotkit_guests.0.kernel: 'lab' does not fit; expected: "
     "running (the kernel that the host runs)"),
    (G1 + "    cpus: 0\n", "4:11: hotkit_guests.0.cpus: 0 is less than the minimum of 1"),
    (G1 + "    nodes: [{memory: 1G, host_nod: 0}]\n",
     "4:26: unknown key 'host_nod': did you mean 'host_node'?"),
    # What only the reader knows:
    (G1 + "    memory: 385M\n", "4:13: hotkit_guests.0.memory: 385M is not a multiple of 2M"),
    (G1 + "    cpu_pins: [2, 3]\n", "4:15: hotkit_guests.0.cpu_pins: one CPU of the host for"),
    (G1 + "  - {name: g1, disk: /srv/g2.img}\n",
     "4:12: hotkit_guests.1.name: two guests of this host are called g1"),
    (ONE + "{name: t, process: {pid: 7}}\n",
     "2:5: hotkit_guests.0.ssh: 127.0.0.1 port 22 is the host itself"),
]  # fmt: skip


def folder(tmp_path: Path, host: str, hosts: str = "all:\n  hosts:\n    m1:\n") -> Path:
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "hosts.yml").write_text(hosts)
    (tmp_path / "host_vars" / "m1.yml").write_text(host)
    return tmp_path


@pytest.mark.parametrize(("text", "said"), BAD)
def test_a_mistake_has_its_place(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert main(["guest", "status", str(folder(tmp_path, text))]) == ExitCode.BAD_INPUT
    assert f"m1.yml:{said}" in capsys.readouterr().err
    assert not (tmp_path / "state").exists(), "a run was begun"


def test_variables_in_it_are_rendered_as_ansible_does(tmp_path: Path) -> None:
    text = "images: /srv\n" + G1.replace("/srv/g1.img", '"{{ images }}/g1.img"')
    found = load_inventory(folder(tmp_path, text))
    (guest,) = guests_of(found.host("m1"), found)
    assert isinstance(guest, StartedGuest) and guest.disk == "/srv/g1.img"


def test_shipped_guests() -> None:
    lab = load_inventory("lab")
    (guest,) = guests_of(lab.host("lab-nested"), lab)
    assert guest.name == "g1" and guests_of(lab.host("lab-small"), lab) == ()
    metal = load_inventory("example-metal")
    kinds = {type(guest) for host in metal.hosts for guest in guests_of(host, metal)}
    assert kinds == {StartedGuest, FoundGuest}


def test_names_for_the_shell(tmp_path: Path) -> None:
    ref = folder(
        tmp_path, G1, "all:\n  hosts:\n    m1:\n  vars:\n    hotkit_guests: [{name: g2}]\n"
    )
    assert sorted(names_written_in(ref)) == ["g1", "g2"]
    context = click.Context(click.Command("x"))
    context.params = {"inventory": str(ref)}
    offered = guest_names(context, click.Option(["--guest"]), "g1")
    assert [item.value for item in offered] == ["g1"]
    (ref / "hosts.yml").write_text("all: {hosts: [")
    assert guest_names(context, click.Option(["--guest"]), "") == []
