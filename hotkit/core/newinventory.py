"""The text of an inventory with one host that was just looked at. Comments say what was seen."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hotkit.core.plaintext import plain_line

# What needs no quotes in YAML 1.1 and 1.2: it reads back as the same text. `4C16G-remote` begins
# with a digit, and is no number all the same.
_BARE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*|\d+C\d+G-[a-z]+")
_RESERVED = {"y", "n", "yes", "no", "true", "false", "on", "off", "null"}
HOST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """What a machine says of its BMC: whether there is one to be seen, and where it listens."""

    ipmi: bool = False
    redfish: bool = False
    bmc_address: str | None = None

    @property
    def sentence(self) -> str:
        """For a person: what was found."""
        kinds = [name for name, there in (("IPMI", self.ipmi), ("Redfish", self.redfish)) if there]
        if not kinds:
            return "no BMC to be seen from the machine"
        where = f" at {self.bmc_address}" if self.bmc_address else ", its address is not known here"
        return f"a BMC ({' and '.join(kinds)}){where}"


def inventory_text(
    name: str,
    variables: Mapping[str, str | int | bool],
    *,
    seen: Sequence[str],
    profile: str | Mapping[str, Any] | None,
    others: Sequence[str],
    power: Power | None,
    next_command: str,
) -> str:
    """hosts.yml of one host of the group `tiered`.

    `variables` are Ansible's way to it, `seen` lines of what was found, `others` the profiles that
    fit as well. A profile of None is left to the reader, in a comment; a power of None is no matter
    (a VM has no BMC).
    """
    lines = [f"# {plain_line(line)}" for line in seen]
    lines += [f"# Next: {plain_line(next_command)}", "tiered:", "  hosts:", f"    {scalar(name)}:"]
    body = [f"{key}: {scalar(value)}" for key, value in variables.items()]
    body += _profile(profile, others)
    body += _power(power) if power else []
    return "\n".join([*lines, *(f"      {line}" for line in body)]) + "\n"


def scalar(value: str | int | bool) -> str:
    """A YAML scalar that reads back as `value`: quoted wherever it could be taken for another."""
    if isinstance(value, str) and _BARE.fullmatch(value) and value.lower() not in _RESERVED:
        return value
    text = json.dumps(value, ensure_ascii=False)
    return "".join(mark if mark.isprintable() else f"\\U{ord(mark):08X}" for mark in text)


def _profile(profile: str | Mapping[str, Any] | None, others: Sequence[str]) -> Iterator[str]:
    if profile is None:
        yield "# No shipped profile fits; docs/layouts.md says how to write one:"
        yield "# hotkit_profile: {base: 4C16G-remote, cpus: 2, total: 1G}"
        return
    if others:
        yield f"# Fits, too: {', '.join(others)}."
    if isinstance(profile, str):
        yield f"hotkit_profile: {scalar(profile)}"
        return
    yield "hotkit_profile:"
    for key, value in profile.items():
        yield f"  {key}: {scalar(value)}"


def _power(power: Power) -> Iterator[str]:
    yield "# A trial boot that hangs is reset by its BMC, once hotkit knows it (docs/power.md):"
    address = power.bmc_address or "bmc.example.org"
    if power.redfish and not power.ipmi:
        yield (
            f'# hotkit_power: {{kind: redfish, url: "https://{address}", user: admin,'
            ' password: "{{ bmc_password }}"}'
        )
        return
    yield (
        f"# hotkit_power: {{kind: ipmi, address: {scalar(address)}, user: admin,"
        ' password: "{{ bmc_password }}"}'
    )
