"""The suite's pytest options, as a plugin (entry point pytest11): pytest reads a conftest below
`--pyargs` only after the command line. Imports nothing of hotkit: every pytest here loads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

WANTED_KEY = pytest.StashKey[Mapping[str, Mapping[str, Any]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("hotkit", "hotkit's checks of memory layouts")
    group.addoption(
        "--hotkit-layout",
        metavar="FILE",
        help="the layout to expect of every host, as `hotkit layout plan --json` prints it; "
        "default: what provisioning recorded on the host",
    )
    group.addoption("--hotkit-kernel", metavar="RELEASE", help="the kernel release that must run")
    group.addoption(
        "--hotkit-wanted",
        metavar="FILE",
        help="JSON: what to expect per host name, as hotkit verify writes it",
    )
    group.addoption("--hotkit-results", metavar="FILE", help="write every check to FILE as JSON")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[WANTED_KEY] = _wanted(config)


def _wanted(config: pytest.Config) -> dict[str, Mapping[str, Any]]:
    """What is expected per host name; the key "*" is for hosts that are not named."""
    everybody: dict[str, Any] = {"kernel": config.getoption("--hotkit-kernel")}
    wanted: dict[str, Mapping[str, Any]] = {"*": everybody}
    try:
        layout = config.getoption("--hotkit-layout")
        if layout:
            document = json.loads(Path(layout).read_text())
            everybody["layout"] = document.get("layout", document)
        named = config.getoption("--hotkit-wanted")
        if named:
            wanted |= json.loads(Path(named).read_text())["hosts"]
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise pytest.UsageError(f"cannot read what to expect: {error}") from None
    return wanted
