"""The suite's pytest options, as a plugin (entry point pytest11): pytest reads a conftest below
`--pyargs` only after the command line. Imports nothing, because every pytest here loads it."""

from __future__ import annotations

import pytest


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
