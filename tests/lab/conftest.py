"""Machines for tests: a lab of their own (state), the user's images and ready states (cache).

A test that cannot run here is skipped with a reason on a laptop; tests/conftest.py makes that a
failure in CI (HOTKIT_REQUIRE_ALL=1), so that nothing is left out in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hotkit import lab
from hotkit.host.inventory import Host, load_inventory
from hotkit.host.run import which

SMALL = "lab-small"
_TOOLS = ("qemu-system-x86_64", "qemu-img", "mmdebstrap", "mke2fs", "fakeroot", "ssh", "ssh-keygen")


def quiet(name: str, text: str) -> None:
    """Progress that nobody watches."""


@pytest.fixture(scope="session")
def lab_tools() -> None:
    """Everything that the lab needs is installed."""
    missing = [tool for tool in _TOOLS if which(tool) is None]
    if not Path("/bin/busybox").exists():
        missing.append("busybox")
    if missing:
        pytest.skip(f"the lab needs {', '.join(missing)}: tools/setup installs them")


@pytest.fixture(scope="module")
def own_machine(
    lab_tools: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Host]]:
    """Starts machines by name in a lab of this module's own; its tests may build on each other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))

        def start(name: str) -> Host:
            lab.up(lab.known_machine(name), quiet)
            return load_inventory("lab", name).host(name)

        try:
            yield start
        finally:
            for name in lab.up_or_died():
                lab.down(name, quiet)


@pytest.fixture(scope="session")
def lab_state(lab_tools: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """$XDG_STATE_HOME of the whole session: the tests' lab never meets the developer's own."""
    state = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(state))
        try:
            yield state
        finally:
            for name in lab.up_or_died():
                lab.down(name, quiet)


@pytest.fixture(scope="session")
def _small_up(lab_state: Path) -> None:
    lab.up(lab.known_machine(SMALL), quiet)


@pytest.fixture
def lab_machine(_small_up: None) -> Host:
    """lab-small, as if it had just become ready; each test gets it so."""
    if SMALL not in lab.running():
        lab.up(lab.known_machine(SMALL), quiet)
    lab.reset(SMALL, quiet)
    return load_inventory("lab", SMALL).host(SMALL)
