"""Finds profiles: by name (hotkit/data/profiles.yml), in a YAML file, in an inventory variable."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from hotkit.assets import data
from hotkit.core.profile import Profile, ProfileError, profile_from_dict, scaled
from hotkit.core.units import kernel_size
from hotkit.errors import HotkitError
from hotkit.host.yamlsrc import Position, YamlSource, read_yaml

_SCALED = re.compile(r"(?P<name>.*\S)\s*(?:\s[x*]|\*)\s*(?P<factor>\d{1,9})")
_SIZES = ("total", "fast_share")

Locate = Callable[[tuple[str | int, ...]], Position | None]


def profile_names() -> tuple[str, ...]:
    """The profiles that come with hotkit."""
    return tuple(_shipped())


def load_profile(
    ref: str | Path | Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    *,
    name: str = "profile",
    locate: Locate | None = None,
) -> Profile:
    """The profile that `ref` means, with `overrides` laid over it.

    `ref` is a name ("4C16G-remote", "4C16G-remote x 9"), a YAML file with one profile, or a mapping
    whose `base:` is a name and whose other keys override. `name` names a mapping without a base;
    `locate` finds the line of a key of the mapping, for errors. Raises HotkitError.
    """
    factor = 1
    source: YamlSource | None = None
    if isinstance(ref, Mapping):
        body: dict[str, Any] = dict(ref)
        title = str(body.pop("name", None) or body.get("base") or name)
    elif _is_file(ref):
        source = read_yaml(Path(ref).expanduser())
        body = _file_body(source)
        title = str(body.pop("name", None) or Path(ref).stem)
    else:
        title = str(ref).strip()
        match = _SCALED.fullmatch(title)
        if match and title not in _shipped():
            title, factor = match["name"], int(match["factor"])
        body = {"base": title}
    if factor < 1:
        raise HotkitError(f"profile {ref!r}: a factor of 0 leaves nothing")

    def place(path: tuple[str | int, ...]) -> str:
        if source is not None:
            return f"{source.at(path)}: "
        position = locate(path) if locate else None
        return f"{position}: " if position else f"profile {title}: "

    if "base" in body:
        base_name = body.pop("base")
        if not isinstance(base_name, str) or base_name not in _shipped():
            # A mapping names its base in a key; a plain name is the variable's whole value.
            named_in_key = source is not None or isinstance(ref, Mapping)
            where = place(("base",) if named_in_key else ()) if named_in_key or locate else ""
            raise HotkitError(
                f"{where}there is no profile {base_name!r}",
                hint=f"known: {', '.join(profile_names())}; or give a YAML file",
            )
        body = _lay_over(_shipped()[base_name], body)
    body = _lay_over(body, overrides or {})
    try:
        profile = profile_from_dict(title, body)
    except ProfileError as error:
        path = tuple(part for part in error.key.split(".") if part)
        raise HotkitError(place(path) + str(error)) from error
    return scaled(profile, factor)


def profile_locator(ref: str | Path | Mapping[str, Any]) -> Locate | None:
    """For a profile in a file: what finds the line of a key in it; else None."""
    if isinstance(ref, Mapping) or not _is_file(ref):
        return None
    return read_yaml(Path(ref).expanduser()).at


def parse_setting(text: str) -> dict[str, Any]:
    """`fast.size=4G` as the mapping `{"fast": {"size": "4G"}}`; the value is read as YAML."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise HotkitError(f"--set {text!r}: write key=value, like fast.size=4G")
    try:
        found: Any = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise HotkitError(f"--set {text!r}: the value is no YAML") from error
    for part in reversed(key.strip().split(".")):
        found = {part: found}
    result: dict[str, Any] = found
    return result


def merge_settings(settings: list[dict[str, Any]]) -> dict[str, Any]:
    """Later settings win; mappings are merged key by key."""
    merged: dict[str, Any] = {}
    for item in settings:
        merged = _merge(merged, item)
    return merged


def _lay_over(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Override keys; a size given outright replaces the base's total and share, and back."""
    merged = _merge(base, over)

    def gives(tier: str) -> bool:
        value = over.get(tier)
        return isinstance(value, Mapping) and "size" in value

    if (gives("fast") or gives("slow")) and "total" in base and "total" not in over:
        # One tier's size was changed: the other keeps what the base's total and share gave it.
        whole = profile_from_dict("base", {k: v for k, v in base.items() if k != "scale"})
        for key, tier in (("fast", whole.fast), ("slow", whole.slow)):
            if tier and tier.size_bytes and not tier.pmem and not gives(key):
                merged[key] = {**merged[key], "size": kernel_size(tier.size_bytes)}
        for key in _SIZES:
            merged.pop(key, None)
    if "total" in over:
        for key in ("fast", "slow"):
            if isinstance(merged.get(key), Mapping) and not gives(key):
                merged[key] = {k: v for k, v in merged[key].items() if k != "size"}
    return merged


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            merged[key] = {**old, **value}
        else:
            merged[key] = value
    return merged


def _is_file(ref: str | Path) -> bool:
    text = str(ref)
    return isinstance(ref, Path) or "/" in text or text.endswith((".yml", ".yaml"))


def _file_body(source: YamlSource) -> dict[str, Any]:
    if not isinstance(source.data, dict):
        raise source.error((), "a profile is a mapping with keys like cpus, total, fast, slow")
    body = dict(source.data)
    version = body.pop("schema_version", 1)
    if version != 1:
        raise source.error(("schema_version",), f"version {version!r} is not known here, only 1")
    if "profiles" in body:
        raise source.error(("profiles",), "a profile file holds one profile, at the top level")
    return body


@cache
def _shipped() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = read_yaml(data("profiles.yml")).data["profiles"]
    return found
