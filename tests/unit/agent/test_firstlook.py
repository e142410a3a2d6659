"""What `hotkit init` asks beside the facts: trees that stand for /, and an ipmitool of ours."""

from __future__ import annotations

import pytest

from hotkit.agent.firstlook import bmc_address, look

LAN = """Set in Progress         : Set Complete
IP Address Source       : Static Address
IP Address              : {address}
Subnet Mask             : 255.255.255.0
MAC Address             : 00:11:22:33:44:55
"""


@pytest.fixture
def ipmitool(tmp_path, monkeypatch):
    """Puts an ipmitool on PATH that answers per channel."""

    def put(answers):
        cases = "".join(
            f"  {channel}) cat <<'END'\n{text}END\n  ;;\n" for channel, text in answers.items()
        )
        tool = tmp_path / "ipmitool"
        tool.write_text(f'#!/bin/sh\n[ "$1 $2" = "lan print" ] || exit 9\ncase "$3" in\n{cases}'
                        "  *) echo 'Invalid channel' >&2; exit 1;;\nesac\n")  # fmt: skip
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return put


def put(root, name, text=""):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def test_an_empty_machine(tmp_path, monkeypatch):
    monkeypatch.delenv("SUDO_USER", raising=False)
    assert look(tmp_path) == {
        "schema_version": 1, "sudo_user": None, "vendor": None, "product": None, "ipmi": False,
        "bmc_address": None, "redfish": False,
    }  # fmt: skip


def test_a_server(tmp_path, ipmitool, monkeypatch):
    root = tmp_path / "root"
    put(root, "sys/class/dmi/id/sys_vendor", "Example Inc.\n")
    put(root, "sys/class/dmi/id/product_name", "Box 2S\n")
    put(root, "dev/ipmi0")
    (root / "sys/firmware/dmi/entries/42-0").mkdir(parents=True)
    monkeypatch.setenv("SUDO_USER", "student")
    ipmitool({"1": LAN.format(address="10.1.2.3")})
    assert look(root) == {
        "schema_version": 1, "sudo_user": "student", "vendor": "Example Inc.",
        "product": "Box 2S", "ipmi": True, "bmc_address": "10.1.2.3", "redfish": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("answers", "address"),
    [
        ({"1": LAN.format(address="0.0.0.0"), "3": LAN.format(address="10.9.9.9")}, "10.9.9.9"),
        ({"1": "IP Address              : none\n"}, None),
        ({}, None),
    ],
)
def test_channels(ipmitool, answers, address):
    ipmitool(answers)
    assert bmc_address() == address


def test_no_device_no_question(tmp_path, ipmitool):
    ipmitool({"1": LAN.format(address="10.1.2.3")})
    assert look(tmp_path / "root")["bmc_address"] is None
