"""From facts to a row of `hotkit status`."""

from __future__ import annotations

import base64
import copy
import json
from pathlib import Path
from typing import Any

import pytest

from hotkit.core import grubenv
from hotkit.core.grub_block import BEGIN, insert
from hotkit.core.hoststatus import HostStatus, status_from_facts
from hotkit.hostplan import plan_host

DATA = Path(__file__).parents[2] / "data" / "facts" / "lab-small-stock.json"
PROFILE = {"base": "4C16G-remote", "cpus": 2, "total": "1536M", "fast_share": "1/3"}


@pytest.fixture
def stock() -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(DATA.read_text())
    return facts


@pytest.fixture
def provisioned(stock: dict[str, Any]) -> dict[str, Any]:
    """The machine with the layout's entry written, its journal in state verified, running it."""
    plan = plan_host(stock, {"hotkit_profile": PROFILE}, host="m1").to_dict()
    facts = copy.deepcopy(stock)
    facts["boot"]["custom_cfg"] = plan["files"][0]["text"]
    facts["cmdline"] = plan["cmdline"]
    facts["state"] = {
        "state": "verified", "since": "2026-11-23T00:00:00Z", "method": "entry",
        "layout": plan["layout"],
    }  # fmt: skip
    return facts


def test_a_stock_machine_has_nothing_to_say(stock: dict[str, Any]) -> None:
    row = status_from_facts("m1", stock, power="QMP of m1")
    assert (row.runs, row.journal, row.armed, row.left_over, row.advice) == (
        "stock", None, None, (), None,
    )  # fmt: skip
    assert row.to_dict()["power"] == "QMP of m1"


def test_a_provisioned_machine(provisioned: dict[str, Any]) -> None:
    row = status_from_facts("m1", provisioned)
    assert row.runs == provisioned["state"]["layout"]["id"]
    assert (row.journal, row.advice, row.left_over) == ("verified", None, ())


def test_armed_is_what_grub_will_boot(provisioned: dict[str, Any]) -> None:
    block = b"# GRUB Environment Block\nnext_entry=hotkit-x-1\n"
    provisioned["boot"]["grubenv"] = base64.b64encode(block.ljust(1024, b"#")).decode()
    provisioned["cmdline"] = "ro quiet"
    row = status_from_facts("m1", provisioned)
    assert row.armed == "hotkit-x-1" and "the next reboot" in (row.advice or "")


def test_left_overs(provisioned: dict[str, Any]) -> None:
    lost = provisioned | {"state": None}
    row = status_from_facts("m1", lost)
    assert row.left_over == (
        "an entry in custom.cfg without a journal", "a running layout without a journal",
    )  # fmt: skip
    assert "rollback" in (row.advice or "")
    provisioned["boot"]["custom_cfg"] = "# somebody's own\n"
    assert "entry is gone" in status_from_facts("m1", provisioned).left_over[0]


def test_a_rollback_that_waits_for_the_stock_entry(stock: dict[str, Any]) -> None:
    stock["state"] = {"state": "planned", "method": "entry", "originals": {},
                      "pmem": {"name": "hotkit-a-1", "region": "region0"}}  # fmt: skip
    row = status_from_facts("m1", stock)
    assert row.left_over == ("a namespace of PMEM that hotkit made",)
    assert "hotkit rollback" in (row.advice or "")


def test_a_lease_and_a_hostile_name_in_it(provisioned: dict[str, Any]) -> None:
    provisioned["lease"] = {"who": "eve\n\x1b[31m@x", "since": "a", "until": "b"}
    row = status_from_facts("m1", provisioned)
    assert row.held_by == "eve @x, since a, until b" and "wait" in (row.advice or "")


def test_a_block_that_is_none_arms_nothing(stock: dict[str, Any]) -> None:
    for block in ("x", base64.b64encode(b"no block of GRUB").decode()):
        stock["boot"]["grubenv"] = block
        assert status_from_facts("m1", stock).armed is None


@pytest.mark.parametrize(
    ("state", "cmdline", "advice"),
    [
        ({"state": "planned"}, "", "cut off before the entry was armed"),
        ({"state": "staged"}, "", "cut off before the entry was armed"),
        ({"state": "armed"}, "", "it was armed and did not come up"),
        ({"state": "trial"}, "hotkit.id=1f", "it was never verified"),
        ({"state": "fell-back"}, "", "its last trial fell back"),
        ({"state": "verified"}, "", "its layout was verified and ran until a reboot"),
        ({"state": "verified"}, "hotkit.id=1f", None),
        ({"state": "verified", "pmem": {"x": 1}}, "", "hotkit rollback puts it back"),
        ({"unreadable": "{"}, "", "hotkit rollback puts it back"),
        (None, "hotkit.id=1f", "hotkit rollback puts it back"),
    ],
)
def test_what_to_do_next(
    stock: dict[str, Any], state: Any, cmdline: str, advice: str | None
) -> None:
    stock |= {"state": state and {"method": "defaults", **state}, "cmdline": cmdline}
    found = status_from_facts("m1", stock).advice
    assert (advice or "None") in str(found)


def test_a_lease_is_waited_for(stock: dict[str, Any]) -> None:
    stock["lease"] = {"who": "bob@\x1b[31mdesk", "since": "12:00", "until": "13:00"}
    row = status_from_facts("m1", stock)
    assert row.held_by == "bob@desk, since 12:00, until 13:00"
    assert row.advice == "somebody is at work on it: wait"


def grub(*, next_entry: str = "", custom: str | None = None) -> dict[str, Any]:
    block = grubenv.render({"next_entry": next_entry} if next_entry else {})
    return {"boot": {"grubenv": base64.b64encode(block).decode(), "custom_cfg": custom}}


NOTHING = {
    "host": "m1", "reachable": True, "problem": None, "kernel": None, "runs": "stock",
    "profile": None, "journal": None, "since": None, "armed": None, "held_by": None,
    "power": None, "console": None, "left_over": [], "advice": None,
}  # fmt: skip


def test_facts_that_say_nothing_are_those_of_a_stock_machine() -> None:
    assert status_from_facts("m1", {}).to_dict() == NOTHING
    empty = {"state": [], "boot": None, "cmdline": None, "kernel_release": None, "lease": "x"}
    assert status_from_facts("m1", empty).to_dict() == NOTHING
    assert status_from_facts("m1", {"boot": {"grubenv": None}}).to_dict() == NOTHING
    unasked = HostStatus(host="m1", problem="no route", advice="is it on?")
    assert unasked.to_dict() == NOTHING | {
        "reachable": False, "problem": "no route", "runs": None, "advice": "is it on?",
    }  # fmt: skip


def test_a_row_with_all_that_can_be_known() -> None:
    facts = grub(next_entry="hotkit-4c-1f", custom=insert("", "menuentry x {}")) | {
        "kernel_release": "6.1.0\n\x1b[31m-amd64",
        "cmdline": "ro hotkit.id=2e hotkit.id=\x1b[31m1f",
        "state": {
            "state": "trial\n", "since": "noon\x1b[0m", "method": "entry", "pmem": {"name": "p"},
            "layout": {"profile": "4C16G\x07"},
        },
        "lease": {"who": "bob", "since": "12:00", "until": "13:00"},
    }  # fmt: skip
    assert status_from_facts("m1", facts, power="IPMI", console="lab").to_dict() == {
        "host": "m1", "reachable": True, "problem": None, "kernel": "6.1.0 -amd64", "runs": "1f",
        "profile": "4C16G", "journal": "trial", "since": "noon", "armed": "hotkit-4c-1f",
        "held_by": "bob, since 12:00, until 13:00", "power": "IPMI", "console": "lab",
        "left_over": ["a namespace of PMEM that hotkit made"],
        "advice": "somebody is at work on it: wait",
    }  # fmt: skip


def test_an_id_without_a_value_and_a_layout_that_is_none() -> None:
    row = status_from_facts("m1", {"cmdline": "hotkit.id=", "state": {"layout": "4C16G"}})
    assert (row.runs, row.profile, row.journal) == ("?", None, None)


@pytest.mark.parametrize("entry", ["", "Debian GNU/Linux", "my-hotkit-x"])
def test_an_entry_of_somebody_else_is_not_armed(entry: str) -> None:
    assert status_from_facts("m1", grub(next_entry=entry)).armed is None


def test_what_is_armed_while_a_layout_runs_is_left_to_the_journal() -> None:
    facts = grub(next_entry="hotkit-x") | {"cmdline": "hotkit.id=1f", "state": {"state": "trial"}}
    row = status_from_facts("m1", facts)
    assert row.armed == "hotkit-x" and "never verified" in str(row.advice)


@pytest.mark.parametrize(
    ("state", "custom", "left_over"),
    [
        ({"unreadable": "{"}, None, ["a state.json that is no JSON"]),
        ({"state": "verified", "method": "entry"}, None,
         ["a journal whose entry is gone from custom.cfg"]),
        ({"state": "verified", "method": "entry"}, insert("", "x"), []),
        ({"state": "planned", "method": "entry"}, None, []),
        ({"state": "verified", "method": "defaults"}, None, []),
        ({"state": "verified", "pmem": {"name": "p"}, "originals": {"/f": "x"}}, None, []),
        ({}, insert("", "x"), []),
        (None, insert("", "x"), ["an entry in custom.cfg without a journal"]),
        (None, "# somebody's own", []),
    ],
)  # fmt: skip
def test_what_is_left_over(state: Any, custom: str | None, left_over: list[str]) -> None:
    row = status_from_facts("m1", grub(custom=custom) | {"state": state})
    assert row.to_dict()["left_over"] == left_over


@pytest.mark.parametrize("state", [None, {"state": "verified", "method": "entry"}])
def test_half_a_block_of_ours_is_a_thing_to_mend_not_the_end_of_all_rows(state: Any) -> None:
    row = status_from_facts("m1", grub(custom=BEGIN + "\n") | {"state": state})
    assert row.left_over == (
        "custom.cfg holds 1 BEGIN and 0 END markers of hotkit, not one of each",
    )
    assert row.advice == "take the broken block out by hand, from its BEGIN line to its END line"
