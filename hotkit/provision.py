"""The story of `hotkit provision`: plan, ask, write, boot once, verify, record.

Ansible changes the hosts; what is decided here is only which play runs next and what its outcome
means for a person.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hotkit import kernel
from hotkit.core.batch import HALF, Batch
from hotkit.core.hostverdict import HostVerdict, Outcome
from hotkit.core.layout import Layout
from hotkit.core.tracewish import trace_wish
from hotkit.errors import HotkitError
from hotkit.host.inventory import Host, Inventory, load_inventory
from hotkit.host.profiles import load_profile
from hotkit.host.runs import new_run_folder
from hotkit.hostoutcome import Result
from hotkit.hoststory import HostStory, Progress
from hotkit.verify import verify_hosts


def provision(
    ref: str,
    progress: Progress,
    approve: Callable[[], bool],
    *,
    limit: str | None = None,
    check: bool = False,
    diff: bool = False,
    commit: bool = False,
    force: bool = False,
    trace_memory: str | None = None,
    trace_tasks: bool = False,
    take_over: bool = False,
    batch: Batch = HALF,
    max_failures: int = 1,
    profile: str | None = None,
) -> Result:
    """Boot every host of an inventory once into its layout, and verify it.

    Nothing is written before all profiles were read, every reachable host was planned, and
    `approve` said yes (`check` asks nobody: it writes nothing). A host that is refused or cannot be
    reached is left out. `force` boots what is predicted not to boot; `trace_memory` ("true", or the
    size of a CPU's buffer) traces page_alloc from boot, with `trace_tasks` without stacks;
    `take_over` breaks the lease of another hotkit; `profile` goes before the one that the
    inventory asks for. Raises HotkitError (exit code 2) for input that is wrong before any host is
    contacted.
    """
    inventory = load_inventory(ref, limit)
    if profile is not None:
        load_profile(profile)
    for host in inventory.hosts:
        if profile is None:
            check_profile(inventory, host)
        check_kernel(inventory, host)
    story = _Provisioning(inventory, progress, new_run_folder("provision"), check=check, diff=diff)
    wishes = {"commit": commit, "force": force, "take_over": take_over}
    story.wishes = {f"hotkit_{key}": True for key, value in wishes.items() if value}
    if trace_memory is not None:
        traced = {"hotkit_trace_memory": trace_memory, "hotkit_trace_tasks": trace_tasks}
        trace_wish(traced, cpus=1)
        story.wishes |= traced
    if profile is not None:
        story.wishes["hotkit_profile"] = profile
    story.plan()
    if story.going():
        progress.plans([story.outcomes[name].plan or {} for name in story.going()])
        if not check and not approve():
            story.decline()
    story.keep_plans()
    settled = story.settled()
    story.together(story.work, settled)
    story.each(
        story.one,
        batch=batch.size(len(inventory.hosts)),
        max_failures=max_failures,
        failed=sum(story.outcomes[name].bad for name in settled),
    )
    return story.result()


def check_profile(inventory: Inventory, host: Host) -> None:
    """Raise HotkitError with file:line:column when a host's wishes cannot be read."""
    if host.profile is None:
        raise HotkitError(
            f"{inventory.path}: host {host.name} asks for no layout",
            hint="set hotkit_profile, like `hotkit_profile: 4C16G-remote`, for the host or a group",
        )
    load_profile(
        host.profile,
        {"style": host.style} if host.style else None,
        locate=lambda path: inventory.where(host.name, "hotkit_profile", *path),
    )


def check_kernel(inventory: Inventory, host: Host) -> None:
    """Raise HotkitError with file:line:column when the kernel that is wanted is not built."""
    wanted = host.variables.get("hotkit_kernel")
    if wanted is None:
        return
    try:
        kernel.chosen(str(wanted))
    except HotkitError as error:
        where = inventory.where(host.name, "hotkit_kernel")
        raise HotkitError(f"{where}: {error.message}", hint=error.hint) from error


class _Provisioning(HostStory):
    """The steps of provisioning, each for the hosts that nothing stopped so far."""

    wishes: dict[str, Any]

    def plan(self) -> None:
        """Read every host and decide; nothing is written."""
        for event in self.run("plan", tags=["plan"], extra=self.wishes):
            if event.host and event.task == "Decide" and event.kind == "ok":
                plan = dict((event.result.get("ansible_facts") or {}).get("hotkit_plan") or {})
                self.note(event.host, plan=plan, state=plan.get("state"))
                if plan.get("refusals"):
                    self.refuse(event.host, plan["refusals"])
        for name in self.going():
            if self.outcomes[name].plan is None:
                self.end(
                    name, "failed", "no plan came out of the first play", f"logs: {self.folder}"
                )

    def refuse(self, name: str, refusals: Sequence[Mapping[str, Any]]) -> None:
        first = refusals[0]
        where = self.inventory.where(name, "hotkit_profile") if first["step"] == "profile" else None
        sentence = "; ".join(item["message"] for item in refusals)
        self.end(name, "refused", f"{where}: {sentence}" if where else sentence, first["hint"])

    def keep_plans(self) -> None:
        """What was approved, for the plays that write."""
        plans = {name: self.outcomes[name].plan for name in self.going()}
        self._plans_file.write_text(json.dumps(plans, indent=1))

    @property
    def _plans_file(self) -> Path:
        return self.folder / "plans.json"

    def settled(self) -> list[str]:
        """The hosts that are not rebooted, so that all of them may be worked on at once.

        In check mode that is every host. Else it is those whose plan foresees no boot; one that
        was rebooted since refuses its plan.
        """
        plans = {name: self.outcomes[name].plan or {} for name in self.going()}
        return [name for name, plan in plans.items() if self.check or "reboot" not in plan["left"]]

    def one(self, name: str) -> None:
        """The way of one host, through its boot."""
        with self.watched(name):
            self.apply([name])
        self.finish([name])

    def work(self, names: Sequence[str]) -> None:
        """The way of hosts that do not boot: one run of Ansible a step, whose forks they share."""
        self.apply(names)
        self.finish(names)

    def finish(self, names: Sequence[str]) -> None:
        """What comes after the boot, or without one."""
        if self.check:
            return
        self.verify(self.still(names))
        self.record(self.still(names))
        left = [n for n in names if self.outcomes[n].status in ("failed", "not-verified")]
        if left:
            # Others may look at it meanwhile, or mend it. Refused where others hold it: no matter.
            self.run("release", tags=["release"], extra=self.wishes, hosts=left, follow=False)

    def apply(self, names: Sequence[str]) -> None:
        """Entry, one boot, and what came up."""
        extra = {**self.wishes, "hotkit_plans_file": str(self._plans_file)}
        for event in self.run("apply", tags=["apply"], extra=extra, hosts=names):
            if event.host is None or event.kind not in ("ok", "failed"):
                continue
            if event.result.get("state"):
                self.note(event.host, state=event.result["state"])
            if event.result.get("rebooted"):
                self.note(event.host, rebooted=True, reboot_seconds=event.result.get("elapsed"))
        for name in self.still(names) if self.check else ():
            changes = self.outcomes[name].changed
            said = f"{changes} changes would be made" if changes else "nothing would change"
            self.end(name, "would-change" if changes else "ok", said)

    def verify(self, names: Sequence[str]) -> None:
        """The checks, on hosts that came up with their token."""
        plans = {name: self.outcomes[name].plan or {} for name in names}
        for name in names:
            self.progress.step(name, "verify")
        verdicts = verify_hosts(
            [self.inventory.host(name) for name in names],
            layouts={name: Layout.from_dict(plan["layout"]) for name, plan in plans.items()},
            kernels={
                n: plan["kernel_release"] for n, plan in plans.items() if plan["kernel_release"]
            },
            builds={n: plan["kernel_build"] for n, plan in plans.items() if plan["kernel_build"]},
        )
        for verdict in verdicts:
            self.judge(verdict)

    def judge(self, verdict: HostVerdict) -> None:
        """What a verdict means for its host's story."""
        name = verdict.host
        self.note(name, verdict=verdict)
        if verdict.outcome is Outcome.UNREACHABLE:
            self.end(name, "unreachable", verdict.sentence)
        elif not verdict.ok:
            plan, state = self.outcomes[name].plan or {}, self.outcomes[name].state
            hint = "the next reboot is stock again; undo with hotkit rollback"
            if state == "trial" and plan.get("guard"):
                hint = (
                    f"its guard boots the stock entry {plan['deadman_s']} s after it was reached;"
                    " undo with hotkit rollback"
                )
            self.end(name, "not-verified", verdict.sentence, hint)

    def record(self, names: Sequence[str]) -> None:
        """Note on each host that every check passed; with commit, make the entry its default."""
        unrecorded = []
        for name in names:
            commit = bool(self.wishes.get("hotkit_commit")) or self.inventory.host(name).commit
            wanted = "committed" if commit else "verified"
            if self.outcomes[name].state not in (wanted, "committed"):
                unrecorded.append(name)
        if unrecorded:
            extra = {**self.wishes, "hotkit_plans_file": str(self._plans_file)}
            for event in self.run("record", tags=["record"], extra=extra, hosts=unrecorded):
                if event.host and event.kind == "ok" and event.result.get("state"):
                    self.note(event.host, state=event.result["state"])
        for name in self.still(names):
            self.finished(name)

    def finished(self, name: str) -> None:
        """All of it was done on this host."""
        outcome = self.outcomes[name]
        running = "now the default entry" if outcome.state == "committed" else "until a reboot"
        assert outcome.verdict is not None and outcome.plan is not None
        profile = outcome.plan["layout"]["profile"]
        checks = len(outcome.verdict.checks)
        self.end(name, "ok", f"runs {profile}, {running}; {checks} of {checks} checks passed")
