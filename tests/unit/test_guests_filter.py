"""The filter hotkit_guests: what plain Ansible gets of guests, and what it is told of mistakes."""

import importlib.util

import pytest
from ansible.errors import AnsibleFilterError

from hotkit.assets import asset
from hotkit.core.guestspec import description, guests_from

GUESTS = [{"name": "g1", "disk": "/srv/1"}, {"name": "g2", "disk": "/srv/2", "memory": "1G"}]


@pytest.fixture(scope="module")
def hotkit_guests():
    path = asset("playbooks") / "filter_plugins" / "hotkit_guests.py"
    spec = importlib.util.spec_from_file_location("hotkit_guests_filter", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.FilterModule().filters()["hotkit_guests"]


def test_descriptions(hotkit_guests):
    whole = [description(guest) for guest in guests_from(GUESTS)]
    assert hotkit_guests(GUESTS) == whole and hotkit_guests([]) == []
    # As `-e guests_only=g2` and as hotkit itself hands it over; the port stays that of the second.
    assert hotkit_guests(GUESTS, "g2") == hotkit_guests(GUESTS, ["g2"]) == whole[1:]
    assert hotkit_guests(GUESTS, "g1,g2") == whole and whole[1]["ssh_port"] == 2223


@pytest.mark.parametrize(
    ("listed", "only", "said"),
    [
        ([{"name": "g1", "disk": "/x", "memory": "3M"}], (),
         "hotkit_guests.0.memory: 3M is not a multiple of 2M"),
        (GUESTS, "g3", "there is no guest 'g3' here; guests: g1, g2"),
        ([], "g1", "there is no guest 'g1' here; guests: none"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_sentence(hotkit_guests, listed, only, said):
    with pytest.raises(AnsibleFilterError) as caught:
        hotkit_guests(listed, only)
    assert str(caught.value) == said
