"""The inventory that `hotkit init` writes: YAML that reads back, whatever a host says of itself."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.newinventory import Power, inventory_text, scalar

SEEN_BMC = Power(ipmi=True, bmc_address="10.1.2.3")


def text(**change):
    settings = {
        "seen": ["metal"], "profile": "4C16G-remote", "others": [], "power": SEEN_BMC,
        "next_command": "hotkit provision x --check",
    } | change  # fmt: skip
    return inventory_text("tier1", {"ansible_host": "tier1"}, **settings)


def host(written):
    return yaml.safe_load(written)["tiered"]["hosts"]["tier1"]


@given(st.one_of(st.text(st.characters(exclude_categories=["Cs"])), st.integers(), st.booleans()))
def test_a_scalar_reads_back(value):
    assert yaml.safe_load(f"a: {scalar(value)}") == {"a": value}


@pytest.mark.parametrize(
    "value",
    ["no", "Null", "1e3", "0x10", "1:30", "2026-11-26", "~", "", "a: b", "# c", "4C16G-x y"],
)
def test_what_yaml_would_take_for_something_else_is_quoted(value):
    assert yaml.safe_load(f"a: {scalar(value)}") == {"a": value}
    assert scalar(value).startswith('"')


def test_names_of_profiles_and_hosts_stay_bare():
    assert (
        scalar("4C16G-remote") == "4C16G-remote"
        and scalar("tier1.example.org") == "tier1.example.org"
    )


@given(st.lists(st.text(), max_size=3), st.text())
def test_what_a_host_says_stays_in_comments(seen, command):
    assert host(text(seen=seen, next_command=command)) == {
        "ansible_host": "tier1", "hotkit_profile": "4C16G-remote",
    }  # fmt: skip


def test_the_whole_file():
    written = text(
        seen=["metal, QEMU;", "1 GiB on node 0."], power=None, others=["1C4G-remote", "4C16G-half"],
        profile={"base": "4C16G-remote", "cpus": 2},
    )  # fmt: skip
    assert (
        written
        == """\
# metal, QEMU;
# 1 GiB on node 0.
# Next: hotkit provision x --check
tiered:
  hosts:
    tier1:
      ansible_host: tier1
      # Fits, too: 1C4G-remote, 4C16G-half.
      hotkit_profile:
        base: 4C16G-remote
        cpus: 2
"""
    )


def test_a_profile_of_ones_own():
    profile = {"base": "4C16G-remote", "cpus": 2, "total": "1G", "fast_share": "1/3"}
    assert host(text(profile=profile))["hotkit_profile"] == profile


def test_without_a_profile_the_way_to_one_is_a_comment():
    written = text(profile=None)
    assert "hotkit_profile" not in host(written) and "# hotkit_profile: {base:" in written


@pytest.mark.parametrize(
    ("power", "said"),
    [
        (SEEN_BMC, {"kind": "ipmi", "address": "10.1.2.3"}),
        (Power(ipmi=True, redfish=True), {"kind": "ipmi", "address": "bmc.example.org"}),
        (Power(redfish=True), {"kind": "redfish", "url": "https://bmc.example.org"}),
        (
            Power(redfish=True, bmc_address="10.1.2.3"),
            {"kind": "redfish", "url": "https://10.1.2.3"},
        ),
        (Power(), {"kind": "ipmi", "address": "bmc.example.org"}),
    ],
)
def test_power_is_a_line_to_take_the_mark_from(power, said):
    """Uncommented it is what the inventory's schema takes."""
    (line,) = [item for item in text(power=power).splitlines() if "# hotkit_power" in item]
    found = yaml.safe_load(line.strip().removeprefix("# "))["hotkit_power"]
    assert found == said | {"user": "admin", "password": "{{ bmc_password }}"}


def test_a_vm_has_no_bmc():
    assert "power" not in text(power=None)


def test_what_is_said_of_a_bmc():
    assert SEEN_BMC.sentence == "a BMC (IPMI) at 10.1.2.3"
    said = "a BMC (IPMI and Redfish), its address is not known here"
    assert Power(ipmi=True, redfish=True).sentence == said
    assert Power().sentence.startswith("no BMC")
