"""SWEEP.yml: what to measure, checked with file:line:column before anything runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)

from hotkit.agent.gatesettings import complete_gates
from hotkit.agent.protocol import AgentError
from hotkit.agent.quiesce import complete
from hotkit.assets import data
from hotkit.core.design import MIN_BLOCKS, OFF, Arm
from hotkit.errors import HotkitError
from hotkit.host.armspec import ArmSpec, Setting, Settings
from hotkit.host.profiles import load_profile
from hotkit.host.workloadspec import CommandSpec as CommandSpec
from hotkit.host.workloadspec import HotsetSpec as HotsetSpec
from hotkit.host.workloadspec import WorkloadSpec, read_workload
from hotkit.host.yamlsrc import YamlSource, read_yaml

_NAME = r"^[a-z0-9][a-z0-9._-]{0,40}$"
Number = StrictInt | StrictFloat


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class UntilSpec(_Strict):
    """When a sweep has enough blocks; without it `blocks` is their number.

    Looked at after each pair of blocks. `half_width_percent`: the 95 % interval of every arm's
    slow-down is at most that wide to each side. `verdict`: every arm is equivalent or different.
    `minutes`: no pair begins later than that.
    """

    half_width_percent: Number | None = Field(default=None, gt=0)
    verdict: StrictBool = False
    minutes: Number | None = Field(default=None, gt=0)
    most_blocks: StrictInt = Field(default=100, ge=MIN_BLOCKS, le=10_000)

    @model_validator(mode="after")
    def _something(self) -> UntilSpec:
        if self.half_width_percent is None and not self.verdict and self.minutes is None:
            raise ValueError("name what to wait for: half_width_percent, verdict or minutes")
        return self


class SweepSpec(_Strict):
    """One sweep: workloads x arms, on each host, for each boot of each layout.

    `guest` is the one of a host's hotkit_guests that the workload runs in; None: on the host.
    """

    schema_version: Literal[1]
    blocks: StrictInt = Field(ge=MIN_BLOCKS, le=10_000)
    until: UntilSpec | None = None
    seed: StrictInt = Field(default=1, ge=0)
    smallest_effect_percent: Number = Field(default=1, gt=0)
    workload: WorkloadSpec | None = None
    workloads: dict[StrictStr, WorkloadSpec] = Field(default_factory=dict)
    arms: tuple[ArmSpec, ...] = Field(min_length=1)
    guest: StrictStr | None = Field(default=None, min_length=1)
    layouts: tuple[StrictStr, ...] = ()
    boots: StrictInt = Field(default=1, ge=1, le=100)
    quiesce: StrictBool | dict[str, Setting] = True
    gates: StrictBool | dict[str, Settings] = True

    @model_validator(mode="after")
    def _whole(self) -> SweepSpec:
        if (self.workload is None) == (not self.workloads):
            raise ValueError("give either workload or workloads (several, by name)")
        if self.until and self.until.most_blocks < self.blocks:
            raise ValueError(f"until: most_blocks is below blocks ({self.blocks})")
        if self.boots > 1 and not self.layouts:
            raise ValueError("boots: needs layouts, since hotkit boots a machine into a layout")
        if len(set(self.layouts)) != len(self.layouts):
            raise ValueError("layouts: one is named twice")
        return self

    @property
    def named_workloads(self) -> dict[str, WorkloadSpec]:
        """By name; the only one of a sweep is called after its kind."""
        if self.workload is not None:
            return {self.workload.kind: self.workload}
        return dict(self.workloads)

    @property
    def most_blocks(self) -> int:
        return self.until.most_blocks if self.until else self.blocks

    @property
    def only_workload(self) -> WorkloadSpec:
        """The workload of a sweep that has one."""
        (workload,) = self.named_workloads.values()
        return workload

    def of_workload(self, name: str) -> SweepSpec:
        """The same sweep with one of its workloads only."""
        return self.model_copy(update={"workload": self.named_workloads[name], "workloads": {}})

    def named_arms(self) -> tuple[Arm, ...]:
        """The arms for the core, of a sweep that has one workload."""
        workload = self.only_workload
        base = workload.parameters()
        found: list[Arm] = []
        for arm in self.arms:
            changed = _changed(workload, arm).parameters() if arm.workload else base
            found += arm.arms(
                {key: value for key, value in changed.items() if value != base.get(key)}
            )
        return tuple(found)


def _changed(workload: WorkloadSpec, arm: ArmSpec) -> WorkloadSpec:
    """The workload of an arm that has parts of its own. Raises ValidationError."""
    given = workload.model_dump(mode="json", exclude_none=True)
    return type(workload).model_validate({**given, **arm.workload})


def load_sweep_spec(path: Path | None) -> SweepSpec:
    """Read a sweep description; None means the one that comes with hotkit.

    Raises HotkitError that names file, line and column.
    """
    source = read_yaml(path or data("sweep-default.yml"))
    if not isinstance(source.data, dict):
        raise source.error((), "a sweep description is a mapping", hint=_hint())
    given = dict(source.data)
    # A description that was written out of a sweep.json has a null where others have no key.
    if "workload" in given and (given["workload"] is not None or not given.get("workloads")):
        given["workload"] = read_workload(source)
    if isinstance(given.get("workloads"), dict):
        given["workloads"] = _workloads(source, given["workloads"])
    try:
        spec = SweepSpec.model_validate(given)
    except ValidationError as error:
        raise source.explain(error, known=_known_keys(error)) from error
    _check_scopes(source, spec)
    _check_arms(source, spec)
    _check_gates(source, spec)
    _check_quiesce(source, spec)
    return spec.model_copy(update={"layouts": _layouts(source, spec.layouts)})


def _layouts(source: YamlSource, layouts: tuple[str, ...]) -> tuple[str, ...]:
    """Names of profiles as they are, files (beside the description) with their whole path."""
    found = []
    for place, layout in enumerate(layouts):
        is_file = layout.endswith((".yml", ".yaml"))
        name = str((source.path.parent / layout).resolve()) if is_file else layout
        try:
            load_profile(name)
        except HotkitError as error:
            raise source.error(("layouts", place), error.message, hint=error.hint) from error
        found.append(name)
    return tuple(found)


def _workloads(source: YamlSource, given: dict[str, Any]) -> dict[str, WorkloadSpec]:
    for name in given:
        if not re.match(_NAME, str(name)):
            message = f"{name!r} is no name: small letters, digits, '.', '_' and '-'"
            raise source.error(("workloads", name), message, key=True)
    return {str(name): read_workload(source, ("workloads", name)) for name in given}


def _check_arms(source: YamlSource, spec: SweepSpec) -> None:
    """What an arm changes in each workload must make sense there; names are unique."""
    for workload in spec.named_workloads:
        one = spec.named_workloads[workload]
        seen = {OFF: -1}
        for place, arm in enumerate(spec.arms):
            try:
                changed = _changed(one, arm).parameters() if arm.workload else {}
            except ValidationError as error:
                at = ("arms", place, "workload")
                raise source.explain(error, at=at, known=tuple(type(one).model_fields)) from error
            if "seconds" in arm.workload:
                message = "the amount of work is found once for all arms: name updates instead"
                raise source.error(("arms", place, "workload", "seconds"), message, key=True)
            for made in arm.arms(changed):
                if made.name in seen:
                    message = f"two arms are called {made.name!r}: give each a name of its own"
                    raise source.error(("arms", place), message)
                seen[made.name] = place


def _check_scopes(source: YamlSource, spec: SweepSpec) -> None:
    """With a guest every arm says where it looks from, without one none does."""
    if spec.guest is not None and spec.layouts:
        message = "guest: a guest does not outlive the boot into a layout: leave out one of them"
        raise source.error(("guest",), message, key=True)
    for place, arm in enumerate(spec.arms):
        if problem := arm.scope_problem(spec.guest):
            key, message = problem
            raise source.error(("arms", place, *([key] if key else [])), message)


def _check_quiesce(source: YamlSource, spec: SweepSpec) -> None:
    if isinstance(spec.quiesce, bool):
        return
    for item, value in spec.quiesce.items():
        try:
            complete({item: value})
        except AgentError as error:
            raise source.error(("quiesce", item), error.message, hint=error.fix, key=True) from None


def _check_gates(source: YamlSource, spec: SweepSpec) -> None:
    """What the agent would refuse, while it can be said where it stands."""
    for name, value in spec.gates.items() if isinstance(spec.gates, dict) else ():
        try:
            complete_gates({name: value})
        except AgentError as error:
            raise source.error(("gates", name), error.message, hint=error.fix) from error


def _known_keys(error: ValidationError) -> tuple[str, ...]:
    """The keys that may stand where the first finding is."""
    where = error.errors(include_url=False, include_context=False)[0]["loc"]
    if where[:1] == ("arms",):
        return tuple(ArmSpec.model_fields)
    if where[:1] == ("until",):
        return tuple(UntilSpec.model_fields)
    return tuple(SweepSpec.model_fields)


def _hint() -> str:
    return f"start from {data('sweep-default.yml')}"
