"""QEMU's words for a guest, its identity, and what stands against a start."""

from __future__ import annotations

import stat
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from hotkit.agent.guest import life
from hotkit.agent.guest.bootfiles import find_kernel
from hotkit.agent.guest.identity import make_identity, write_ssh_config
from hotkit.agent.guest.life import Guest
from hotkit.agent.guest.words import command_line, qemu_words
from hotkit.agent.protocol import AgentError
from hotkit.core.guestspec import description, guests_from

LEAST = {"name": "g1", "disk": "/srv/a,b.img"}


def described(**more: Any) -> dict[str, Any]:
    """As the agent gets it."""
    (found,) = guests_from([{**LEAST, **more}])
    return description(found)


def words_of(**more: Any) -> str:
    return " ".join(qemu_words(described(**more), "/boot/vmlinuz-x", None))


def test_nothing_is_written_to_its_disk_and_it_reaches_nobody() -> None:
    said = words_of()
    assert "file=/srv/a,,b.img,if=none,id=root,snapshot=on,cache=unsafe,format=raw" in said
    assert "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:2222-:22" in said
    assert "-accel kvm -cpu host" in said and "-sandbox on," in said
    assert "-kernel /boot/vmlinuz-x -append root=/dev/vda1 rw console=ttyS0 panic=-1" in said
    assert "-initrd" not in said


def test_each_node_has_a_backend_that_may_be_bound() -> None:
    nodes = [{"memory": "256M", "host_node": 1}, {"memory": "128M"}]
    said = words_of(nodes=nodes, cpus=2)
    assert "-m 384M" in said and "-smp 2" in said
    assert f"id=ram0,size={256 << 20},merge=off,share=off,host-nodes=1,policy=bind" in said
    assert f"id=ram1,size={128 << 20},merge=off,share=off -numa node,nodeid=1,memdev=ram1" in said
    assert "-numa node,nodeid=0,memdev=ram0,cpus=0-1" in said


def test_backing_and_disk_as_they_are_described() -> None:
    assert "memory-backend-memfd,hugetlb=on,hugetlbsize=2M" in words_of(backing="hugetlb")
    assert "-accel kvm,dirty-ring-size=4096 -cpu host" in words_of(dirty_ring=4096)
    assert ",format=qcow2" in words_of(disk="/srv/g.qcow2")
    assert ",format=raw,offset=1024" in words_of(disk_offset_bytes=1024)
    mine = described(cmdline="quiet root=/dev/sda", root="UUID=1-2")
    assert command_line(mine) == "root=UUID=1-2 rw console=ttyS0 panic=-1 quiet root=/dev/sda"
    none = qemu_words(described(kernel="none"), None, None)
    assert "-kernel" not in none and "-append" not in none


@pytest.mark.lab
def test_qemu_takes_the_words(tmp_path: Path) -> None:
    """The real QEMU reads them all; what it then lacks is the disk."""
    words = qemu_words(described(disk=str(tmp_path / "none.img")), None, None)
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "none.img" in done.stderr and "No such file" in done.stderr


def test_keys_are_made_once_and_handed_over(tmp_path: Path) -> None:
    make_identity(tmp_path, "g1")
    keys = {name: (tmp_path / name).read_bytes() for name in ("login-key", "host-key")}
    make_identity(tmp_path, "g1")
    assert {name: (tmp_path / name).read_bytes() for name in keys} == keys
    with tarfile.open(tmp_path / "identity.tar") as archive:
        given = {item.name: archive.extractfile(item).read() for item in archive}  # type: ignore
    assert given == {
        "host-key/raw": keys["host-key"],
        "authorized-keys/raw": (tmp_path / "login-key.pub").read_bytes(),
        "hostname/raw": b"g1\n",
    }
    assert stat.S_IMODE((tmp_path / "identity.tar").stat().st_mode) == 0o600
    way = {"address": "127.0.0.1", "port": 2222, "user": "root"}
    config = write_ssh_config(tmp_path, "g1", way, known=True)
    done = subprocess.run(
        ["ssh", "-G", "-F", str(config), "g1"], capture_output=True, text=True, check=True
    )
    said = done.stdout.splitlines()
    assert {"hostname 127.0.0.1", "port 2222", "user root", "stricthostkeychecking true"} <= {*said}
    assert (tmp_path / "known_hosts").read_text().startswith("g1 ssh-ed25519 ")
    # The quickest key exchange first, and the others still.
    kex = next(row for row in said if row.startswith("kexalgorithms ")).split()[1].split(",")
    assert kex[0] == "curve25519-sha256" and len(set(kex)) > 3


def test_a_kernel_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match=f"the guest's kernel {tmp_path}/vmlinuz-1 is not there"):
        find_kernel(str(tmp_path / "vmlinuz-1"))
    (tmp_path / "vmlinuz-1").touch()
    assert find_kernel(str(tmp_path / "vmlinuz-1")) == (str(tmp_path / "vmlinuz-1"), None)
    (tmp_path / "initrd.img-1").touch()
    assert find_kernel(str(tmp_path / "vmlinuz-1"))[1] == str(tmp_path / "initrd.img-1")
    assert find_kernel("none") == (None, None)


@pytest.mark.parametrize(
    ("more", "file", "said", "message"),
    [
        ({"backing": "thp"}, "_THP", "always madvise [never]", "this host has transparent huge"),
        ({"backing": "hugetlb"}, "_HUGE", "3", "needs 256 free huge pages of 2 MiB, this host has"),
        ({"eptad": False}, "_EPTAD", "Y", r"eptad: false, but \S+ says Y"),
    ],
)
def test_what_the_host_lacks_is_said_before_the_start(
    more: dict[str, Any], file: str, said: str, message: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (tmp_path / "knob").write_text(said + "\n")
    monkeypatch.setattr(life, file, tmp_path / "knob")
    guest = Guest(described(kernel="none", **more), tmp_path)
    with pytest.raises(AgentError, match=message):
        guest.up()
    assert guest.state() == "down" and not (tmp_path / "g1" / "guest.json").exists()


def test_a_vm_of_somebody_else_is_only_looked_at(tmp_path: Path) -> None:
    theirs = {"name": "t", "process": {"pid_file": str(tmp_path / "pid")}, "ssh": {"port": 2222}}
    (found,) = guests_from([theirs])
    guest = Guest(description(found), tmp_path)
    assert (guest.state(), guest.pid(), guest.down()) == ("down", None, False)
    with pytest.raises(AgentError, match=r"guest t: its process is not there \(pid_file: "):
        guest.up()
    with subprocess.Popen(["sleep", "60"]) as process:
        (tmp_path / "pid").write_text(f"{process.pid}\n")
        assert guest.pid() == process.pid and guest.age_s() is not None
        assert guest.down() is False and process.poll() is None
        process.kill()
    assert guest.pid() is None and guest.how_it_ended() == "is gone: its process ended"
