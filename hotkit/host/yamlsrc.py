"""YAML that remembers where everything stands: file:line:column for every key and every value.

PyYAML's loaders keep the last of two equal keys and forget where a value came from. Here the node
tree is read first: duplicate keys are refused, and each path into the data (`("all", "hosts",
"m1")`) has the position of its key and of its value.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from hotkit.errors import HotkitError

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError as SchemaError
    from pydantic import ValidationError

DataPath = tuple[str | int, ...]

# An inventory has a few thousand values; more comes from aliases that multiply ("billion laughs").
_MOST_VALUES = 200_000


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file; line and column count from 1, as editors do."""

    path: Path
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value with a tag that is not ours to read (`!vault`, `!unsafe`): kept, unread."""

    tag: str


@dataclass(frozen=True, slots=True)
class YamlSource:
    """One document: plain data plus the position of every key and value in it."""

    path: Path
    data: Any
    values: Mapping[DataPath, Position]
    keys: Mapping[DataPath, Position]

    def at(self, path: Iterable[str | int], *, key: bool = False) -> Position:
        """Where `path` stands (its key with `key`); of a path that is not there, its parent."""
        known = tuple(path)
        while known:
            found = self.keys.get(known) if key else None
            found = found or self.values.get(known)
            if found:
                return found
            known = known[:-1]
        return self.values[()]

    def error(
        self, path: Iterable[str | int], message: str, *, hint: str | None = None, key: bool = False
    ) -> HotkitError:
        """An error that opens with the position of `path`."""
        return HotkitError(f"{self.at(path, key=key)}: {message}", hint=hint)

    def check(self, schema: Mapping[str, Any], *, at: DataPath = ()) -> None:
        """Hold the value at `at` against a JSON Schema; raises HotkitError with the position."""
        value = self.data
        for step in at:
            value = value[step]
        problem = schema_problem(schema, value)
        if problem:
            raise self.error((*at, *problem.path), problem.message, key=problem.is_key)

    def explain(
        self, error: ValidationError, *, at: DataPath = (), known: Iterable[str] = ()
    ) -> HotkitError:
        """The first finding of a pydantic error as a HotkitError with its position.

        `at` is where the validated value stands in this file; `known` are the keys that the model
        takes, to propose the nearest one for an unknown key.
        """
        first = error.errors(include_url=False, include_context=False)[0]
        path = tuple(first["loc"])
        dotted = ".".join(str(step) for step in path)
        if first["type"] == "extra_forbidden":
            message = unknown_key(str(path[-1]), known)
            return self.error((*at, *path), message, key=True)
        message = first["msg"].removeprefix("Value error, ")
        return self.error((*at, *path), f"{dotted}: {message}" if dotted else message)


@dataclass(frozen=True, slots=True)
class SchemaProblem:
    """What a JSON Schema says about a value; `path` leads to it, `is_key` when a key is wrong."""

    path: DataPath
    message: str
    is_key: bool = False


def schema_problem(schema: Mapping[str, Any], value: Any) -> SchemaProblem | None:
    """The most telling violation of `schema` by `value` as one sentence, or None."""
    # Here and not above: a tenth of a second, and a profile is read without a schema.
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    found: Any = best_match(Draft202012Validator(schema).iter_errors(value))
    if found is None:
        return None
    error: SchemaError = found
    rule: Any = error.validator_value
    path = tuple(error.absolute_path)
    name = ".".join(str(step) for step in path)
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = list(error.schema.get("properties", {})) if isinstance(error.schema, dict) else []
        wrong = next(key for key in error.instance if key not in known)
        return SchemaProblem((*path, wrong), unknown_key(str(wrong), known), is_key=True)
    if error.validator == "required" and isinstance(error.instance, dict):
        missing = next(key for key in rule if key not in error.instance)
        return SchemaProblem(path, f"{name + ': ' if name else ''}the key {missing!r} is missing")
    expected = error.schema.get("description") if isinstance(error.schema, dict) else None
    shown = repr(error.instance)
    if len(shown) > 60:
        shown = shown[:57] + "..."
    message = f"{shown} does not fit"
    if error.validator == "enum":
        message = f"{shown} is none of {', '.join(str(word) for word in rule)}"
    elif error.validator in ("minimum", "exclusiveMinimum", "maximum", "type"):
        message = error.message if len(error.message) < 120 else message
    if expected:
        message += f"; expected: {expected}"
    return SchemaProblem(path, f"{name}: {message}" if name else message)


def unknown_key(key: str, known: Iterable[str]) -> str:
    """The sentence for a key that nobody reads, with the nearest one that somebody does."""
    candidates = sorted(known)
    near = difflib.get_close_matches(key, candidates, n=1, cutoff=0.5)
    if near:
        return f"unknown key {key!r}: did you mean {near[0]!r}?"
    return f"unknown key {key!r}" + (f": known are {', '.join(candidates)}" if candidates else "")


def read_yaml(path: Path) -> YamlSource:
    """Read the one YAML document of a file. Raises HotkitError with file:line:column."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise HotkitError(f"{path}: not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise HotkitError(f"{path}: cannot be read: {error.strerror}") from error
    return parse_yaml(text, path)


def parse_yaml(text: str, path: Path) -> YamlSource:
    """As `read_yaml`, from text; `path` is only the name that errors carry."""
    try:
        loader = yaml.SafeLoader(text)  # looks for control characters at once
        root = loader.get_single_node()
        walk = _Walk(path, loader)
        data = walk.value(root, ()) if root is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        said = ", ".join(word for word in (error.context, error.problem) if word)
        raise HotkitError(f"{where}: not YAML: {said}") from error
    except yaml.YAMLError as error:
        raise HotkitError(f"{path}: not YAML: {str(error).splitlines()[0]}") from error
    except RecursionError as error:
        raise HotkitError(f"{path}: nested too deep: brackets that nobody closes?") from error
    walk.values.setdefault((), Position(path, 1, 1))
    return YamlSource(path, data, walk.values, walk.keys)


class _Walk:
    """Turns a node tree into data and notes where everything stands."""

    def __init__(self, path: Path, loader: yaml.SafeLoader) -> None:
        self.path = path
        self.loader = loader
        self.values: dict[DataPath, Position] = {}
        self.keys: dict[DataPath, Position] = {}
        self._open: set[int] = set()

    def value(self, node: yaml.Node, at: DataPath) -> Any:
        self.values[at] = self._position(node)
        if len(self.values) > _MOST_VALUES:
            raise HotkitError(f"{self.path}: more than {_MOST_VALUES} values: aliases that grow?")
        if id(node) in self._open:
            raise HotkitError(f"{self._position(node)}: an alias leads back to itself")
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, at)
            if isinstance(node, yaml.SequenceNode):
                return [self.value(item, (*at, i)) for i, item in enumerate(node.value)]
            return self._scalar(node)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, at: DataPath) -> dict[Any, Any]:
        own: dict[Any, Any] = {}
        merged: dict[Any, Any] = {}
        first: dict[Any, Position] = {}
        for key_node, value_node in node.value:
            here = self._position(key_node)
            if key_node.tag == "tag:yaml.org,2002:merge":
                sources = (
                    value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
                )
                for source in sources:
                    pulled = self.value(source, at)
                    if not isinstance(pulled, dict):
                        raise HotkitError(f"{here}: '<<' needs a mapping")
                    merged = pulled | merged
                self.values[at] = self._position(node)
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise HotkitError(f"{here}: a key must be a plain word")
            key = self._scalar(key_node)
            if key in first:
                raise HotkitError(f"{here}: duplicate key {key!r}, first given at {first[key]}")
            first[key] = here
            path = (*at, key)
            own[key] = self.value(value_node, path)
            self.keys[path] = here
        return merged | own

    def _scalar(self, node: yaml.Node) -> Any:
        if node.tag not in self.loader.yaml_constructors:
            return Opaque(node.tag)
        try:
            return self.loader.construct_object(node, deep=True)
        except ValueError as error:
            raise HotkitError(f"{self._position(node)}: {error}") from error

    def _position(self, node: yaml.Node) -> Position:
        mark = node.start_mark
        return Position(self.path, mark.line + 1, mark.column + 1)
