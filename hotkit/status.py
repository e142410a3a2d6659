"""The story of `hotkit status`: every host of an inventory asked at once, nothing changed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from hotkit.core.hoststatus import HostStatus, status_from_facts
from hotkit.errors import HotkitError
from hotkit.host.inventory import Host, load_inventory
from hotkit.host.power import power_of
from hotkit.topology import gather_over

_AT_ONCE = 20


def status(ref: str, *, limit: str | None = None) -> list[HostStatus]:
    """A row per host, in the inventory's order; a host that does not answer gets its reason.

    Raises HotkitError (exit code 2) for a bad inventory, before any host is contacted.
    """
    hosts = load_inventory(ref, limit).hosts
    powers = [power_of(host.name, host.variables) for host in hosts]
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        jobs = [
            pool.submit(_one, host, power.describe() if power else None)
            for host, power in zip(hosts, powers, strict=True)
        ]
        return [job.result() for job in jobs]


def _one(host: Host, power: str | None) -> HostStatus:
    console = (host.variables.get("hotkit_console") or {}).get("kind")
    if console is None and host.machine is not None:
        console = "lab"
    try:
        facts = gather_over(host.way)
    except HotkitError as error:
        hint = f"hotkit lab up {host.name}" if host.machine is not None else error.hint
        return HostStatus(
            host=host.name, problem=error.message, power=power, console=console, advice=hint
        )
    return status_from_facts(host.name, facts, power=power, console=console)
