"""The story of `hotkit rollback`: originals back to the byte, nothing of hotkit left behind."""

from __future__ import annotations

from collections.abc import Callable

from hotkit.host.inventory import load_inventory
from hotkit.host.runs import new_run_folder
from hotkit.hoststory import HostStory, Progress, Result


class _RollingBack(HostStory):
    playbook = "rollback"


def rollback(
    ref: str,
    progress: Progress,
    approve: Callable[[], bool],
    *,
    limit: str | None = None,
    check: bool = False,
    diff: bool = False,
    reboot: bool = True,
) -> Result:
    """Take back what hotkit wrote on every host of an inventory and boot its stock entry.

    With `reboot` False the files are put back and a running layout stays until the next reboot.
    A host that carries nothing of hotkit is left alone: no change, no reboot.
    """
    inventory = load_inventory(ref, limit)
    story = _RollingBack(inventory, progress, new_run_folder("rollback"), check=check, diff=diff)
    if not check and not approve():
        story.stop_the_rest("declined")
        return story.result()
    running_on: set[str] = set()
    for event in story.run("rollback", extra={"restore_reboot": reboot}):
        if event.host is None or event.kind not in ("ok", "failed"):
            continue
        if event.result.get("rebooted"):
            seconds = event.result.get("elapsed")
            story.note(event.host, rebooted=True, reboot_seconds=seconds)
        elif event.result.get("reboot_needed"):
            running_on.add(event.host)
    for name in story.going():
        outcome = story.outcomes[name]
        if check and outcome.changed:
            story.end(name, "would-change", f"{outcome.changed} changes would be made")
        elif name in running_on and not outcome.rebooted:
            story.end(name, "ok", "files are as before; the layout runs on until the next reboot")
        elif outcome.changed:
            story.end(name, "ok", "as before hotkit: files restored, the stock entry runs")
        else:
            story.end(name, "ok", "nothing of hotkit here: nothing to do")
    return story.result()
