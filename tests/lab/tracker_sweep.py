"""Every tracker that needs no PMU, in two settings and two layouts, on the patched kernel.

docs/examples/trackers.yml goes in; its report comes out, as docs/examples/trackers.html and as the
figures of the evidence. Half an hour on 2 cores without KVM; cut off, it goes on.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from hotkit import kernel
from hotkit.host.dirs import state_dir
from hotkit.host.run import clean_env
from hotkit.sweep.folder import SweepResult, load_sweep
from tests.lab import kernel_cases
from tests.lab.cases import LABEL, NAME

EXAMPLES = Path(__file__).resolve().parents[2] / "docs/examples"
# The user's own state: that of a campaign's lab goes with its worker.
_KEPT = state_dir() / "soak"
LAYOUTS = ("third-fast", "half-fast")
# The corrected scans see the hot pages, the stock ones are blind to most of them.
_PAIRS = ("idlepage", "folio-referenced", "damon")


def campaign_case(number: int) -> dict[str, Any]:
    """The one case of the campaign."""
    kept = _KEPT / "tracker-sweep"
    kernel_cases.build(kernel.recipe(None, "lab"))
    inventory = kept.with_name("tracker-sweep-inventory")
    if not inventory.exists():
        kernel_cases.lab_inventory(inventory, "lab")
    begun = (kept / "sweep.json").exists()
    where = ["-i", inventory, "--limit", NAME, "--yes", "--out", kept]
    words = ["resume", kept] if begun else ["run", EXAMPLES / "trackers.yml", *where]
    code, said = _hotkit("sweep", *words)
    if code not in (0, 5):
        return {"label": LABEL, "ok": False, "error": f"exit code {code}: {said[-300:]}"}
    html = EXAMPLES / "trackers.html"
    code, said = _hotkit("report", kept, "--html", html)
    # What is committed names no path of one machine.
    text = html.read_text()
    for path, name in ((inventory, "inventory"), (kept, "trackers"), (EXAMPLES, "docs/examples")):
        text = text.replace(str(path), name)
    html.write_text(text)
    results = {
        layout: load_sweep(kept / "parts" / f"{NAME}-{layout}-hotset-boot0") for layout in LAYOUTS
    }
    problems = [one for layout in LAYOUTS for one in judge(layout, results[layout])]
    return {
        "label": LABEL,
        "ok": code in (0, 5) and html.exists() and not problems,
        "problems": problems,
        "parts": {layout: facts(result) for layout, result in results.items()},
    }


def facts(result: SweepResult) -> dict[str, Any]:
    """What the evidence keeps of a part."""
    return {
        "kernel": result.machine["kernel_release"],
        "trusted": result.analysis.trusted,
        "blocks": result.analysis.blocks,
        "reruns": len(result.analysis.reruns),
        "agents": result.state.session + 1,
        "arms": {
            arm.arm: {
                "examined": arm.per_examined.samples,
                "positive": arm.per_positive.samples,
                "recall": _rounded(arm.accuracy.recall if arm.accuracy else None),
                "precision": _rounded(arm.accuracy.precision if arm.accuracy else None),
                "errors": list(arm.errors),
            }
            for arm in result.analysis.arms
        },
    }


def judge(layout: str, result: SweepResult) -> list[str]:
    """What is not as it must be; times play no part under emulation."""
    found = []
    if not result.state.finished or result.analysis.incomplete_blocks:
        found.append(f"{layout}: not finished")
    arms = {arm.arm: arm for arm in result.analysis.arms}
    found += [f"{layout}: {arm.arm}: {arm.errors[0]}" for arm in arms.values() if arm.errors]
    for tracker in _PAIRS:
        stock, flush = (arms[f"{tracker}-{mode}"].accuracy for mode in ("stock", "primary"))
        if not (stock and flush and (flush.recall or 0) > 3 * (stock.recall or 0)):
            found.append(f"{layout}: {tracker} that flushes does not see more than the stock one")
    return found


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _hotkit(*words: str | Path) -> tuple[int, str]:
    program = Path(sys.executable).with_name("hotkit")
    done = subprocess.run(
        [str(word) for word in (program, *words)], env=clean_env(), text=True, check=False,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    return done.returncode, done.stderr
