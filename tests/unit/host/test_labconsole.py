"""Which lines of a console log tell why a boot ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotkit.host.inventory import Host
from hotkit.host.labconsole import excerpt, log_of, reason, size_now
from hotkit.host.sshway import SshWay

LOG = (
    b"old boot\r\n[    1.0] Kernel panic - not syncing: of the boot before\r\n"
    b"\x1b[32mGNU GRUB\x1b[0m\r\n"
    b"[   37.1] watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [swapper/0:1]\r\n"
    + b"".join(b"[   40.%d] noise %d\r\n" % (n, n) for n in range(20))
    + b"[   56.0] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100\r\n"
    b"[   56.1] CPU: 1 PID: 1 Comm: false\r\n"
)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folder = tmp_path / "hotkit" / "lab" / "m1"
    folder.mkdir(parents=True)
    (folder / "console.log").write_bytes(LOG)
    return Host(name="m1", variables={"hotkit_machine": {"nodes": []}}, way=SshWay(host="m1"))


def test_the_panic_of_this_boot_counts(host: Host) -> None:
    lines = excerpt(host, LOG.index(b"\x1b[32m"))
    assert lines[3].endswith("exitcode=0x00000100") and lines[4].endswith("Comm: false")
    assert reason(lines) == (
        "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100"
    )


def test_without_a_cause_the_last_lines(host: Host) -> None:
    log = log_of(host)
    assert log is not None
    log.write_bytes(b"".join(b"line %d\n" % n for n in range(50)))
    lines = excerpt(host, 0)
    assert lines[-1] == "line 49" and len(lines) == 12
    assert reason(lines) is None


def test_a_log_that_was_cut_is_read_from_its_start(host: Host) -> None:
    assert excerpt(host, size_now(host) + 1000)


def test_a_machine_that_is_not_the_labs_has_no_console() -> None:
    metal = Host(name="tier1", variables={}, way=SshWay(host="tier1"))
    assert (excerpt(metal, 0), size_now(metal)) == ([], 0)
