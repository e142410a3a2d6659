"""The pytest side of the suite: one gathering per host, results as JSON.

    pytest --pyargs hotkit.checks --hosts=ssh://root@server1,ssh://root@server2

Gathering starts for all hosts at once when collection is over; every test is then an assertion on
values that are already here. testinfra keeps hosts in class-wide caches, so a process must not
outlive a reboot of what it checks: `hotkit verify` starts a new one each time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hotkit.checks.gathering import Gatherer, GatherFailed, Unreachable
from hotkit.checks.judging import Judgement, NothingExpected, Problem, judge
from hotkit.checks.options import WANTED_KEY
from hotkit.errors import HotkitError

RESULTS_SCHEMA_VERSION = 1

_gatherer_key = pytest.StashKey[Gatherer]()
_results_key = pytest.StashKey[dict[str, dict[str, Any]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_gatherer_key] = Gatherer()
    config.stash[_results_key] = {}


def pytest_collection_finish(session: pytest.Session) -> None:
    if session.config.option.collectonly:
        return
    gatherer = session.config.stash[_gatherer_key]
    wanted = session.config.stash[WANTED_KEY]
    for item in session.items:
        callspec = getattr(item, "callspec", None)
        host = callspec.params.get("_testinfra_host") if callspec else None
        if host is not None and not _is_gathered(wanted.get(host.backend.get_hostname(), {})):
            gatherer.start(host)


def _is_gathered(wanted: Mapping[str, Any]) -> bool:
    """Whether hotkit has read the host itself: its sudo asks for a password."""
    return "facts" in wanted or "problem" in wanted


@pytest.fixture(scope="module")
def outcome(host: Any, request: pytest.FixtureRequest) -> Judgement | Problem:
    """Every check of one host, made once; or why none could be made."""
    config = request.config
    name = host.backend.get_hostname()
    wanted = config.stash[WANTED_KEY]
    made: Judgement | Problem
    mine = wanted.get(name, wanted["*"])
    try:
        if "problem" in mine:
            made = Problem(f"{name}: {mine['problem']}", unreachable=bool(mine["unreachable"]))
        else:
            facts = mine.get("facts") or config.stash[_gatherer_key].facts(host)
            made = judge(facts, mine, host=name)
    except Unreachable as error:
        made = Problem(f"{name} is unreachable: {error}", unreachable=True)
    except (GatherFailed, NothingExpected, HotkitError) as error:
        made = Problem(f"{name}: {error}")
    config.stash[_results_key][name] = made.to_dict()
    return made


@pytest.fixture(scope="module")
def judgement(outcome: Judgement | Problem) -> Judgement:
    """The checks of one host; its tests are skipped when there are none (test_gathered fails)."""
    if isinstance(outcome, Problem):
        pytest.skip(f"not checked: {outcome.sentence}")
    return outcome


def pytest_sessionfinish(session: pytest.Session) -> None:
    session.config.stash[_gatherer_key].close()
    path = session.config.getoption("--hotkit-results")
    if path:
        document = {
            "schema_version": RESULTS_SCHEMA_VERSION,
            "tests": session.testscollected,
            "failed": session.testsfailed,
            "hosts": session.config.stash[_results_key],
        }
        Path(path).write_text(json.dumps(document, indent=1) + "\n")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Below pytest's own summary: why a host is not as planned."""
    for name, result in sorted(config.stash[_results_key].items()):
        for cause in result.get("causes", ()):
            terminalreporter.write_line(f"{name}: {cause['sentence']} {cause['advice']}")
