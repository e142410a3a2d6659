"""A trial boot with a trace of page_alloc: entry, steps left, refusals, and the way back."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from hotkit.core import cmdline
from hotkit.core.layout import Layout
from hotkit.core.tracewish import TraceWish, trace_wish
from hotkit.core.units import GIB, MIB
from hotkit.core.verdicts import check_cmdline
from hotkit.errors import HotkitError
from hotkit.hostplan import plan_host
from hotkit.parse.observed import observe

DATA = Path(__file__).parents[1] / "data" / "facts"
PROFILE = {"base": "4C16G-remote", "cpus": 2, "total": "1536M", "fast_share": "1/3"}
EVENTS = "trace_event=kmem:mm_page_free,kmem:mm_page_alloc"


@pytest.fixture
def facts() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DATA / "lab-small-stock.json").read_text())
    return found


def plan(facts: dict[str, Any], **wishes: Any) -> dict[str, Any]:
    variables = {"hotkit_profile": PROFILE} | {f"hotkit_{k}": v for k, v in wishes.items()}
    return plan_host(facts, variables, host="m1").to_dict()


def after(facts: dict[str, Any], found: dict[str, Any], state: str = "verified") -> dict[str, Any]:
    """The facts of the machine that has booted that plan."""
    later = copy.deepcopy(facts)
    later["boot"]["custom_cfg"] = found["files"][0]["text"]
    later["state"] = {"state": state, "token": found["token"], "layout": found["layout"]}
    later["cmdline"] = found["cmdline"]
    return later


def test_the_entry_of_a_traced_trial(facts: dict[str, Any]) -> None:
    found = plan(facts, trace_memory="true")
    assert found["refusals"] == []
    words = found["cmdline"].split()
    # Two CPUs: 128 MiB each.
    assert words[-3:] == [EVENTS, "trace_buf_size=128M", "trace_options=stacktrace"]
    assert any("256 MiB of RAM for it (128 MiB for each of 2 CPUs)" in n for n in found["notes"])
    # The layout is the same one: its id says nothing of how it was watched.
    assert found["layout"] == plan(facts)["layout"]
    terms = {term["name"]: term["change_bytes"] for term in found["memory"]["terms"]}
    assert terms["trace buffers"] == 256 * MIB
    assert "trace buffers" not in {t["name"] for t in plan(facts)["memory"]["terms"]}


def test_by_task_and_a_size(facts: dict[str, Any]) -> None:
    words = plan(facts, trace_memory="16M", trace_tasks=True)["cmdline"].split()
    assert words[-2:] == [EVENTS, "trace_buf_size=16M"]


def test_verify_objects_to_no_word_of_it(facts: dict[str, Any]) -> None:
    found = plan(facts, trace_memory="true")
    layout = Layout.from_dict(found["layout"])
    observed = observe(facts | {"cmdline": found["cmdline"]}, host="m1")
    assert check_cmdline(layout, observed).verdict == "pass"
    assert cmdline.values(found["cmdline"], "trace_buf_size") == ("128M",)


def test_traced_once_and_then_no_more(facts: dict[str, Any]) -> None:
    """A layout that runs is booted again for a trace, and again without it: its entry changed."""
    without = plan(facts)
    running = after(facts, without)
    assert plan(running)["left"] == ["verify"]
    traced = plan(running, trace_memory="true")
    assert traced["left"] == ["entry", "arm", "reboot", "confirm", "verify"]
    running = after(facts, traced)
    assert plan(running, trace_memory="true")["left"] == ["verify"]
    again = plan(running)
    assert again["left"] == ["entry", "arm", "reboot", "confirm", "verify"]
    assert again["files"][0]["text"] == without["files"][0]["text"]
    assert "trace_" not in again["cmdline"]


def test_no_trace_in_an_entry_that_stays(facts: dict[str, Any]) -> None:
    committed = after(facts, plan(facts), "committed")
    for found in (
        plan(facts, trace_memory="true", commit=True),
        plan(facts, trace_memory="true", commit=True, entry_method="defaults"),
        plan(committed, trace_memory="true"),
    ):
        (refusal,) = found["refusals"]
        assert "a trace from boot is for a trial" in refusal["message"]
        assert "--trace-memory" in refusal["hint"]


@pytest.mark.parametrize("size", ["many", "12X", "1K", "5G", "-1M"])
def test_sizes_that_are_none(facts: dict[str, Any], size: str) -> None:
    (refusal,) = plan(facts, trace_memory=size)["refusals"]
    assert refusal["message"].startswith("hotkit_trace_memory: ")


@pytest.mark.parametrize(
    ("wanted", "cpus", "size"),
    [
        (True, 1, 128 * MIB), ("yes", 4, 128 * MIB), ("1", 5, 102 * MIB), ("true", 36, 16 * MIB),
        ("2G", 4, 2 * GIB), ("3M", 4, 3 * MIB),
    ],
)  # fmt: skip
def test_the_size_of_a_buffer(wanted: Any, cpus: int, size: int) -> None:
    found = trace_wish({"hotkit_trace_memory": wanted}, cpus)
    assert found == TraceWish(buffer_bytes=size, cpus=cpus)
    assert found.cost_bytes == cpus * size
    by_task = trace_wish({"hotkit_trace_memory": wanted, "hotkit_trace_tasks": "yes"}, cpus)
    assert by_task is not None and by_task.tasks
    assert by_task.buffer_bytes == (size if str(wanted)[-1] in "GM" else size // 2)


@pytest.mark.parametrize("wanted", [None, False, "false", "no", "0", ""])
def test_nothing_is_asked_for(wanted: Any) -> None:
    assert trace_wish({"hotkit_trace_memory": wanted, "hotkit_trace_tasks": True}, 4) is None
    assert trace_wish({}, 4) is None


def test_a_bad_size_before_any_host_is_asked(tmp_path: Path) -> None:
    from hotkit.provision import provision
    from hotkit.report.provision import LiveProgress

    hosts = tmp_path / "hosts.yml"
    hosts.write_text("all:\n  hosts:\n    m1: {hotkit_profile: 4C16G-remote}\n")
    with pytest.raises(HotkitError, match="hotkit_trace_memory: 'much' is not a size"):
        provision(str(hosts), LiveProgress(None), lambda: False, trace_memory="much")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ([], (None, False)),
        (["--trace-memory"], ("true", False)),
        (["--trace-buffer", "16M"], ("16M", False)),
        (["--trace-tasks"], ("true", True)),
        (["--trace-memory", "--trace-buffer=9M", "--trace-tasks"], ("9M", True)),
    ],
)
def test_the_options_of_provision(
    monkeypatch: pytest.MonkeyPatch, words: list[str], asked: tuple[str | None, bool]
) -> None:
    """An inventory may stand behind each of them: none takes it for its size."""
    from hotkit.cli import provision

    def story(inventory: str, *_: Any, **wishes: Any) -> None:
        assert inventory == "lab"
        assert (wishes["trace_memory"], wishes["trace_tasks"]) == asked
        raise HotkitError("this is far enough")

    monkeypatch.setattr(provision, "provision", story)
    with pytest.raises(HotkitError, match="far enough"):
        provision.command.main([*words, "lab", "--yes"], standalone_mode=False)
