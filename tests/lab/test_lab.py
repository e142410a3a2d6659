"""The lab itself: start, reach, put back, recover, take down."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from hotkit import lab
from hotkit.cli import main
from hotkit.errors import ExitCode, HotkitError
from hotkit.host import labssh
from hotkit.host.inventory import Host
from hotkit.host.qemu import PID_FILE
from hotkit.host.qemu_process import find_qemu
from hotkit.host.ssh import Ssh
from hotkit.parse.capture import topology_from_dmesg
from hotkit.simulate import learn_topology

pytestmark = pytest.mark.lab

NAME = "lab-small"
CAPTURE = Path(__file__).parent.parent / "data" / "captures" / "lab-2s-256g" / "dmesg-boot.txt"

TWINS = """
lab:
  hosts:
    twin-a: {hotkit_machine: {nodes: [{memory: 768M, cpus: 1}]}}
    twin-b: {hotkit_machine: {nodes: [{memory: 512M, cpus: 1}, {memory: 256M}]}}
"""


def quiet(name: str, text: str) -> None:
    pass


def listeners(port: int) -> set[str]:
    """The addresses (hex, as /proc/net/tcp has them) that listen on `port`."""
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    ends = [row[1].split(":") for row in rows if row[3] == "0A"]
    return {address for address, number in ends if int(number, 16) == port}


def is_running(pid: int) -> bool:
    """Whether there is such a process, zombies apart: init may take its time to bury one."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_ssh_with_the_pinned_key(lab_machine: Host) -> None:
    ssh = Ssh(lab_machine.way)
    assert ssh.run(["hostname"]).stdout.strip() == NAME
    said = ssh.run(["sh", "-c", 'printf %s "$1"', "sh", "a 'b' $HOME; *"]).stdout
    assert said == "a 'b' $HOME; *", "words arrive as they were given"
    assert list(ssh.stream(["printf", "1\\n2\\n"])) == ["1", "2"]
    assert ssh.run(["numactl", "-H"]).stdout.startswith("available: 2 nodes (0-1)")
    assert abs(float(ssh.run(["date", "+%s"]).stdout) - time.time()) < 10

    known = labssh.lab_dir() / NAME / "identity" / "known_hosts"
    pinned = known.read_text()
    other = labssh.new_identity(labssh.lab_dir() / NAME / "other", NAME)
    ssh.hang_up()
    try:
        known.write_text((other / "known_hosts").read_text())
        with pytest.raises(HotkitError) as refused:
            ssh.run(["true"])
        assert refused.value.exit_code == ExitCode.UNREACHABLE
    finally:
        known.write_text(pinned)


def test_only_loopback_listens(lab_machine: Host) -> None:
    port = lab.status_of(lab.known_machine(NAME)).ssh_port
    assert port and listeners(port) == {"0100007F"}


def test_reset_takes_seconds_and_forgets(lab_machine: Host) -> None:
    ssh = Ssh(lab_machine.way)
    before = ssh.run(["cat", "/proc/sys/kernel/random/boot_id"]).stdout
    ssh.run(["sh", "-c", "echo broken > /etc/hostname; touch /root/mark; sync"])
    port = lab.status_of(lab.known_machine(NAME)).ssh_port
    began = time.monotonic()
    after = lab.reset(NAME, quiet)
    took = time.monotonic() - began
    assert took < 20  # 2 s on an idle laptop
    assert after.ssh_port == port
    found = ssh.run(["sh", "-c", "cat /etc/hostname; ls /root/mark"], check=False)
    assert (found.stdout.strip(), found.returncode) == (NAME, 2)
    assert ssh.run(["cat", "/proc/sys/kernel/random/boot_id"]).stdout == before


def test_died_qemu_is_reported_and_recovered(
    lab_machine: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    status = lab.status_of(lab.known_machine(NAME))
    assert status.pid
    os.kill(status.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while find_qemu(lab.machine_dir(NAME), NAME) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert main(["lab", "status", NAME, "--json"]) == ExitCode.VERDICT_FAILED
    shown = json.loads(capsys.readouterr().out)
    assert [item["state"] for item in shown["machines"]] == ["died"]
    with pytest.raises(HotkitError) as silent:
        Ssh(lab_machine.way).run(["true"])
    assert silent.value.exit_code == ExitCode.UNREACHABLE
    assert lab.up(lab.known_machine(NAME), quiet).state == "running"
    assert Ssh(lab_machine.way).run(["hostname"]).stdout.strip() == NAME


def test_a_stale_pid_file_kills_nobody(lab_machine: Host) -> None:
    """The number in the file now belongs to somebody else: this very process."""
    directory = lab.machine_dir(NAME)
    real = (directory / PID_FILE).read_text()
    (directory / PID_FILE).write_text(f"{os.getpid()}\n")
    try:
        assert lab.status_of(lab.known_machine(NAME)).state == "died"
    finally:
        (directory / PID_FILE).write_text(real)
    assert lab.status_of(lab.known_machine(NAME)).state == "running"


def test_reboot_goes_through_grub(lab_machine: Host) -> None:
    """The ready state skips the boot loader; a reboot from it does not."""
    ssh = Ssh(lab_machine.way)
    before = ssh.run(["cat", "/proc/sys/kernel/random/boot_id"]).stdout
    start = lab.console_log(NAME).stat().st_size
    ssh.run(["systemctl", "reboot"], check=False)
    ssh.hang_up()
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        time.sleep(1)
        try:
            found = ssh.run(["cat", "/proc/sys/kernel/random/boot_id"], timeout=30).stdout
        except HotkitError:
            continue
        if found != before:
            break
    else:
        pytest.fail("the machine did not come back")
    with lab.console_log(NAME).open("rb") as log:
        log.seek(start)
        said = log.read()
    assert b"Debian GNU/Linux" in said.replace(b"\x1b", b"") and b"Linux version 6.1" in said


def test_two_at_once_in_a_deep_directory_and_nothing_left(
    lab_tools: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sockets have short names; 150 characters of $XDG_STATE_HOME must not matter."""
    state = tmp_path / ("deep" * 20) / ("er, with a comma and space" * 3)
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    inventory = tmp_path / "twins.yml"
    inventory.write_text(TWINS)
    names = ["twin-a", "twin-b"]
    try:
        started = lab.up_many(names, quiet, inventory)
        assert [item.state for item in started] == ["running", "running"]
        assert len({item.ssh_port for item in started}) == 2
        for name in names:
            assert Ssh(labssh.way(name)).run(["hostname"]).stdout.strip() == name
    finally:
        for name in names:
            lab.down(name, quiet)
    for item in started:
        assert item.pid and not is_running(item.pid)
        assert item.ssh_port and not listeners(item.ssh_port)
    left = sorted(str(path.relative_to(labssh.lab_dir())) for path in labssh.lab_dir().rglob("*"))
    assert left == ["logs", "logs/twin-a.log", "logs/twin-b.log"]
    for name in names:
        lab.down(name, quiet)  # once more: nothing to do, no error


def test_srat_is_the_captures(lab_tools: None) -> None:
    """Nodes 0 to 2 of lab-2s-256g, as a booted kernel reads them, against the real machine's log.

    QEMU leaves the legacy hole (640 KiB to 1 MiB, no RAM on any PC) out of node 0's first range.
    """
    booted = learn_topology(lab.known_machine("lab-2s-256g"), print)
    real = topology_from_dmesg(CAPTURE.read_text(), "capture")
    legacy = {0: replace(booted.affinity[0].range, start=0xA0000, end=0x100000)}
    for node in (0, 1):
        span = booted.span(node)
        if node in legacy:
            assert not span.intersect(type(span).of([legacy[node]]))
            span = span.union(type(span).of([legacy[node]]))
        assert span == real.span(node)
    assert booted.pmem(2) == real.pmem(2)
    (third,) = booted.pmem(3)
    (real_third,) = real.pmem(3)
    assert third.start == real_third.start
    assert third.size_bytes == 247 << 30 < real_third.size_bytes
    assert booted.distances[0][:2] == (10, 20) and booted.distances[1][:2] == (20, 10)


def test_a_port_in_use_is_no_obstacle(lab_machine: Host) -> None:
    """After a crash somebody else may sit on the port: the machine takes another."""
    status = lab.status_of(lab.known_machine(NAME))
    assert status.ssh_port
    lab.down(NAME, quiet)
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", status.ssh_port))
        squatter.listen()
        assert lab.up(lab.known_machine(NAME), quiet).ssh_port != status.ssh_port
