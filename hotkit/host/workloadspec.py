"""The part `workload:` of a description: hotset, zipf, or a command with its recipe."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    field_validator,
    model_validator,
)

from hotkit.assets import data
from hotkit.core.units import PAGE_BYTES, format_size, parse_size
from hotkit.host.yamlsrc import DataPath, YamlSource, read_yaml, unknown_key

_HUGE_BYTES = 2 << 20


def _size(value: Any) -> Any:
    if isinstance(value, str):
        return parse_size(value)
    return value


Size = Annotated[StrictInt, BeforeValidator(_size), Field(gt=0)]
Offset = Annotated[StrictInt, BeforeValidator(_size), Field(ge=0)]
Argv = Annotated[tuple[StrictStr, ...], Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Accesses(_Strict):
    """What hotset and zipf share: random accesses in one mapping; sizes in bytes."""

    size: Size
    threads: StrictInt = Field(default=1, ge=1, le=4096)
    granularity: StrictInt = Field(default=8, ge=8, le=1 << 20, multiple_of=8)
    write_share: StrictInt = Field(default=100, ge=0, le=100)
    reverse: StrictBool = False
    memory: Literal["4k", "thp", "hugetlb"] = "4k"
    numa: StrictStr | None = Field(
        default=None, pattern=r"^(bind|interleave|preferred):[0-9]{1,4}(,[0-9]{1,4})*$"
    )
    seed: StrictInt = Field(default=1, ge=0, lt=1 << 63)
    pin: StrictBool = False
    unmovable: StrictBool = False
    updates: StrictInt | None = Field(default=None, ge=1, lt=1 << 63)
    seconds: StrictInt | StrictFloat | None = Field(default=None, gt=0, le=3600)

    @model_validator(mode="after")
    def _whole(self) -> _Accesses:
        if self.size % PAGE_BYTES or self.size % self.granularity:
            raise ValueError("size is not a multiple of 4096 and of granularity")
        if self.memory == "hugetlb" and self.size % _HUGE_BYTES:
            raise ValueError("memory: hugetlb needs a size that is a multiple of 2M")
        if (self.updates is None) == (self.seconds is None):
            raise ValueError("give either updates or seconds, the amount of work of one run")
        return self

    def parameters(self) -> dict[str, Any]:
        """For the agent; without `updates` it finds the amount of work itself."""
        found: dict[str, Any] = {
            "size_bytes": self.size,
            "threads": self.threads,
            "granularity_bytes": self.granularity,
            "write_share": self.write_share,
            "reverse": self.reverse,
            "unmovable": self.unmovable,
            "memory": self.memory,
            "seed": self.seed,
            "pin": self.pin,
        }
        if self.numa is not None:
            found["numa"] = self.numa
        return found if self.updates is None else found | {"updates": self.updates}


class HotsetSpec(_Accesses):
    """The workload hotset: one hot range, that moves on between phases."""

    kind: Literal["hotset"] = "hotset"
    hot: Size
    hot_offset: Offset = 0
    weight: StrictInt = Field(default=9, ge=0, lt=1 << 32)
    phases: StrictInt = Field(default=1, ge=1, le=65536)

    @model_validator(mode="after")
    def _fits(self) -> HotsetSpec:
        if self.hot > self.size or self.hot % self.granularity:
            raise ValueError(
                f"hot ({format_size(self.hot)}) is not whole granules inside size"
                f" ({format_size(self.size)})"
            )
        if self.hot_offset > self.size - self.hot or self.hot_offset % self.granularity:
            raise ValueError(
                f"hot_offset ({format_size(self.hot_offset)}) does not leave room for hot inside"
                f" size ({format_size(self.size)}), or is not whole granules"
            )
        if self.updates is not None and self.phases > self.updates // self.threads:
            raise ValueError("each thread needs an update in every one of the phases")
        return self

    def parameters(self) -> dict[str, Any]:
        return super().parameters() | {
            "hot_bytes": self.hot,
            "hot_offset_bytes": self.hot_offset,
            "weight": self.weight,
            "phases": self.phases,
        }


class ZipfSpec(_Accesses):
    """The same program; the page of rank k (by address) is chosen with probability ~ k^-theta."""

    kind: Literal["zipf"]
    theta: StrictFloat | StrictInt = Field(default=0.99, gt=0, le=4)

    @model_validator(mode="after")
    def _divides(self) -> ZipfSpec:
        if max(PAGE_BYTES, self.granularity) % self.granularity:
            raise ValueError("zipf needs a granularity that divides 4096, or is larger")
        return self

    def parameters(self) -> dict[str, Any]:
        return super().parameters() | {"distribution": "zipf", "theta": self.theta}


class ReadySpec(_Strict):
    """When a program is populated: it listens, has printed something, or some time is over."""

    port: StrictInt | None = Field(default=None, ge=1, le=65535)
    output: StrictStr | None = Field(default=None, min_length=1)
    seconds: StrictInt | StrictFloat | None = Field(default=None, ge=0, le=3600)

    @field_validator("output")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return value

    @model_validator(mode="after")
    def _one(self) -> ReadySpec:
        if len(self.model_dump(exclude_none=True)) != 1:
            raise ValueError("give one of port, output, seconds")
        return self


class CommandSpec(_Strict):
    """Any program: a server (`start`) with its client (`work`), or `work` alone.

    `{name}` in an argument stands for `values[name]`.
    """

    # No calibration: the amount of work is what the arguments say.
    seconds: ClassVar[None] = None

    kind: Literal["command"] = "command"
    start: Argv | None = None
    ready: ReadySpec
    load: Argv | None = None
    work: Argv
    stop: Argv | None = None
    env: dict[StrictStr, StrictStr] = Field(default_factory=dict)
    values: dict[StrictStr, StrictInt | StrictStr] = Field(default_factory=dict)
    exits: tuple[StrictInt, ...] = Field(default=(0,), min_length=1)
    needs: StrictStr | None = None
    within_s: StrictInt | StrictFloat = Field(default=60, gt=0, le=7200)
    most_s: StrictInt | StrictFloat = Field(default=1800, gt=0, le=86400)

    @model_validator(mode="before")
    @classmethod
    def _port_value(cls, given: Any) -> Any:
        """`port: "{port}"` too may come from the values, as a number."""
        ready = given.get("ready") if isinstance(given, dict) else None
        values = given.get("values") if isinstance(given, dict) else None
        if isinstance(ready, dict) and isinstance(values, dict):
            name = re.fullmatch(r"\{(\w+)\}", str(ready.get("port")))
            if name and name[1] in values:
                return {**given, "ready": {**ready, "port": values[name[1]]}}
        return given

    @model_validator(mode="after")
    def _consistent(self) -> CommandSpec:
        if self.start is None and (self.load or self.stop or self.ready.port):
            raise ValueError(
                "load, stop and ready.port are for a server (start): work alone has no time"
                " between ready and work"
            )
        for argv in (self.start, self.load, self.work, self.stop):
            for word in argv or ():
                for name in re.findall(r"\{([a-z_]+)\}", word):
                    if name not in self.values:
                        raise ValueError(f"{word!r}: there is no {name!r} in values")
        return self

    def parameters(self) -> dict[str, Any]:
        """For the agent."""
        found: dict[str, Any] = self.model_dump(
            exclude={"kind", "values", "start", "load", "work", "stop"}, exclude_none=True
        )
        for key in ("start", "load", "work", "stop"):
            argv = getattr(self, key)
            if argv:
                found[key] = [self._filled(word) for word in argv]
        return found

    def _filled(self, word: str) -> str:
        return re.sub(r"\{([a-z_]+)\}", lambda found: str(self.values[found[1]]), word)


WorkloadSpec = HotsetSpec | ZipfSpec | CommandSpec
_KINDS: dict[str, type[HotsetSpec] | type[ZipfSpec] | type[CommandSpec]] = {
    "hotset": HotsetSpec,
    "zipf": ZipfSpec,
    "command": CommandSpec,
}


def recipes() -> list[str]:
    """Names of the shipped recipes, for `workload: {recipe: NAME}`."""
    return sorted(file.stem for file in data("workloads").glob("*.yml"))


def read_workload(source: YamlSource, at: DataPath = ("workload",)) -> WorkloadSpec:
    """The workload described at `at` in a file. HotkitError with file, line and column."""
    given = source.data
    for step in at:
        given = given[step]
    if not isinstance(given, dict):
        raise source.error(at, "a workload is a mapping, as in {kind: hotset, size: 32M, ...}")
    if "recipe" in given:
        given = _with_recipe(source, at, given)
    kind = given.get("kind", "hotset")
    if kind not in _KINDS:
        known = ", ".join(sorted(_KINDS))
        raise source.error((*at, "kind"), f"no workload {kind!r}: known are {known}")
    model = _KINDS[kind]
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]["loc"]
        inner = kind == "command" and first[:1] == ("ready",) and len(first) > 1
        known_keys = [*(ReadySpec if inner else model).model_fields]
        known_keys += ["recipe"] if kind == "command" and not inner else []
        raise source.explain(error, at=at, known=known_keys) from error


def _with_recipe(source: YamlSource, at: DataPath, given: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe, with what the description says on top; `values` and `env` are merged."""
    name = given["recipe"]
    if name not in recipes():
        raise source.error((*at, "recipe"), f"no recipe {name!r}: known are {', '.join(recipes())}")
    base = read_yaml(data("workloads") / f"{name}.yml").data
    own = {key: value for key, value in given.items() if key != "recipe"}
    merged = {**base, **own}
    for key in ("values", "env"):
        if isinstance(own.get(key), dict) and isinstance(base.get(key), dict):
            merged[key] = base[key] | own[key]
            for unknown in set(own[key]) - set(base[key]) if key == "values" else ():
                message = unknown_key(str(unknown), base[key])
                raise source.error((*at, key, unknown), message, key=True)
    return merged
