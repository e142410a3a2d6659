"""The story of `hotkit rollback`: originals back to the byte, nothing of hotkit left behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hotkit.core.batch import HALF, Batch
from hotkit.host.inventory import load_inventory
from hotkit.host.runs import new_run_folder
from hotkit.hostoutcome import Result
from hotkit.hoststory import HostStory, Progress


class _RollingBack(HostStory):
    playbook = "rollback"
    extra: Mapping[str, Any]

    def one(self, name: str) -> None:
        """The way of one host."""
        running_on = False
        for event in self.run("rollback", extra=self.extra, hosts=[name]):
            if event.kind in ("ok", "failed") and event.result.get("rebooted"):
                self.note(name, rebooted=True, reboot_seconds=event.result.get("elapsed"))
            elif event.kind == "ok" and event.result.get("reboot_needed"):
                running_on = True
        if name not in self.going():
            return
        outcome = self.outcomes[name]
        if self.check and outcome.changed:
            self.end(name, "would-change", f"{outcome.changed} changes would be made")
        elif running_on and not outcome.rebooted:
            self.end(name, "ok", "files are as before; the layout runs on until the next reboot")
        elif outcome.changed:
            self.end(name, "ok", "as before hotkit: files restored, the stock entry runs")
        else:
            self.end(name, "ok", "nothing of hotkit here: nothing to do")


def rollback(
    ref: str,
    progress: Progress,
    approve: Callable[[], bool],
    *,
    limit: str | None = None,
    check: bool = False,
    diff: bool = False,
    reboot: bool = True,
    take_over: bool = False,
    batch: Batch = HALF,
    max_failures: int = 1,
) -> Result:
    """Take back what hotkit wrote on every host of an inventory and boot its stock entry.

    With `reboot` False the files are put back and a running layout stays until the next reboot.
    A host that carries nothing of hotkit is left alone: no change, no reboot.
    """
    inventory = load_inventory(ref, limit)
    story = _RollingBack(inventory, progress, new_run_folder("rollback"), check=check, diff=diff)
    story.extra = {"restore_reboot": reboot, "hotkit_take_over": take_over}
    if not check and not approve():
        story.decline()
    story.each(story.one, batch=batch.size(len(inventory.hosts)), max_failures=max_failures)
    return story.result()
