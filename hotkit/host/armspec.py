"""The part `arms:` of a SWEEP.yml: trackers with settings; a list of values makes several arms."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)

from hotkit.agent.trackers import TRACKERS
from hotkit.agent.trackers.base import PLACEMENT
from hotkit.core.design import Arm

Setting = StrictBool | StrictInt | StrictFloat | StrictStr
Settings = Setting | tuple[Setting, ...]


class ArmSpec(BaseModel):
    """One tracker with its settings: an arm, or one for each combination of listed values.

    `workload` replaces parts of the sweep's workload in this arm: what is compared then is that.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tracker: StrictStr
    name: StrictStr | None = Field(default=None, pattern=r"^[a-z][a-z0-9._-]{0,40}$")
    settings: dict[str, Settings] = Field(default_factory=dict)
    workload: dict[StrictStr, Any] = Field(default_factory=dict)

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
            for one in value if isinstance(value, tuple) else (value,):
                if problem := rules[key].problem(one):
                    raise ValueError(f"{key}: {problem} ({rules[key].help})")
            if isinstance(value, tuple) and len(set(value)) != len(value):
                raise ValueError(f"{key}: a value is listed twice")
            if value == ():
                raise ValueError(f"{key}: the list is empty")
        return self

    def arms(self, workload: Mapping[str, Any]) -> tuple[Arm, ...]:
        """The arms for the core; `workload` is what the agent gets instead, by its own names.

        Without a name an arm is called after its tracker, and after the values that vary in it.
        """
        varied = [key for key, value in self.settings.items() if isinstance(value, tuple)]
        choices = [
            value if isinstance(value, tuple) else (value,) for value in self.settings.values()
        ]
        return tuple(
            Arm(
                name="-".join([self.name or self.tracker, *(_word(found[key]) for key in varied)]),
                tracker=self.tracker,
                settings=tuple(sorted(found.items())),
                workload=tuple(sorted(workload.items())),
            )
            for values in itertools.product(*choices)
            for found in [dict(zip(self.settings, values, strict=True))]
        )


def _word(value: Any) -> str:
    """A value as part of an arm's name."""
    text = str(value).lower()
    return re.sub(r"[^a-z0-9._]+", "_", text) or "_"
