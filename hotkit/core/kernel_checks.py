"""Checks of the kernel that runs: its release, its very build, and its switches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hotkit.core.check import Check, judged, unknown
from hotkit.core.observed import Observed

SWITCHES = ("damon_mode", "page_idle_mode", "folio_referenced_mode")


def check_kernel(kernel: str, observed: Observed) -> Check:
    """The kernel release that was asked for."""
    ok = observed.kernel_release == kernel
    sentence = "The kernel asked for runs." if ok else "Another kernel runs."
    return judged("kernel", kernel, observed.kernel_release, ok, sentence)


def build_checks(build: Mapping[str, Any], observed: Observed) -> Iterable[Check]:
    """A patched kernel is the very one that was built, and its switches are there."""
    wanted, found = str(build["build_id"]), observed.build_id
    if found is None:
        yield unknown("kernel-build", wanted, "?", "The kernel does not show its build id.")
    else:
        same = found == wanted
        sentence = "The very build runs." if same else "A kernel of that name from another build."
        yield judged("kernel-build", wanted, found, same, sentence)
    there = observed.switches or {}
    missing = [name for name in SWITCHES if name not in there]
    yield judged(
        "kernel-switches",
        ", ".join(SWITCHES),
        ", ".join(f"{name} {there[name]}" for name in SWITCHES if name in there) or "none",
        not missing,
        f"Not in debugfs hotkit/: {', '.join(missing)}." if missing else "All switches are there.",
    )
