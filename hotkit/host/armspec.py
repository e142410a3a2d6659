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
    field_validator,
    model_validator,
)

from hotkit.agent.trackers import TRACKERS
from hotkit.agent.trackers.base import rules_of
from hotkit.core.design import SCOPES, Arm

Setting = StrictBool | StrictInt | StrictFloat | StrictStr
Settings = Setting | tuple[Setting, ...]
# The tracker that there is for a VM only: it reads what KVM logged, so the host is its only place.
OF_A_VM = "kvm-dirty"


class ArmSpec(BaseModel):
    """One tracker with its settings: an arm, or one for each combination of listed values.

    `workload` replaces parts of the sweep's workload in this arm: what is compared then is that.
    `scope` is where it looks from when the workload is in a guest: `guest`, `host`, or both.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tracker: StrictStr
    name: StrictStr | None = Field(default=None, pattern=r"^[a-z][a-z0-9._-]{0,40}$")
    settings: dict[str, Settings] = Field(default_factory=dict)
    workload: dict[StrictStr, Any] = Field(default_factory=dict)
    scope: StrictStr | tuple[StrictStr, ...] | None = None

    @field_validator("scope", mode="before")
    @classmethod
    def _places(cls, given: Any) -> Any:
        for one in given if isinstance(given, list | tuple) else (given,):
            if one not in (None, *SCOPES) or (one is None and given is not None):
                raise ValueError(f"{one!r} is neither guest nor host")
        if isinstance(given, list | tuple):
            if not given:
                raise ValueError("the list is empty")
            if len(set(given)) != len(given):
                raise ValueError("a value is listed twice")
            return tuple(given)
        return given

    @model_validator(mode="after")
    def _known(self) -> ArmSpec:
        if self.tracker not in TRACKERS:
            known = ", ".join(sorted(TRACKERS))
            raise ValueError(f"no tracker {self.tracker!r}: known are {known}")
        over_vm = self.scopes == ("host",)
        rules = rules_of(TRACKERS[self.tracker], "host" if over_vm else "")
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

    @property
    def scopes(self) -> tuple[str, ...]:
        """Where it looks from; empty when it is not said."""
        if self.scope is None:
            return ("host",) if self.tracker == OF_A_VM else ()
        return (self.scope,) if isinstance(self.scope, str) else self.scope

    def scope_problem(self, guest: str | None) -> tuple[str, str] | None:
        """(key, sentence): what is wrong with its scope when the workload is in this guest.

        `guest` is None when it is in none; the key is "" when one is missing. None: nothing is.
        """
        if guest is None:
            if self.tracker == OF_A_VM:
                return "tracker", f"{OF_A_VM} looks at a VM: guest: NAME is missing"
            return ("scope", "scope: needs guest: NAME") if self.scope is not None else None
        if self.tracker == OF_A_VM and "guest" in self.scopes:
            return "scope", f"scope: {OF_A_VM} looks at the VM from its host, never from the guest"
        if not self.scopes:
            return "", f"scope: guest or host? (the workload is in guest {guest})"
        return None

    def arms(self, workload: Mapping[str, Any]) -> tuple[Arm, ...]:
        """The arms for the core; `workload` is what the agent gets instead, by its own names.

        Without a name an arm is called after its tracker, and after the values that vary in it.
        """
        listed = isinstance(self.scope, tuple)
        varied = [key for key, value in self.settings.items() if isinstance(value, tuple)]
        choices = [
            value if isinstance(value, tuple) else (value,) for value in self.settings.values()
        ]
        return tuple(
            Arm(
                name="-".join(
                    [
                        self.name or self.tracker,
                        *(_word(found[key]) for key in varied),
                        *([scope] if listed else []),
                    ]
                ),
                tracker=self.tracker,
                settings=tuple(sorted(found.items())),
                workload=tuple(sorted(workload.items())),
                scope=scope,
            )
            for values in itertools.product(*choices)
            for found in [dict(zip(self.settings, values, strict=True))]
            for scope in self.scopes or ("",)
        )


def _word(value: Any) -> str:
    """A value as part of an arm's name."""
    text = str(value).lower()
    return re.sub(r"[^a-z0-9._]+", "_", text) or "_"
