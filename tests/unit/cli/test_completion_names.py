"""What TAB offers is what there is."""

import click
import pytest
import yaml

from hotkit.assets import asset, data
from hotkit.cli.completion import inventory_names, machine_names, profile_names, topology_names
from hotkit.cli.layout import plan_command
from hotkit.host.inventory import load_inventory

CTX = click.Context(plan_command)
PARAM = plan_command.params[0]


def offered(what, typed=""):
    return [item.value for item in what(CTX, PARAM, typed) if item.type == "plain"]


def test_profiles_are_those_of_the_file():
    assert offered(profile_names) == list(
        yaml.safe_load(data("profiles.yml").read_text())["profiles"]
    )


def test_machines_are_those_of_the_lab():
    assert offered(machine_names) == [host.name for host in load_inventory("lab").hosts]


def test_inventories_are_the_shipped_folders():
    assert offered(inventory_names) == sorted(item.name for item in asset("inventories").iterdir())


@pytest.mark.parametrize("what", [inventory_names, topology_names, profile_names])
def test_what_is_no_name_is_taken_for_a_file(what):
    (item,) = what(CTX, PARAM, "my-")
    assert (item.type, item.value) == ("file", "my-")


def test_a_topology_may_be_here_or_far_away():
    assert {"local", "ssh://"} < set(offered(topology_names))
    assert offered(topology_names, "lo") == ["local"]
