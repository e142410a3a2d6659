"""Power control against simulators of BMCs on loopback: ipmi_sim (IPMI 2.0), sushy-tools (Redfish).

Each really is asked over its protocol; what is switched is a file, or sushy's own fake machine.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hotkit.errors import ExitCode, HotkitError
from hotkit.host.power import Power, power_of
from hotkit.host.qemu_process import free_port
from hotkit.host.run import spawn, which

PASSWORD = "canary-3f9a"


def control(**wish: Any) -> Power:
    found = power_of("m1", {"hotkit_power": wish})
    assert found is not None
    return found


def until(power: Power, *, on: bool) -> None:
    """The fake machine takes up to eleven seconds for everything, as real ones do."""
    deadline = time.monotonic() + 40
    while power.is_on() is not on:
        assert time.monotonic() < deadline
        time.sleep(0.3)


def refused(power: Power, said: str) -> None:
    with pytest.raises(HotkitError, match=said) as caught:
        power.reset()
    assert caught.value.exit_code == ExitCode.UNREACHABLE
    assert PASSWORD not in str(caught.value)


@pytest.fixture
def ipmi(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A BMC whose machine is the file `power`; what it was asked is in `asked`."""
    if which("ipmi_sim") is None or which("ipmitool") is None:
        pytest.skip("ipmi_sim or ipmitool is not installed: tools/setup installs them")
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    machine = tmp_path / "chassis"
    machine.write_text(
        f'#!/bin/sh\ncd {tmp_path}\necho "$@" >>asked\n'
        'case "$1 $2" in\n"get power") echo "power:$(cat power)";;\n'
        '"set power") echo "$3" >power;;\nesac\n'
    )
    machine.chmod(0o755)
    (tmp_path / "power").write_text("1\n")
    methods = "\n".join(
        f"allowed_auths_{level} none md2 md5 straight"
        for level in ("callback", "user", "operator", "admin")
    )
    (tmp_path / "lan.conf").write_text(
        f'name "m1"\nset_working_mc 0x20\nstartlan 1\naddr 127.0.0.1 {port}\n'
        f"priv_limit admin\n{methods}\nguid a123456789abcdefa123456789abcdef\nendlan\n"
        f'chassis_control "{machine}"\nuser 1 true "" "" user 10 none\n'
        f'user 2 true "admin" "{PASSWORD}" admin 10 none md2 md5 straight\n'
    )
    (tmp_path / "sim.emu").write_text(
        "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\n"
        "mc_enable 0x20\n"
    )
    (tmp_path / "state").mkdir()
    argv = ["ipmi_sim", "-c", "lan.conf", "-f", "sim.emu", "-s", "state", "-n"]
    with spawn(argv, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL):
        wish = {"kind": "ipmi", "address": "127.0.0.1", "port": port, "user": "admin",
                "password": PASSWORD, "cipher": 3}  # fmt: skip
        for _ in range(100):
            with contextlib.suppress(HotkitError):
                control(**wish).is_on()
                break
            time.sleep(0.1)
        yield wish


class TestIpmi:
    def test_a_machine_is_reset_cut_and_switched_on(
        self, ipmi: dict[str, Any], tmp_path: Path
    ) -> None:
        power = control(**ipmi)
        assert power.is_on() is True
        power.reset()
        power.off()
        assert power.is_on() is False
        power.reset()  # a BMC resets no machine that is off: it is switched on
        assert power.is_on() is True
        asked = (tmp_path / "asked").read_text().splitlines()
        assert [line for line in asked if line.startswith("set")] == [
            "set reset 1", "set power 0", "set power 1",
        ]  # fmt: skip

    def test_wrong_password_and_silence(self, ipmi: dict[str, Any]) -> None:
        refused(control(**ipmi | {"password": "wrong"}), "IPMI at 127.0.0.1:.* session")
        refused(control(**ipmi | {"port": free_port()}), "IPMI at 127.0.0.1:.* session")

    def test_the_password_is_in_no_argument(self, ipmi: dict[str, Any]) -> None:
        power: Any = control(**ipmi)
        assert PASSWORD not in " ".join(power.argv("chassis", "power", "status"))
        assert PASSWORD not in repr(power) and PASSWORD not in power.describe()


@pytest.fixture(scope="module")
def redfish(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """sushy-emulator over TLS with a password, its fake driver with one machine."""
    folder = tmp_path_factory.mktemp("redfish")
    certificate(folder)
    word = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    (folder / "users").write_text(f"admin:{word}\n")
    (folder / "config").write_text(
        f"SUSHY_EMULATOR_AUTH_FILE = {str(folder / 'users')!r}\n"
        f"SUSHY_EMULATOR_STATE_DIR = {str(folder)!r}\n"
        "SUSHY_EMULATOR_FAKE_SYSTEMS = [{'uuid': 'm1', 'name': 'm1', 'power_state': 'Off',"
        " 'nics': []}]\n"
    )
    port = free_port()
    argv = [str(Path(sys.executable).with_name("sushy-emulator")), "--config",
            str(folder / "config"), "-i", "127.0.0.1", "-p", str(port), "--fake",
            "--ssl-certificate", str(folder / "bmc.pem"), "--ssl-key",
            str(folder / "bmc.key")]  # fmt: skip
    with (
        (folder / "log").open("wb") as log,
        spawn(argv, cwd=folder, stdout=log, stderr=subprocess.STDOUT),
    ):
        wish = {"kind": "redfish", "url": f"https://127.0.0.1:{port}", "user": "admin",
                "password": PASSWORD, "ca": str(folder / "bmc.pem")}  # fmt: skip
        for _ in range(300):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.1)
        yield wish


class TestRedfish:
    def test_a_machine_is_switched_on_and_cut(self, redfish: dict[str, Any]) -> None:
        power = control(**redfish)
        power.reset()  # it is off: switched on
        until(power, on=True)
        power.reset()
        power.off()
        until(power, on=False)

    def test_what_goes_wrong_is_one_sentence(self, redfish: dict[str, Any]) -> None:
        refused(control(**redfish | {"password": "wrong"}), "wrong user or password")
        refused(control(**redfish | {"system": "m2"}), "no such system")
        refused(control(**redfish | {"url": f"https://127.0.0.1:{free_port()}"}), "refused")

    def test_a_certificate_that_nobody_signed_is_refused(self, redfish: dict[str, Any]) -> None:
        refused(control(**redfish | {"ca": None}), "[Cc]ertificate")

    def test_no_password_in_the_clear(self) -> None:
        power = control(kind="redfish", url="http://192.0.2.1", user="a", password=PASSWORD)
        with pytest.raises(HotkitError, match="Redfish over http is refused"):
            power.reset()


def certificate(folder: Path) -> None:
    """A certificate for 127.0.0.1 that is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bmc")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    (folder / "bmc.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "bmc.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )  # fmt: skip


def test_commands_of_the_owners(tmp_path: Path) -> None:
    state = tmp_path / "state"
    power = control(
        kind="command",
        reset=["touch", str(state)],
        off=["rm", str(state)],
        status=["test", "-e", str(state)],
    )
    assert power.is_on() is False
    power.reset()
    assert power.is_on() is True
    power.off()
    with pytest.raises(HotkitError, match="the off command rm exited with 1"):
        power.off()
    with pytest.raises(HotkitError, match="names no command for 'on'"):
        power.on()


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"kind": "ipmi", "address": "b"}, "lacks user, password"),
        ({"kind": "redfish"}, "lacks url, user, password"),
        ({"kind": "command"}, "lacks reset"),
        ({"kind": "qmp"}, "for machines of the lab"),
        ({"kind": "tea"}, "kind 'tea'"),
    ],
)
def test_settings_that_lack_something(wish: dict[str, str], said: str) -> None:
    with pytest.raises(HotkitError, match=said):
        control(**wish)
