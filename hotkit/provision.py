"""The story of `hotkit provision`: plan, ask, write, boot once, verify, record.

Ansible changes the hosts; what is decided here is only which play runs next and what its outcome
means for a person.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hotkit.core.hostverdict import Outcome
from hotkit.core.layout import Layout
from hotkit.errors import HotkitError
from hotkit.host.inventory import Host, Inventory, load_inventory
from hotkit.host.labconsole import size_now
from hotkit.host.profiles import load_profile
from hotkit.host.runs import new_run_folder
from hotkit.hoststory import HostStory, Progress, Result
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
) -> Result:
    """Boot every host of an inventory once into its layout, and verify it.

    Nothing is written before all profiles were read, every reachable host has a plan that nothing
    stands against, and `approve` said yes (`check` asks nobody: it writes nothing). Raises
    HotkitError (exit code 2) for input that is wrong before any host is contacted.
    """
    inventory = load_inventory(ref, limit)
    for host in inventory.hosts:
        check_profile(inventory, host)
    story = _Provisioning(inventory, progress, new_run_folder("provision"), check=check, diff=diff)
    story.plan(commit)
    if story.going():
        progress.plans([story.outcomes[name].plan or {} for name in story.going()])
    if any(item.status == "refused" for item in story.outcomes.values()):
        story.stop_the_rest("refused elsewhere")
    elif story.going() and not check and not approve():
        story.stop_the_rest("declined")
    if story.going():
        story.apply()
    if story.going() and not check:
        story.verify()
        story.record(commit)
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


class _Provisioning(HostStory):
    """The steps of provisioning, each for the hosts that nothing stopped so far."""

    def plan(self, commit: bool) -> None:
        """Read every host and decide; nothing is written."""
        for event in self.run(
            "plan", tags=["plan"], extra={"hotkit_commit": True} if commit else {}
        ):
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

    def apply(self) -> None:
        """Entry, one boot, and what came up."""
        plans = {name: self.outcomes[name].plan for name in self.going()}
        file = self.folder / "plans.json"
        file.write_text(json.dumps(plans, indent=1))
        for name in plans:
            self.console_from[name] = size_now(self.inventory.host(name))
        for event in self.run("apply", tags=["apply"], extra={"hotkit_plans_file": str(file)}):
            if event.host is None or event.kind not in ("ok", "failed"):
                continue
            if event.result.get("state"):
                self.note(event.host, state=event.result["state"])
            if event.result.get("rebooted"):
                self.note(event.host, rebooted=True, reboot_seconds=event.result.get("elapsed"))
        if self.check:
            for name in self.going():
                changes = self.outcomes[name].changed
                said = f"{changes} changes would be made" if changes else "nothing would change"
                self.end(name, "would-change" if changes else "ok", said)

    def verify(self) -> None:
        """The checks, on hosts that came up with their token."""
        names = self.going()
        for name in names:
            self.progress.step(name, "verify")
        plans = {name: self.outcomes[name].plan or {} for name in names}
        verdicts = verify_hosts(
            [self.inventory.host(name) for name in names],
            layouts={name: Layout.from_dict(plans[name]["layout"]) for name in names},
            kernels={n: plans[n]["kernel_release"] for n in names if plans[n]["kernel_release"]},
        )
        for verdict in verdicts:
            self.note(verdict.host, verdict=verdict)
            if verdict.outcome is Outcome.UNREACHABLE:
                self.end(verdict.host, "unreachable", verdict.sentence)
            elif not verdict.ok:
                self.end(
                    verdict.host, "not-verified", verdict.sentence,
                    "the next reboot is stock again; undo with hotkit rollback",
                )  # fmt: skip

    def record(self, commit: bool) -> None:
        """Note on the host that every check passed; with commit, make the entry its default."""
        wanted = {
            name: "committed" if commit or self.inventory.host(name).commit else "verified"
            for name in self.going()
        }
        missing = [
            name
            for name, state in wanted.items()
            if self.outcomes[name].state not in (state, "committed")
        ]
        extra: dict[str, Any] = {"hotkit_plans_file": str(self.folder / "plans.json")}
        if commit:
            extra["hotkit_commit"] = True
        if missing:
            for event in self.run("record", tags=["record"], extra=extra, hosts=missing):
                if event.host and event.kind == "ok" and event.result.get("state"):
                    self.note(event.host, state=event.result["state"])
        for name in self.going():
            outcome = self.outcomes[name]
            running = "now the default entry" if outcome.state == "committed" else "until a reboot"
            assert outcome.verdict is not None and outcome.plan is not None
            profile = outcome.plan["layout"]["profile"]
            checks = len(outcome.verdict.checks)
            self.end(name, "ok", f"runs {profile}, {running}; {checks} of {checks} checks passed")
