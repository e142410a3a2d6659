"""`agent.pyz quiesce check|apply|restore`: a machine made quiet by hand or by the role.

Nothing stays running: what `apply` set lasts until `restore` or a reboot. Told in one probe event,
`quiesce` {"act", "changed", "said", "missing", "problems"}, all of the last three sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hotkit.agent.quiesce import apply, check, complete, plan
from hotkit.agent.undo import Undo

ACTS = ("check", "apply", "restore")


def carry_out(
    act: str, undo: Undo, settings: Mapping[str, Any], dry_run: bool, emit: Callable[..., None]
) -> bool:
    """Do it; whether all is as it should be. `undo` is open unless it is a check or a dry run.

    Raises AgentError when it cannot be done: nothing stays changed then.
    """
    said: list[str] = []
    missing: list[str] = []
    problems: list[str] = []
    changed = False
    if act == "restore":
        if dry_run:
            changed = undo.kept.count() > 0
        else:
            said, problems = undo.kept.undo()
            changed = bool(said)
    else:
        planned = plan(settings)
        missing = [str(change) for change in planned if change.why_not]
        to_set = [change for change in planned if not change.why_not and not change.once]
        # With other settings than before, what they leave alone is to be as it was found.
        kept = undo.kept.header()
        anew = kept is not None and kept.get("settings") != complete(settings)
        changed = act == "apply" and (bool(to_set) or (anew and undo.kept.count() > 0))
        if act == "check":
            problems = check(settings, undo.kept)
        elif dry_run:
            said = [str(change) for change in planned if not change.why_not]
            problems = [str(change) for change in planned if change.hinders(settings)]
        else:
            said, problems = _apply(undo, settings, anew)
    emit(
        "probe",
        quiesce={
            "act": act, "changed": changed, "said": said, "missing": missing,
            "problems": problems,
        },
    )  # fmt: skip
    return not problems


def _apply(undo: Undo, settings: Mapping[str, Any], anew: bool) -> tuple[list[str], list[str]]:
    """What was said, and what does not hold all the same."""
    said: list[str] = []
    failed: list[str] = []
    if anew:
        said, failed = undo.kept.undo()
    try:
        said += apply(undo.kept, settings)
    except BaseException:
        undo.kept.undo()
        raise
    return said, failed + check(settings, undo.kept)
