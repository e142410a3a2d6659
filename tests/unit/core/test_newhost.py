"""What `hotkit init` says of a host that it found."""

from __future__ import annotations

from typing import Any

import pytest

from hotkit.core.newhost import Fit, NewHost
from hotkit.core.newinventory import Power
from hotkit.core.preflight import Concern
from tests.unit.machines import captured

FACTS: dict[str, Any] = {
    "platform": "virtual", "nested": True, "kernel_release": "6.1.0",
    "os_release": {"PRETTY_NAME": "Debian 12", "ID": "debian"}, "boot": {"loader": "grub2-debian"},
}  # fmt: skip


def found(folder: str = "inventories/m1", chosen: Fit | None = None, **facts: Any) -> NewHost:
    return NewHost(
        name="m1", ref="ssh://m1", facts=FACTS | facts, vendor="QEMU", topology=captured(),
        power=Power(), fits=(), chosen=chosen, folder=folder, text="",
    )  # fmt: skip


def fit(*steps: str) -> Fit:
    refusals = tuple(Concern(step, "no") for step in steps)
    return Fit(title="4C16G", profile="4C16G", refusals=refusals, warnings=(Concern("x", "y"),))


@pytest.mark.parametrize(
    ("steps", "fits"),
    [((), True), (("held",), True), (("memory",), False), (("held", "root"), False)],
)
def test_somebody_at_work_there_is_no_reason_for_another_profile(
    steps: tuple[str, ...], fits: bool
) -> None:
    assert fit(*steps).fits is fits


def test_the_next_command() -> None:
    assert found(chosen=fit()).next_command == "hotkit provision inventories/m1 --check --diff"
    assert found("my lab/").next_command == "hotkit doctor -i 'my lab/'"
    assert found("my lab/").path == "my lab/hosts.yml"
    assert found("labs/X/").path == "labs/X/hosts.yml"


def test_the_machine_in_one_line() -> None:
    assert found().system == ("virtual, nested, QEMU, Debian 12, kernel 6.1.0, loader grub2-debian")
    bare = found(platform=None, nested=False, os_release={"ID": "x\x1b[31m"}, boot=None)
    assert bare.system == "unknown, QEMU, x, kernel 6.1.0, loader unknown"
