"""A guest of lab-nested: trackers in it and over it against ground truth, and what befalls it.

For the tests and for `make soak`; lab-nested must run the patched kernel. All of it is emulated and
nested: it shows what each tracker sees, and nothing of what that costs on hardware.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hotkit import kernel
from hotkit.host.run import clean_env
from hotkit.host.store import read_journal
from tests.lab import kernel_cases
from tests.lab.cases import NESTED, sh
from tests.lab.guest_faults import FAULTS, GUEST

_MOST_S = 1500.0
# 32 pages of the guest: 8 are written all the time, the others never. They stay in QEMU's TLB.
_WORK = "{kind: hotset, size: 128K, hot: 32K, weight: 1000000000, seconds: 1.5}"
_DAMON = "operations: fvaddr, aggr_us: 200000, min_regions: 32"
# A VM exit flushes QEMU's TLB, and the timers of guest and host make some 200 of them in a second:
# a look each millisecond finds most pages between two of them, where a scan that flushes nothing is
# blind. The vCPU is alone on its CPU (placement: spare).
_OVER = f"{_DAMON}, watch: workload, sample_us: 1000, placement: spare"
ARMS = {
    "guest-damon-stock": ("damon", "guest", f"{_DAMON}, sample_us: 2000"),
    "guest-damon-flush": ("damon", "guest", f"{_DAMON}, sample_us: 2000, flush: primary"),
    "host-damon-stock": ("damon", "host", _OVER),
    "host-damon-primary": ("damon", "host", f"{_OVER}, flush: primary"),
    "host-damon-both": ("damon", "host", f"{_OVER}, flush: primary+secondary"),
    "host-idlepage": (
        "idlepage", "host",
        "interval_ms: 100, watch: workload, flush: primary+secondary, placement: spare",
    ),
    "kvm-dirty": ("kvm-dirty", "host", "interval_ms: 200, placement: spare"),
    "guest-softdirty": ("softdirty", "guest", "interval_ms: 100"),
}  # fmt: skip
# The rest of what a host can do, for `make soak`.
MORE = {
    "host-idle-stock": (
        "idlepage", "host", "interval_ms: 100, watch: workload, placement: spare",
    ),
    "host-softdirty": ("softdirty", "host", "interval_ms: 300, placement: spare"),
    "host-uffd": ("uffd-wp", "host", "interval_ms: 300, watch: workload"),
    "host-folio-both": (
        "folio-referenced", "host", "interval_ms: 300, flush: primary+secondary, placement: spare",
    ),
    "host-damon-vm": (
        "damon", "host",
        "operations: fvaddr, sample_us: 20000, aggr_us: 200000, min_regions: 400,"
        " flush: primary+secondary, placement: spare",
    ),
    "guest-idlepage": ("idlepage", "guest", "interval_ms: 100, flush: primary"),
}  # fmt: skip
# Over a VM whose QEMU is not asked.
THEIRS = {
    "host-idlepage": (
        "idlepage", "host", "interval_ms: 200, flush: primary+secondary, placement: spare",
    ),
    "host-softdirty": ("softdirty", "host", "interval_ms: 300, placement: spare"),
}  # fmt: skip
# The same VM, as if somebody else had started it.
_THEIRS: dict[str, Any] = {
    "name": "theirs",
    "process": {"unit": f"hotkit-guest-{GUEST}.service"},
    "ssh": {"port": 2222, "identity_file": f"/var/lib/hotkit/guests/{GUEST}/login-key"},
}
# The monitor collects a ring once a second.
RING = {"kvm-dirty-ring": ("kvm-dirty", "host", "by: ring, placement: spare")}
_RING: dict[str, Any] = {"dirty_ring": 4096}
_FEW = ("kvm-dirty", "guest-softdirty", "host-damon-both")


@dataclass(frozen=True, slots=True)
class Swept:
    """A sweep that is over: `report` as `hotkit report --json` gives it, `flushes` the table."""

    code: int
    report: Mapping[str, Any]
    flushes: Mapping[str, Any]
    journal: list[dict[str, Any]]
    said: str
    left: str
    # Of each run of kvm-dirty: rounds in which the least and the most often written hot page was.
    dirty_counts: list[tuple[int, int]]

    def arm(self, name: str) -> Mapping[str, Any]:
        return next(arm for arm in self.report["arms"] if arm["arm"] == name)


def description(arms: Mapping[str, tuple[str, str, str]], guest: str = GUEST) -> str:
    """A SWEEP.yml of six blocks. Times do not matter here, and a busy host may stop any CPU."""
    rows = [
        f"  - {{name: {name}, tracker: {tracker}, scope: {scope}, settings: {{{settings}}}}}"
        for name, (tracker, scope, settings) in arms.items()
    ]
    head = ["schema_version: 1", "blocks: 6", "gates: false", f"guest: {guest}"]
    return "\n".join([*head, f"workload: {_WORK}", "arms:", *rows, ""])


def sweep(inventory: Path, folder: Path, text: str, fault: str | None = None) -> Swept:
    """Run it; `fault` befalls the guest in the first run that begins."""
    (folder / "sweep.yml").write_text(text)
    out = folder / "out"
    words = ["sweep", "run", folder / "sweep.yml", "-i", inventory, "--limit", NESTED, "--out", out]
    with (folder / "said.log").open("wb") as log:
        controller = subprocess.Popen(
            [_program(), *map(str, words)], env=clean_env(), stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
        try:
            if fault:
                _befall(fault, out, controller)
            code = controller.wait(_MOST_S)
        finally:
            if controller.poll() is None:
                controller.kill()
                controller.wait()
    said = (folder / "said.log").read_text()
    assert code in (0, 5), said[-2000:]
    return Swept(
        code=code,
        report=_told("report", str(out), "--json"),
        flushes=_told("report", str(out), "--table", "flushes", "--format", "json"),
        journal=list(read_journal(out)),
        said=said,
        left=sh(_LEFT, NESTED),
        dirty_counts=[
            _counts(file) for file in sorted((out / "raw").glob("*-kvm-dirty.heat.json"))
        ],
    )


def _counts(file: Path) -> tuple[int, int]:
    kept = json.loads(file.read_text())
    truth, (part,) = kept["truth"], kept["hot"]
    heat = zlib.decompress(base64.b64decode(part["heat_zlib_base64"]))
    first = (truth["hot_start"] - part["start"]) // part["page_bytes"]
    hot = heat[first : first + truth["hot_bytes"] // part["page_bytes"]]
    return min(hot), max(hot)


def judge(found: Swept) -> None:
    """Who sees what, from where."""
    report = found.report
    assert report["label"]["platform"] == "emulated" and report["label"]["nested"]
    assert "[emulated, nested]" in found.said
    assert report["guest"]["name"] == GUEST
    errors = {arm["arm"]: arm["errors"] for arm in report["arms"] if arm["errors"]}
    assert not errors, errors
    seen = {arm["arm"]: arm["accuracy"] for arm in report["arms"]}
    table = {name: (one["recall"], one["precision"]) for name, one in seen.items() if one}
    assert {arm["arm"]: arm["where"] for arm in report["arms"]} == {
        name: scope for name, (_, scope, _) in ARMS.items()
    }
    # The pages that the guest has written, all of them and no other. Recall is 1 as well, but for
    # rounds in which a busy host did not run the emulated CPU: nothing is written in these.
    dirty = seen["kvm-dirty"]
    assert (dirty["precision"], dirty["found"]) == (1.0, 1.0) and dirty["recall"] > 0.8, table
    assert all(most - least <= 1 for least, most in found.dirty_counts), found.dirty_counts
    assert found.arm("kvm-dirty")["facts"]["mechanism"] == "write protection"
    assert seen["guest-softdirty"]["precision"] == 1 and seen["guest-softdirty"]["recall"] > 0.9
    assert seen["host-idlepage"]["found"] == 1 and seen["host-idlepage"]["recall"] > 0.8, table
    # Without KVM's flush a host is blind to what stays in the TLB; its own TLB makes no difference.
    stock, primary, both = (seen[f"host-damon-{mode}"] for mode in ("stock", "primary", "both"))
    # What is tracked before and after the run counts as missed, more on a busy machine.
    assert stock["recall"] < 0.4 and primary["recall"] < 0.4 < both["recall"], table
    assert both["recall"] > 1.7 * max(stock["recall"], primary["recall"]), table
    assert seen["guest-damon-flush"]["recall"] > 0.6, table
    _judge_flushes({row["arm"]: row for row in found.flushes["rows"]})


def _judge_flushes(rows: Mapping[str, Mapping[str, Any]]) -> None:
    """KVM flushes where, and only where, it was asked to."""
    mean = {name: row["kvm_remote_tlb_flush"]["mean"] for name, row in rows.items()}
    assert mean["host-damon-both"] > 100 and mean["host-idlepage"] > 10, mean
    assert max(mean[name] for name in ("off", "host-damon-stock", "host-damon-primary")) < 10, mean
    assert rows["host-damon-both"]["where"] == "host" and rows["off"]["where"] is None
    assert all(row["elapsed_s"]["mean"] > 0.5 for row in rows.values()), rows


def judge_fault(found: Swept, fault: str) -> None:
    """One sentence about the run, nothing left on the host, and the sweep went on to its end."""
    gates = [event for event in found.journal if event["type"] == "gate"]
    sentences = [problem for gate in gates for problem in gate["problems"]]
    assert len(gates) == 1 and len(sentences) == 1, sentences
    words = FAULTS[fault].words
    assert sentences[0].startswith(f"guest {GUEST}"), sentences
    assert any(word in sentences[0] for word in words), sentences
    assert found.report["blocks"] == 6 and not found.report["incomplete_blocks"]
    assert len(found.report["reruns"]) == 1, found.report["reruns"]
    assert found.left == "", found.left


def ended(inventory: Path) -> list[str]:
    """`hotkit guest` sees it and ends it; the sentences of what is not as it should be."""
    where = [str(inventory), "--limit", NESTED, "--json"]
    (guest,) = _told("guest", "status", *where)["guests"]
    found = {
        "running": guest["state"] == "running" and guest["nested"] is True,
        "down": _told("guest", "down", *where)["guests"][0]["state"] == "down",
        "no process of it is left": sh(
            # In brackets: the shell that runs it has the words on its own command line.
            f"pgrep -f '[h]otkit-guest-{GUEST}'; true", NESTED
        ) == "",
        "no unit of it is left": "loaded" not in sh(
            f"systemctl show --property=LoadState --value hotkit-guest-{GUEST}", NESTED
        ).split(),
    }  # fmt: skip
    return [f"not as it should be: {name}" for name, ok in found.items() if not ok]


def comparison_case(number: int) -> dict[str, Any]:
    """A case of `make soak`: the arms of CI's test, the others, VMs of another kind."""
    what, arms, judged, guest = (
        ("the comparison", ARMS, judge, None),
        ("the rest", MORE, judge_rest, None),
        ("a VM of somebody else", THEIRS, judge_all_found, _THEIRS),
        ("a VM with a dirty ring", RING, judge_all_found, _RING),
    )[number]
    return {"what": what, **_campaign_case(arms, None, judged, guest)}


# Other pages below the guest's RAM, and a guest with two nodes.
_BACKINGS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("transparent huge pages", {"backing": "thp"},
     "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled"),
    ("huge pages", {"backing": "hugetlb"}, "echo 200 > /proc/sys/vm/nr_hugepages"),
    ("two nodes, each on one of the host's",
     {"nodes": [{"memory": "256M", "host_node": 0}, {"memory": "192M", "host_node": 1}],
      "memory": None}, "true"),
)  # fmt: skip


_BACKED = ("kvm-dirty", "guest-softdirty", "host-damon-both", "host-idlepage")
# Of pages of hugetlbfs idle page tracking keeps nothing; a sweep with it ends with that sentence.
_ON_HUGETLB = _BACKED[:3]


def backing_case(number: int) -> dict[str, Any]:
    """A case of `make soak`: the same few arms on a VM of another make."""
    what, keys, before = _BACKINGS[number]
    names = _ON_HUGETLB if keys.get("backing") == "hugetlb" else _BACKED
    few = {name: ARMS[name] for name in names}
    sh(before, NESTED)
    found = {"what": what, **_campaign_case(few, None, judge_all_found, keys)}
    sh("echo 0 > /proc/sys/vm/nr_hugepages", NESTED)
    return found


def judge_rest(found: Swept) -> None:
    """What else works over a VM finds the written pages; stock scans do not."""
    seen = {arm["arm"]: arm["accuracy"] for arm in found.report["arms"]}
    errors = {arm["arm"]: arm["errors"] for arm in found.report["arms"] if arm["errors"]}
    assert not errors, errors
    for name in ("host-softdirty", "host-uffd", "host-folio-both", "guest-idlepage"):
        assert seen[name]["found"] == 1 and seen[name]["recall"] > 0.8, (name, seen[name])


def judge_all_found(found: Swept) -> None:
    """Of a VM of somebody else the RAM was found without asking QEMU: by pages that it knows."""
    for arm in found.report["arms"]:
        assert not arm["errors"] and arm["accuracy"]["found"] == 1, arm


def fault_case(number: int) -> dict[str, Any]:
    """A case of `make soak`: one fault in a sweep of three arms."""
    fault = list(FAULTS)[number]
    few = {name: ARMS[name] for name in _FEW}
    kept = _campaign_case(few, fault, lambda found: judge_fault(found, fault),
                          FAULTS[fault].guest)  # fmt: skip
    return {"fault": fault, **kept}


def _campaign_case(
    arms: Mapping[str, tuple[str, str, str]],
    fault: str | None,
    judged: Callable[[Swept], None],
    guest: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """`guest`: what is in the inventory for this case; its name, or g1."""
    inventory = Path(os.environ["XDG_STATE_HOME"]) / "patched"
    if not inventory.exists():
        built = kernel_cases.build(kernel.recipe(None, "lab"))
        folder = kernel_cases.lab_inventory(inventory, "lab", NESTED)
        problems = kernel_cases.provisioned(built, folder, NESTED)
        if problems:
            return {"ok": False, "problems": problems}
    with tempfile.TemporaryDirectory(prefix="hotkit-nested-") as name:
        began = time.monotonic()
        # One of another description, or of nobody: begun anew.
        _told("guest", "down", str(inventory), "--limit", NESTED, "--json")
        if guest is _THEIRS:
            _told("guest", "up", str(inventory), "--limit", NESTED, "--json")
        if guest:
            inventory = _with_guest(inventory, Path(name) / "lab", guest)
        wanted = str(guest["name"]) if guest and "name" in guest else GUEST
        found = sweep(inventory, Path(name), description(arms, wanted), fault)
    label = found.report["label"]
    kept: dict[str, Any] = {
        "label": label["platform"],
        "nested": label["nested"],
        "seconds": time.monotonic() - began,
    }
    kept["sentences"] = [
        problem
        for event in found.journal
        if event["type"] == "gate"
        for problem in event["problems"]
    ]
    kept["arms"] = {arm["arm"]: _kept(arm) for arm in found.report["arms"]}
    kept["flushes"] = [
        {key: value for key, value in row.items() if key != "errors"}
        for row in found.flushes["rows"]
    ]
    try:
        judged(found)
    except AssertionError as error:
        return {"ok": False, "problems": [str(error)[:500]], **kept}
    return {"ok": True, **kept}


def _with_guest(inventory: Path, folder: Path, guest: Mapping[str, Any]) -> Path:
    """The inventory with that guest alone; without a name it is g1 with these keys besides."""
    shutil.copytree(inventory, folder)
    file = folder / "host_vars" / f"{NESTED}.yml"
    host = yaml.safe_load(file.read_text())
    (first,) = host["hotkit_guests"]
    # None takes a key away.
    changed = {key: value for key, value in {**first, **guest}.items() if value is not None}
    host["hotkit_guests"] = [dict(guest) if "name" in guest else changed]
    file.write_text(yaml.safe_dump(host))
    return folder


def _kept(arm: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("where", "tracker", "runs", "accuracy", "vm", "facts", "errors")
    return {key: arm[key] for key in keys if key in arm}


# What a sweep must not leave on the host: an agent, a kdamond that is on, a tracing instance.
_LEFT = (
    "pgrep -af 'agent-.*[p]yz (start|serve)'; pgrep -ax kdamond;"
    " cat /sys/kernel/mm/damon/admin/kdamonds/*/state 2>/dev/null | grep -x on;"
    " ls /sys/kernel/tracing/instances; cat /sys/kernel/debug/hotkit/*_mode | grep -vx 0; true"
)


def _befall(fault: str, out: Path, controller: subprocess.Popen[bytes]) -> None:
    """Wait for the first run of a tracker, and then a little."""
    until = time.monotonic() + _MOST_S
    while not _begun(out):
        assert controller.poll() is None and time.monotonic() < until, "no run began"
        time.sleep(0.1)
    sh(f"{FAULTS[fault].command}; true", NESTED)


def _begun(out: Path) -> bool:
    if not (out / "journal.jsonl").exists():
        return False
    return any(event["type"] == "run" for event in read_journal(out))


def _told(*words: str) -> dict[str, Any]:
    done = subprocess.run([_program(), *words], env=clean_env(), capture_output=True, check=False)
    assert done.returncode in (0, 5), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _program() -> str:
    return str(Path(sys.executable).with_name("hotkit"))
