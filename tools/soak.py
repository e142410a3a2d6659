"""Long campaigns: `make soak [CAMPAIGN=name]`. A run that was cut off goes on where it was.

Two cases run side by side, each worker with a lab of its own: a boot under emulation uses one core.

The evidence of a campaign is docs/evidence/<name>.json. CI runs a short form of each (named below)
and checks the form of the evidence in tests/unit/test_evidence.py.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

from hotkit import lab
from hotkit.core.check import Verdict
from hotkit.errors import HotkitError
from hotkit.host.accel import accelerator
from hotkit.host.dirs import state_dir
from hotkit.host.labimage import ensure_image
from hotkit.simulate import simulate_random

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from tests.fleet import campaign as fleet_campaign  # noqa: E402
from tests.fuzz import session as fuzzing  # noqa: E402
from tests.lab import (  # noqa: E402 (the clone's tests are no installed package)
    agent_kills,
    boot_faults,
    cases,
    kernel_cases,
    memory_cases,
    nested_cases,
    sweep_cuts,
    tracker_sweep,
)
from tests.mutation import session as mutation  # noqa: E402
from tests.peers import session  # noqa: E402

EVIDENCE_SCHEMA_VERSION = 1
STATE = state_dir() / "soak"  # the user's: a campaign's lab has a state directory of its own


@dataclass(frozen=True, slots=True)
class Campaign:
    """`case(number)` runs one case and returns what is to be kept: at least `ok`."""

    name: str
    what: str
    short_form: str  # the test that runs a few of its cases in CI
    count: int
    case: Callable[[int], dict[str, Any]]
    jobs: int = 2  # cases side by side, unless --jobs says less
    in_lab: bool = True  # its cases boot QEMU machines


def simulate_case(number: int) -> dict[str, Any]:
    """Predicted = booted on the random machine of this seed; seeds of CI's short form not among."""
    seed = 1000 + number
    try:
        done = simulate_random(seed, lambda text: None)
    except HotkitError as error:
        return {"ok": False, "seed": seed, "error": error.message}
    return {
        "ok": done.ok,
        "seed": seed,
        "nodes": len(done.topology.nodes),
        "cmdline": done.layout.cmdline,
        "kernel": done.observed.kernel_release,
        "label": str(done.observed.label),
        "failed": [c.sentence for c in done.checks if c.verdict is not Verdict.PASS],
    }


def on_lab_small(
    case: Callable[[int], dict[str, Any]], machine: str = cases.NAME
) -> Callable[[int], dict[str, Any]]:
    """`case` with a lab of its own, which is started with the first one and taken down at exit."""

    def with_lab(number: int) -> dict[str, Any]:
        if lab.running() != [machine]:
            folder = tempfile.mkdtemp(prefix="hotkit-soak-")
            cases.own_lab(Path(folder), machine)
            # atexit does not run in a worker.
            Finalize(None, lab.down, (machine, lambda name, text: None), exitpriority=1)
        try:
            return case(number)
        except HotkitError as error:
            return {"ok": False, "error": error.message}

    return with_lab


CAMPAIGNS = (
    Campaign(
        name="boot-faults",
        what="trial boots that panic, run out of memory, hang, find no root, stop at a shell or let"
        " nobody in: each ends on the stock entry, with its console read and nothing armed",
        short_form="tests/lab/test_faults.py::test_it_ends_on_the_stock_entry",
        count=len(boot_faults.FAULTS),
        case=on_lab_small(boot_faults.fault_case),
    ),
    Campaign(
        name="power-cuts",
        what="the power cut at every step of provision and rollback: nothing half-written, the"
        " stock entry boots, the command done again ends well, a rollback gives every byte back",
        short_form="tests/lab/test_power_cuts.py::test_power_cut",
        count=len(cases.POWER_CUTS),
        case=on_lab_small(cases.power_cut_case),
    ),
    Campaign(
        name="controller-kills",
        what="the controller killed twenty times a case, at random moments of provision and of"
        " rollback, nothing completed in between: the same as for power cuts",
        short_form="tests/lab/test_power_cuts.py::test_controller_killed",
        count=10,
        case=on_lab_small(cases.controller_kill_case),
    ),
    Campaign(
        name="kernel-proof",
        what="the functional proof on the patched kernels, on one without the patches, with lockdep"
        " and with KASAN: the same results without patches as in stock mode, no splat, no warning",
        short_form="tests/lab/test_kernel.py::test_hot_pages_are_seen_only_by_a_scan_that_flushes",
        count=len(kernel_cases.KERNELS),
        case=kernel_cases.kernel_case,
        jobs=1,
    ),
    Campaign(
        name="kernel-host",
        what="a kernel on top of a machine's own configuration, of its own modules only: built,"
        " proven, installed, booted, verified, removed",
        short_form="tests/lab/test_kernel.py::test_provision_and_rollback",
        count=1,
        case=on_lab_small(kernel_cases.host_kernel_case),
    ),
    Campaign(
        name="host-guest",
        what="trackers in a guest of lab-nested and over its VM, every one that works there, beside"
        " ground truth: written pages are KVM's dirty log to the page; a host that does not let KVM"
        " flush is blind to what stays in the TLB",
        short_form="tests/lab/test_kernel.py::test_host_against_guest",
        count=4,
        case=on_lab_small(nested_cases.comparison_case, cases.NESTED),
        jobs=1,
    ),
    Campaign(
        name="guest-backings",
        what="a guest on transparent huge pages, on huge pages, and one with two nodes: written"
        " pages by KVM's dirty log and in the guest, accessed ones by a scan that lets KVM flush",
        short_form="tests/lab/test_kernel.py::test_host_against_guest",
        count=3,
        case=on_lab_small(nested_cases.backing_case, cases.NESTED),
        jobs=1,
    ),
    Campaign(
        name="guest-faults",
        what="the guest killed, panicked, stopped from outside and by QEMU, QEMU's control socket"
        " gone, the guest's agent killed, the VM migrated away, all within a run: one sentence,"
        " nothing left on the host, the sweep goes on to its end",
        short_form="tests/lab/test_kernel.py::test_host_against_guest",
        count=len(nested_cases.FAULTS),
        case=on_lab_small(nested_cases.fault_case, cases.NESTED),
        jobs=1,
    ),
    Campaign(
        name="agent-kills",
        what="the agent, it and its guard, the workload, the scanner, the connection or the"
        " controller killed at a random moment of a measurement: no knob left changed, no kdamond"
        " left running, the next start clean",
        short_form="tests/lab/test_kernel.py::test_killed",
        count=50,
        case=on_lab_small(agent_kills.campaign_case),
        jobs=1,
    ),
    Campaign(
        name="sweep-cuts",
        what="a sweep in the lab cut off three times, at random moments: the controller, the agent"
        " or the connection killed, or the power of the machine cut; it goes on each time, with the"
        " schedule that was drawn, no run lost or counted twice, every knob back",
        short_form="tests/lab/test_sweep.py::test_cut_off_three_times",
        count=10,
        case=on_lab_small(sweep_cuts.cut_case),
        jobs=1,
    ),
    Campaign(
        name="tracker-sweep",
        what="docs/examples/trackers.yml: seven trackers in two settings each, 8 blocks, in two"
        " layouts of lab-small on the patched kernel; the corrected scans see hot pages to which"
        " the stock ones are blind. Its report: docs/examples/trackers.html",
        short_form="tests/lab/test_kernel.py::test_trackers_against_ground_truth",
        count=1,
        case=on_lab_small(tracker_sweep.campaign_case),
        jobs=1,
    ),
    Campaign(
        name="memory-boots",
        what="layouts of 256 MiB to 256 GiB on machines with 1 to 8 CPUs, maxcpus and nr_cpus, the"
        " stock and the patched kernel, PMEM and emulated PMEM: MemTotal of each node within 1 % of"
        " what was foretold, memory in use after the boot within 10 % or 64 MiB; and what a"
        " namespace takes, with its struct pages in DRAM and on itself",
        short_form="tests/lab/test_provision.py::test_good_layout",
        count=len(memory_cases.CASES),
        case=memory_cases.campaign_case,
    ),
    Campaign(
        name="smallest-layout",
        what="the smallest layout of lab-small that boots, bisected, lies inside the range that was"
        " foretold; one below it is refused, and by force boots once and comes back",
        short_form="tests/unit/test_hostplan.py::test_too_little_memory_is_refused_unless_forced",
        count=1,
        case=memory_cases.smallest_case,
        jobs=1,
    ),
    Campaign(
        name="simulate-random",
        what="random layouts on random machines: System RAM of /proc/iomem equal to the prediction,"
        " node by node, to the page",
        short_form="tests/lab/test_simulate.py::test_random_machine",
        count=200,
        case=simulate_case,
    ),
    Campaign(
        name="peers",
        what="hotkit beside hyperfine and pyperf while a background load comes and goes: asked in"
        " the same time about two identical commands, and about two of which one does 0.5 to 2 %"
        " more work; ok: all three answered both. What they said: docs/peers.md",
        short_form="tests/integration/test_peers.py",
        count=session.SESSIONS,
        case=session.campaign_case,
        jobs=1,
        in_lab=False,
    ),
    Campaign(
        name="fifty-hosts",
        what="fifty hosts at once, each with an sshd, GRUB files and firmware of its own on"
        " loopback: status, verify, provision in the default batch and again, --max-failures,"
        " --limit, a dynamic inventory with a vaulted secret, a tenth that cannot be reached",
        short_form="tests/integration/test_fleet.py",
        count=len(fleet_campaign.CASES),
        case=fleet_campaign.campaign_case,
        jobs=1,
        in_lab=False,
    ),
    Campaign(
        name="fuzz",
        what="every reader of text and data, a case each: from captured files on, guided by"
        " coverage, nothing but an explanation comes out, no input takes long or much memory",
        short_form="tests/fuzz/test_fuzz.py::test_only_an_explanation_comes_out_of_any_reader",
        count=len(fuzzing.TARGETS),
        case=fuzzing.campaign_case,
        jobs=1,
        in_lab=False,
    ),
    Campaign(
        name="mutation",
        what="modules of the core, changed in one place after the other: their own tests notice"
        " each mutant, or it is known why it alters nothing",
        short_form="tests/mutation/test_mutation.py",
        count=len(mutation.names()),
        case=mutation.campaign_case,
        in_lab=False,
    ),
)


def commit() -> str:
    """The commit that ran, with a + when the tree was changed."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout

    head = git("rev-parse", "--short=12", "HEAD").strip()
    return head + ("+" if git("status", "--porcelain", "--", "hotkit").strip() else "")


def machine(campaign: Campaign) -> str:
    """What it ran on, in words."""
    words = f"{platform.machine()}, {os.cpu_count()} CPUs"
    if campaign.in_lab:
        words += f", QEMU with {accelerator(ensure_image(lambda text: None).kernel)}"
    return words


def one_case(name: str, number: int) -> dict[str, Any]:
    """A case by its number; in a worker, where a campaign is found by its name."""
    (campaign,) = (item for item in CAMPAIGNS if item.name == name)
    try:
        return campaign.case(number)
    except Exception as error:  # one case that breaks must not cost the others what they found
        where = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__} in {where.name}: {error}"
        return {"ok": False, "error": what[:800]}


def run_campaign(campaign: Campaign, count: int, jobs: int) -> bool:
    """Run what is missing, write the evidence; True when every case held."""
    now = commit()
    kept = STATE / f"{campaign.name}-{now}.jsonl"
    kept.parent.mkdir(parents=True, exist_ok=True)
    lines = kept.read_text().splitlines() if kept.exists() else []
    done: dict[int, dict[str, Any]] = {
        item["number"]: item["case"] for item in map(json.loads, lines)
    }
    missing = [number for number in range(count) if number not in done]
    with kept.open("a") as journal, ProcessPoolExecutor(max_workers=jobs) as pool:
        running = {pool.submit(one_case, campaign.name, number): number for number in missing}
        for future in as_completed(running):
            number = running[future]
            done[number] = future.result()
            journal.write(json.dumps({"number": number, "case": done[number]}) + "\n")
            journal.flush()
            os.fsync(journal.fileno())
            held = sum(item["ok"] for item in done.values())
            print(f"{campaign.name}: {len(done)}/{count}, {held} held", file=sys.stderr)  # noqa: T201
    cases = [done[number] for number in range(count)]
    held = sum(item["ok"] for item in cases)
    evidence = {
        "schema_version": EVIDENCE_SCHEMA_VERSION,
        "name": campaign.name,
        "what": campaign.what,
        "command": f"make soak CAMPAIGN={campaign.name}",
        "short_form": campaign.short_form,
        "commit": now,
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "machine": machine(campaign),
        "result": {"cases": len(cases), "held": held, "ok": held == len(cases) > 0},
        "cases": cases,
    }
    target = ROOT / "docs" / "evidence" / f"{campaign.name}.json"
    target.write_text(json.dumps(evidence, indent=1) + "\n")
    print(f"{campaign.name}: {held} of {len(cases)} held, {target.relative_to(ROOT)}")  # noqa: T201
    return held == len(cases)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("campaign", nargs="?", help=", ".join(c.name for c in CAMPAIGNS))
    parser.add_argument("--count", type=int, help="how many cases (default: the campaign's own)")
    parser.add_argument("--jobs", type=int, default=2, help="cases side by side, at most")
    options = parser.parse_args()
    chosen = [c for c in CAMPAIGNS if options.campaign in (None, "", c.name)]
    if not chosen:
        parser.error(f"no campaign {options.campaign}")
    results = [run_campaign(c, options.count or c.count, min(options.jobs, c.jobs)) for c in chosen]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
