"""What to record: a workload from a file, a tracker's settings from the command line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hotkit.agent.trackers import TRACKERS
from hotkit.agent.trackers.base import Setting, rules_of
from hotkit.assets import data
from hotkit.errors import HotkitError
from hotkit.host.sweepspec import load_sweep_spec
from hotkit.host.workloadspec import CommandSpec, WorkloadSpec, read_workload
from hotkit.host.yamlsrc import read_yaml, unknown_key

_BOOL = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_KEYS = ("schema_version", "workload")


def load_workload(path: Path | None, seconds: float | None = None) -> WorkloadSpec:
    """The workload of a sweep description, or of a file with `schema_version` and `workload` alone.

    None means the one of the sweep that comes with hotkit; `seconds` replaces its amount of work.
    Raises HotkitError that names file, line and column.
    """
    source = read_yaml(path or data("sweep-default.yml"))
    if not isinstance(source.data, dict):
        raise source.error((), "a workload file is a mapping", hint=_hint())
    if "arms" in source.data:
        workload = next(iter(load_sweep_spec(path).named_workloads.values()))
    else:
        for key in source.data:
            if key not in _KEYS:
                raise source.error((key,), unknown_key(str(key), _KEYS), key=True)
        if source.data.get("schema_version") != 1:
            raise source.error(("schema_version",), "schema_version must be 1", hint=_hint())
        if "workload" not in source.data:
            raise source.error((), "there is no workload", hint=_hint())
        workload = read_workload(source)
    if seconds is None:
        return workload
    if isinstance(workload, CommandSpec):
        raise HotkitError(
            f"{source.path}: a command does what its arguments say, it cannot be made to take"
            f" {seconds:g} seconds",
            hint="leave out --seconds",
        )
    return workload.model_copy(update={"updates": None, "seconds": seconds})


def tracker_settings(tracker: str, words: Iterable[str]) -> dict[str, Any]:
    """Settings from `key=value` words, checked by the tracker's own rules.

    Raises HotkitError for an unknown tracker or key, or a value that is not allowed.
    """
    if tracker not in TRACKERS:
        raise HotkitError(
            f"no tracker {tracker!r}", hint="known are " + ", ".join(sorted(TRACKERS))
        )
    rules = rules_of(TRACKERS[tracker])
    found: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            raise HotkitError(f"--set {word}: not key=value", hint=_settings_hint(rules))
        if key not in rules:
            raise HotkitError(f"{tracker} has no setting {key!r}", hint=_settings_hint(rules))
        rule = rules[key]
        value = _converted(text, rule)
        if problem := rule.problem(value):
            raise HotkitError(f"--set {word}: {problem}", hint=rule.help)
        found[key] = value
    return found


def _converted(text: str, rule: Setting) -> Any:
    """The text as the type of the setting; as text when it is none, for the rule to refuse."""
    kind = type(rule.default)
    if kind is bool:
        return _BOOL.get(text.lower(), text)
    try:
        return kind(text)
    except ValueError:
        return text


def _settings_hint(rules: dict[str, Setting]) -> str:
    return "it has " + "; ".join(f"{key} ({rule.help})" for key, rule in sorted(rules.items()))


def _hint() -> str:
    return f"start from {data('sweep-default.yml')}"
