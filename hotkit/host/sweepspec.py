"""SWEEP.yml: what to measure, checked with file:line:column before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

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

from hotkit.agent.trackers import TRACKERS
from hotkit.agent.trackers.base import PLACEMENT
from hotkit.assets import data
from hotkit.core.design import MIN_BLOCKS, OFF, Arm
from hotkit.host.workloadspec import HotsetSpec as HotsetSpec
from hotkit.host.workloadspec import WorkloadSpec, read_workload
from hotkit.host.yamlsrc import YamlSource, read_yaml

Setting = StrictBool | StrictInt | StrictFloat | StrictStr


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ArmSpec(_Strict):
    """One tracker with its settings."""

    tracker: StrictStr
    name: StrictStr | None = Field(default=None, pattern=r"^[a-z][a-z0-9._-]{0,40}$")
    settings: dict[str, Setting] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _known(self) -> ArmSpec:
        if self.tracker not in TRACKERS:
            known = ", ".join(sorted(TRACKERS))
            raise ValueError(f"no tracker {self.tracker!r}: known are {known}")
        rules = {**TRACKERS[self.tracker].settings, **PLACEMENT}
        for key, value in self.settings.items():
            if key not in rules:
                known = ", ".join(sorted(rules))
                raise ValueError(f"{self.tracker} has no setting {key!r}: known are {known}")
            if problem := rules[key].problem(value):
                raise ValueError(f"{key}: {problem} ({rules[key].help})")
        return self


class SweepSpec(_Strict):
    """One sweep on one host."""

    schema_version: Literal[1]
    blocks: StrictInt = Field(ge=MIN_BLOCKS, le=10_000)
    seed: StrictInt = Field(default=1, ge=0)
    smallest_effect_percent: StrictInt | StrictFloat = Field(default=1, gt=0)
    workload: WorkloadSpec
    arms: tuple[ArmSpec, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names(self) -> SweepSpec:
        names = [arm.name for arm in self.named_arms()]
        for name in names:
            if names.count(name) > 1 or name == OFF:
                raise ValueError(f"two arms are called {name!r}: give each a name of its own")
        return self

    def named_arms(self) -> tuple[Arm, ...]:
        """The arms for the core; an arm without a name is called after its tracker."""
        return tuple(
            Arm(
                name=arm.name or arm.tracker,
                tracker=arm.tracker,
                settings=tuple(sorted(arm.settings.items())),
            )
            for arm in self.arms
        )


def load_sweep_spec(path: Path | None) -> SweepSpec:
    """Read a sweep description; None means the one that comes with hotkit.

    Raises HotkitError that names file, line and column.
    """
    source = read_yaml(path or data("sweep-default.yml"))
    if not isinstance(source.data, dict):
        raise source.error((), "a sweep description is a mapping", hint=_hint())
    given = dict(source.data)
    if "workload" in given:
        given["workload"] = read_workload(source)
    try:
        return SweepSpec.model_validate(given)
    except ValidationError as error:
        raise source.explain(error, known=_known_keys(source, error)) from error


def _known_keys(source: YamlSource, error: ValidationError) -> tuple[str, ...]:
    """The keys that may stand where the first finding is."""
    where = error.errors(include_url=False, include_context=False)[0]["loc"]
    if where[:1] == ("arms",):
        return tuple(ArmSpec.model_fields)
    return tuple(SweepSpec.model_fields)


def _hint() -> str:
    return f"start from {data('sweep-default.yml')}"
