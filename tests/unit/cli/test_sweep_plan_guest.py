"""`hotkit sweep plan` of a description with a guest: from inventory and files alone."""

from __future__ import annotations

import pytest

from hotkit.cli import main
from tests.unit.cli.test_sweep_plan_command import pilot_of, plan, text

IN_GUEST = """schema_version: 1
blocks: 8
workload: {kind: hotset, size: 8M, hot: 1M, updates: 1000000}
guest: g1
arms: [{tracker: damon, scope: [guest, host]}, {tracker: softdirty, scope: guest}]
"""
HOSTS = """all:
  hosts:
    tier1:
      hotkit_guests: [{name: g1, memory: 2G, cpus: 2, disk: /srv/g1.img}]
    tier2:
      hotkit_guests: [{name: other, memory: 2G, cpus: 2, disk: /srv/other.img}]
    tier3:
"""


def test_a_sweep_in_a_guest_says_where_each_arm_looks_from(tmp_path, capsys):
    (tmp_path / "hosts.yml").write_text(HOSTS)
    (tmp_path / "my.yml").write_text(IN_GUEST)
    words = [tmp_path / "my.yml", "-i", tmp_path / "hosts.yml", "--limit", "tier1"]
    said = text(capsys, *words)
    assert "guest g1 of each host: the workload runs in it" in said
    assert (
        "arms damon-guest (in the guest), damon-host (in the host), softdirty (in the guest);"
        " and off twice in each block" in said
    )
    found = plan(capsys, *words)
    assert found["guest"] == "g1"
    assert [arm["scope"] for arm in found["workloads"]["hotset"]["arms"]] == [
        "guest", "host", "guest",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (("--limit", "tier2"), "guest: tier2 has no guest g1 in hotkit_guests", "it has other"),
        (
            ("--limit", "tier1,tier3"),
            "guest: tier3 has no guest g1 in hotkit_guests",
            "it has none",
        ),
        (("--local",), "guest: g1 is a guest of no inventory", "--local knows none"),
    ],
)
def test_a_guest_that_a_host_does_not_have(tmp_path, capsys, words, said, hint):
    (tmp_path / "hosts.yml").write_text(HOSTS)
    (tmp_path / "my.yml").write_text(IN_GUEST)
    where = [] if "--local" in words else ["-i", str(tmp_path / "hosts.yml")]
    assert main(["sweep", "plan", str(tmp_path / "my.yml"), *where, *words]) == 2
    error = capsys.readouterr().err
    assert said in error and hint in error


def test_a_pilot_on_the_host_itself_is_none_for_a_guest(tmp_path, capsys):
    (tmp_path / "hosts.yml").write_text(HOSTS)
    (tmp_path / "my.yml").write_text(IN_GUEST)
    words = [tmp_path / "my.yml", "-i", tmp_path / "hosts.yml", "--limit", "tier1"]
    (found,) = plan(
        capsys, *words, "--pilot", pilot_of(tmp_path / "pilot"), code=5
    )["workloads"].values()  # fmt: skip
    assert found["pilot"]["refused"] == [
        "workload's machine is a guest, in the pilot the host itself"
    ]
