"""quiesce on this machine's own knobs, as root: those that nobody notices while they are changed.

Killed agents, too: their guard, or the next agent, puts a session's knobs back; what was set to be
kept stays until it is restored.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hotkit.agent import quiesce
from hotkit.agent.protocol import AgentError
from hotkit.agent.quiesce import memory
from hotkit.agent.undo import Undo, state_directory
from hotkit.host.zipapp import build_agent
from tests.unit.undoing import opened

ROOT = Path(__file__).resolve().parents[2]
COMPACTION = Path("/proc/sys/vm/compaction_proactiveness")
KSM = Path("/sys/kernel/mm/ksm/run")
DEFRAG = Path("/sys/kernel/mm/transparent_hugepage/defrag")
KNOBS = (
    COMPACTION, KSM, DEFRAG,
    *(Path(f"/proc/sys/kernel/{name}") for name in ("watchdog", "nmi_watchdog", "soft_watchdog")),
    *sorted(Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpuidle/state*/disable")),
)  # fmt: skip


def values() -> dict[Path, str]:
    return {path: path.read_text() for path in KNOBS if path.exists()}


@pytest.fixture
def as_found() -> Iterator[dict[Path, str]]:
    """The knobs before the test; whatever it does, they are the same afterwards.

    Both looks are taken while no agent has the machine: a sweep makes it quiet, too, and what one
    found meanwhile would be put back for good.
    """
    if os.geteuid() != 0:
        pytest.skip("not root: no knob may be written")
    with opened(state_directory()):
        before = values()
    yield before
    with opened(state_directory()):
        after = values()
        for path, text in before.items():
            if after[path] != text:
                path.write_text(text[text.find("[") + 1 : text.find("]")] if "[" in text else text)
    assert after == before


@pytest.fixture
def alone(as_found: dict[Path, str]) -> Iterator[dict[Path, str]]:
    """The same, and no agent has the machine all the while: for tests that start none."""
    with opened(state_directory()):
        yield as_found


def settings() -> dict[str, Any]:
    """All that may be set here without harm, each to something else than it is."""
    wanted: dict[str, Any] = dict.fromkeys(quiesce.ITEMS, "leave")
    wanted["compaction_proactiveness"] = 0 if COMPACTION.read_text() != "0\n" else 5
    if KSM.exists():
        wanted["ksm"] = 1 if KSM.read_text() != "1\n" else 0
    if DEFRAG.exists():
        wanted["thp_defrag"] = "never" if "[never]" not in DEFRAG.read_text() else "madvise"
    if Path("/proc/sys/kernel/watchdog").exists():
        wanted["watchdog"] = "off"
    if any(path.name == "disable" for path in KNOBS):
        wanted["cstates"] = 0
    return wanted


def test_the_kernel_takes_them_and_they_come_back(tmp_path: Path, alone: dict[Path, str]) -> None:
    asked = settings()
    with opened(tmp_path / "state") as undo:
        planned = [str(change) for change in quiesce.plan(asked)]
        assert quiesce.apply(undo.session, asked) == planned
        assert len(planned) >= 2
        assert quiesce.check(asked, undo.session) == []
        # Read while they are off: older kernels forget then which watchdog was on.
        changed = values()
        assert changed != alone
        undo.undo()  # what a run changed: a session's knobs stay
        assert values() == changed
        done, failed = undo.session.undo()
        assert failed == [] and len(done) >= 2
    assert values() == alone


@pytest.mark.usefixtures("alone")
def test_swap_is_switched_off_and_on_again(tmp_path: Path) -> None:
    """A swap file of our own; the real /proc/swaps may have others, which are not looked at."""
    area = tmp_path / "swap file"
    area.write_bytes(bytes(2 << 20))
    area.chmod(0o600)
    subprocess.run(["mkswap", area], check=True, capture_output=True)
    subprocess.run(["swapon", "--priority", "7", area], check=True)
    try:
        before = row_of(area)
        machine = tmp_path / "machine"
        (machine / "proc").mkdir(parents=True)
        (machine / "proc/swaps").write_text("Filename Type Size Used Priority\n" + before)
        (machine / "proc/meminfo").write_text(Path("/proc/meminfo").read_text())
        asked = dict.fromkeys(quiesce.ITEMS, "leave") | {"swap": "off"}
        with opened(tmp_path / "state") as undo:
            quiesce.apply(undo.session, asked, machine)
            assert row_of(area) == ""
            assert undo.session.undo() == ([f"{area} is swap space again"], [])
            assert row_of(area).split()[-1] == before.split()[-1] == "7"
            # Once more, when it is on already: a guard may have been killed half way.
            undo.session.note([memory.swap(machine, "off")[0].back() or {}])
            assert undo.session.undo() == ([], [])
    finally:
        subprocess.run(["swapoff", area], check=False)


def row_of(area: Path) -> str:
    name = str(area).replace(" ", "\\040")
    rows = Path("/proc/swaps").read_text().splitlines(keepends=True)
    return "".join(row for row in rows if row.split()[0] == name)


# A session's part of the agent, in a process that can be killed.
SESSION = """
import json, sys, time
from pathlib import Path
from hotkit.agent import quiesce
from hotkit.agent.undo import Undo
undo = Undo(Path(sys.argv[1]))
undo.open()
quiesce.apply(undo.session, json.loads(sys.argv[2]))
undo.write(sys.argv[3], "50")
print("quiet", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("guard_too", [False, True])
def test_a_killed_session_is_undone(
    tmp_path: Path, alone: dict[Path, str], guard_too: bool
) -> None:
    """By its guard within seconds; when both are killed, by the next agent. Runs' changes first."""
    state = tmp_path / "state"
    argv = [
        sys.executable,
        "-S",
        "-c",
        SESSION,
        str(state),
        json.dumps(settings()),
        str(COMPACTION),
    ]
    env = {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=env) as agent:
        assert agent.stdout is not None
        assert agent.stdout.readline() == "quiet\n"
        assert COMPACTION.read_text() == "50\n"
        children = Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()
        if guard_too:
            os.kill(int(children[0]), signal.SIGKILL)
        agent.kill()
    files = [state / name for name in ("undo.jsonl", "quiesce.jsonl")]
    if guard_too:
        time.sleep(0.3)
        assert all(file.exists() for file in files) and values() != alone
        with opened(state) as undo:
            assert len(undo.told) >= 3
    until = time.monotonic() + 5
    while any(file.exists() for file in files) and time.monotonic() < until:
        time.sleep(0.02)
    assert values() == alone


def agent(*words: str, asked: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
    """The real agent, as the role runs it: its exit status and last event."""
    done = subprocess.run(
        [sys.executable, build_agent().path, "quiesce", *words],
        input=json.dumps(asked or {}) + "\n", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def test_what_is_kept_outlives_its_agent_and_the_next_ones(as_found: dict[Path, str]) -> None:
    asked = settings()
    try:
        code, told = agent("apply", "--dry-run", asked=asked)
        assert code == 0 and told["quiesce"]["changed"] and values() == as_found
        code, told = agent("check", asked=asked)
        assert code == 1 and len(told["quiesce"]["problems"]) >= 2
        code, told = agent("apply", asked=asked)
        assert code == 0 and told["quiesce"]["changed"] and told["quiesce"]["problems"] == []
        quiet = values()
        assert quiet != as_found
        for words in (["check"], ["apply"], ["apply", "--dry-run"]):
            code, told = agent(*words, asked=asked)
            assert code == 0 and not told["quiesce"]["changed"], words
        with opened(state_directory()) as undo:  # the next agent, which measures
            assert undo.told == [] and values() == quiet
            quiesce.apply(undo.session, without(asked) | {"compaction_proactiveness": 33})
            assert COMPACTION.read_text() == "33\n"
        assert values() == quiet
        # Other settings: what they leave alone is as it was found.
        fewer = without(asked) | {"compaction_proactiveness": 44}
        code, told = agent("apply", asked=fewer)
        assert code == 0 and told["quiesce"]["changed"]
        assert values() == as_found | {COMPACTION: "44\n"}
        code, told = agent("restore", "--dry-run")
        assert code == 0 and told["quiesce"]["changed"]
    finally:
        code, told = agent("restore")
    assert code == 0 and told["quiesce"]["changed"] and values() == as_found
    code, told = agent("restore")
    assert code == 0 and not told["quiesce"]["changed"]


def without(asked: dict[str, Any]) -> dict[str, Any]:
    return dict.fromkeys(asked, "leave")


@pytest.mark.usefixtures("alone")
def test_what_was_kept_before_a_reboot_is_nothing_to_restore(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    other = {"schema_version": 1, "boot_id": "0f0f0f0f-0000-4000-8000-000000000000", "settings": {}}
    entry = {"write": str(COMPACTION), "text": "99\n"}
    lines = [json.dumps(line) + "\n" for line in (other, entry)]
    (state / "kept.jsonl").write_text("".join(lines))
    with opened(state) as undo:
        assert undo.kept.count() == 0 and undo.kept.header() is None
        undo.kept.begin(settings={})
        assert undo.kept.header() is not None
        assert undo.kept.undo() == ([], [])


@pytest.mark.usefixtures("as_found")
def test_a_mistake_is_one_sentence_and_nothing_stays_changed() -> None:
    code, told = agent("apply", asked={"ksm": "maybe"})
    assert code == 1 and told["type"] == "error"
    assert told["message"] == "quiesce: ksm cannot be 'maybe'"
    with opened(state_directory()) as undo:
        assert undo.kept.count() == 0


@pytest.mark.usefixtures("as_found")
def test_two_at_a_time_do_not_set_against_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """While an agent measures, no other makes the machine quiet or loud; it may look."""
    monkeypatch.setattr("hotkit.agent.undo._WAIT_S", 0.2)
    with opened(state_directory()):
        second = Undo(state_directory())
        with pytest.raises(AgentError, match="another agent of hotkit measures"):
            second.open()
        code, told = agent("check", asked=settings())
        assert code == 1 and told["quiesce"]["problems"]
