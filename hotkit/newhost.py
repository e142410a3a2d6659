"""The story of `hotkit init`: look at a host, say what fits it, write an inventory for it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

from hotkit.assets import asset
from hotkit.core.newhost import Fit, NewHost
from hotkit.core.newinventory import HOST_NAME, Power, inventory_text
from hotkit.core.plaintext import plain_line
from hotkit.core.units import format_size
from hotkit.errors import HotkitError
from hotkit.host.inventory import load_inventory
from hotkit.host.profiles import load_profile, profile_names
from hotkit.host.script import run_over
from hotkit.host.sshway import SshWay
from hotkit.hostplan import plan_host
from hotkit.parse.facts import topology_from_facts
from hotkit.topology import gather_over, way_of

_IPV4 = re.compile(r"\d+(\.\d+){3}")
# Smaller ones than those that are shipped, the largest that fits is offered.
_TOTALS = ("8G", "4G", "2G", "1536M", "1G")


def look_at(
    ref: str,
    *,
    folder: Path | None = None,
    name: str | None = None,
    profile: str | None = None,
    key: Path | None = None,
    ssh_args: str = "",
) -> NewHost:
    """Ask the host that `ref` ([user@]host[:port], ssh://...) twice; nothing is written anywhere.

    `folder` is where the inventory is to be (default: named after the host), `profile` what the
    host shall boot (default: the first that fits). Raises HotkitError: exit code 3 when the host
    does not answer, 2 for a mistake in what was asked.
    """
    way = _way(ref, key, ssh_args)
    if name is not None and not HOST_NAME.fullmatch(name):
        raise HotkitError(f"--name {plain_line(name)!r}: letters, digits, '.', '-' and '_' only")
    if profile is not None:
        load_profile(profile)
    if folder is not None:
        _must_be_free(folder)
    facts = gather_over(way)
    more = _first_look(way)
    if facts.get("uid") != 0:
        raise HotkitError(
            f"{way.host}: the login is not root's, and sudo wants a password (or is not there)",
            hint="root@HOST, or a user who may sudo without one; an inventory for a sudo password"
            " is written by hand: docs/access.md",
        )
    name = name or _name(way.host, facts)
    folder = folder or Path(name)
    _must_be_free(folder)
    topology = replace(topology_from_facts(facts), name=name, source=ref)
    fits = tuple(_fits(facts, name, profile))
    chosen = next((fit for fit in fits if fit.fits), None)
    if profile is not None and chosen is None:
        raise _does_not_fit(name, profile, fits[0], facts)
    found = NewHost(
        name=name,
        ref=ref,
        facts=facts,
        vendor=" ".join(filter(None, (more.get("vendor"), more.get("product")))) or None,
        topology=topology,
        power=Power(
            ipmi=bool(more.get("ipmi")),
            redfish=bool(more.get("redfish")),
            bmc_address=more.get("bmc_address"),
        ),
        fits=fits,
        chosen=chosen,
        folder=str(folder),
        text="",
    )
    variables = _variables(way, ssh_args, become=more.get("sudo_user") is not None)
    return replace(found, text=_text(found, variables))


def write(found: NewHost) -> None:
    """Write the inventory, which must not be there yet, and have it read as every command does."""
    folder = Path(found.folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with Path(found.path).open("x") as file:
            file.write(found.text)
    except FileExistsError:
        raise HotkitError(
            f"{found.path} is there already; nothing is overwritten", hint="--out another folder"
        ) from None
    except OSError as error:
        raise HotkitError(f"{found.path} cannot be written: {error.strerror}") from error
    load_inventory(folder).host(found.name)


def _way(ref: str, key: Path | None, ssh_args: str) -> SshWay:
    if ref == "local":
        raise HotkitError(
            "an inventory's hosts are reached by ssh", hint="this machine: hotkit init localhost"
        )
    if (asset("inventories") / "lab" / "host_vars" / f"{ref}.yml").is_file():
        raise HotkitError(
            f"{ref} is a machine of the lab, whose inventory comes with hotkit",
            hint=f"hotkit lab up {ref}, then hotkit provision lab --limit {ref}",
        )
    way = way_of(ref if ref.startswith("ssh://") else f"ssh://{ref}")
    if key is not None and not key.expanduser().is_file():
        raise HotkitError(f"--key {key}: no such file")
    try:
        words = tuple(shlex.split(ssh_args))
    except ValueError as error:
        raise HotkitError(f"--ssh-args {ssh_args!r} are no words: {error}") from error
    return replace(way, key=key.expanduser() if key else None, args=words)


def _first_look(way: SshWay) -> dict[str, Any]:
    script = files("hotkit.agent").joinpath("firstlook.py").read_text(encoding="utf-8")
    said = run_over(way, script)
    try:
        found: dict[str, Any] = dict(json.loads(said))
    except (TypeError, ValueError) as error:
        raise HotkitError(f"{way.host}: what came back is no answer: {said[:80]!r}") from error
    return {key: plain_line(item) if isinstance(item, str) else item for key, item in found.items()}


def _must_be_free(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise HotkitError(
            f"{folder} is there already; nothing is overwritten", hint="--out another folder"
        )


def _name(host: str, facts: Mapping[str, Any]) -> str:
    """What the inventory calls it: as it was asked for, or as it calls itself."""
    own = str(facts.get("hostname") or "")
    address = _IPV4.fullmatch(host) or ":" in host or host == "localhost"
    wanted = [own] if address else [host, own]
    return next((item for item in wanted if HOST_NAME.fullmatch(item)), "host1")


def _variables(way: SshWay, ssh_args: str, *, become: bool) -> dict[str, str | int | bool]:
    found: dict[str, str | int | bool] = {"ansible_host": way.host}
    if way.port is not None:
        found["ansible_port"] = way.port
    if way.user is not None:
        found["ansible_user"] = way.user
    if way.key is not None:
        found["ansible_ssh_private_key_file"] = str(way.key.resolve())
    if ssh_args:
        found["ansible_ssh_common_args"] = ssh_args
    if become:
        found["ansible_become"] = True
    return found


def _fits(facts: Mapping[str, Any], name: str, wanted: str | None) -> Iterator[Fit]:
    """The profile that was asked for, or the shipped ones; a smaller one when none of them fits."""
    found = [_fit(facts, name, item) for item in ([wanted] if wanted else profile_names())]
    yield from found
    if wanted or any(fit.fits for fit in found):
        return
    for total in _TOTALS:
        for cpus in (4, 2, 1):
            smaller = {"base": "4C16G-remote", "cpus": cpus, "total": total, "fast_share": "1/3"}
            fit = _fit(facts, name, smaller)
            if fit.fits:
                yield fit
                return


def _fit(facts: Mapping[str, Any], name: str, profile: str | Mapping[str, Any]) -> Fit:
    title = profile if isinstance(profile, str) else f"{profile['base']} of {profile['total']}"
    plan = plan_host(facts, {"hotkit_profile": profile}, host=name)
    return Fit(title=title, profile=profile, refusals=plan.refusals, warnings=plan.warnings)


def _does_not_fit(name: str, profile: str, fit: Fit, facts: Mapping[str, Any]) -> HotkitError:
    fitting = [other.title for other in _fits(facts, name, None) if other.fits]
    return HotkitError(
        f"{profile} does not fit {name}: {'; '.join(item.message for item in fit.refusals)}",
        hint=f"fits: {', '.join(fitting)}" if fitting else fit.refusals[0].hint,
    )


def _text(found: NewHost, variables: Mapping[str, str | int | bool]) -> str:
    metal = found.facts.get("platform") == "metal"
    ram = " + ".join(
        f"{format_size(found.topology.node_ram(node).size_bytes)} on node {node}"
        for node in found.topology.nodes
        if found.topology.node_ram(node)
    )
    return inventory_text(
        found.name,
        variables,
        seen=[
            f"Written by hotkit init {found.ref} on {date.today().isoformat()}. It found:",
            f"{found.system};",
            f"{ram}, {len(found.topology.cpus)} CPUs; {found.power.sentence}.",
        ],
        profile=found.chosen.profile if found.chosen else None,
        others=[fit.title for fit in found.fits if fit.fits and fit is not found.chosen],
        power=found.power if metal or found.power.ipmi or found.power.redfish else None,
        next_command=found.next_command,
    )
