"""Where a topology comes from: this machine, a host over ssh, or something captured earlier."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from hotkit.assets import asset
from hotkit.core.topology import Topology
from hotkit.errors import HotkitError
from hotkit.host.inventory import load_inventory
from hotkit.host.onescript import one_script
from hotkit.host.script import run_here, run_over
from hotkit.host.sshway import SshWay
from hotkit.parse.capture import topology_from_dmesg
from hotkit.parse.facts import topology_from_facts
from hotkit.parse.numactl import Numactl, parse_numactl

_SSH = re.compile(r"ssh://(?:(?P<user>[^@/:]+)@)?(?P<host>\[[^\]]+\]|[^@/:]+)(?::(?P<port>\d+))?/?")
_HOST_RANGE = re.compile(r"\[\w+:\w+(?::\d+)?\]")


def load_topology(ref: str, inventory: str | Path | None = None) -> Topology:
    """The topology that `ref` names.

    `local`; `ssh://[user@]host[:port]`; a file with a kernel log, or with facts in JSON; a
    directory with captured files (`dmesg*`, `numactl*`); or a host of `inventory` (None: of any
    inventory under inventories/, lab machines among them). Raises HotkitError, with exit code 3
    when a host does not answer.
    """
    if ref == "local":
        return _from_facts(gather_local(), "this machine")
    if ref.startswith("ssh://"):
        return _from_facts(gather_over(way_of(ref)), ref)
    path = Path(ref).expanduser()
    if path.is_dir():
        return _from_directory(path)
    if path.is_file():
        return _from_file(path)
    if "/" in ref or path.suffix in (".txt", ".log", ".json", ".dmesg"):
        raise HotkitError(
            f"{ref}: no such file or directory",
            hint="also understood: local, ssh://[user@]host[:port], a host of an inventory",
        )
    return _from_facts(gather_over(way_of(ref, inventory)), ref, name=ref)


def gather_script() -> str:
    """The one script that prints the facts of a machine."""
    return one_script("hotkit.agent", ("bootimages", "gather"), "gather")


def gather_local() -> dict[str, Any]:
    """The facts of this machine."""
    return _facts(run_here(gather_script()), "this machine")


def gather_over(way: SshWay) -> dict[str, Any]:
    """The facts of a host, in one round trip. Raises HotkitError, exit code 3 if it is silent."""
    return _facts(run_over(way, gather_script()), way.host)


def way_of(ref: str, inventory: str | Path | None = None) -> SshWay:
    """The way to ssh://[user@]host[:port], or to a host of `inventory` (None: of any inventory)."""
    if not ref.startswith("ssh://"):
        return _host_way(ref, inventory)
    match = _SSH.fullmatch(ref)
    if not match or match["host"].startswith("-") or (match["user"] or "").startswith("-"):
        raise HotkitError(f"{ref!r} is no ssh address: write ssh://[user@]host[:port]")
    port = int(match["port"]) if match["port"] else None
    return SshWay(host=match["host"].strip("[]"), port=port, user=match["user"])


def _host_way(name: str, inventory: str | Path | None) -> SshWay:
    if inventory is not None:
        return load_inventory(inventory).host(name).way
    folders = [item for item in asset("inventories").iterdir() if item.is_dir()]
    folders.sort(key=lambda item: (item.name != "lab", item.name))
    for folder in folders:
        if not _mentions(folder, name):  # Ansible takes a second to read one
            continue
        for host in load_inventory(folder).hosts:
            if host.name == name:
                return host.way
    raise HotkitError(
        f"{name!r}: no file, no directory, and no host of the inventories "
        + (", ".join(item.name for item in folders) or "(there are none)"),
        hint="also understood: local, ssh://[user@]host[:port], --inventory FILE",
    )


def _mentions(folder: Path, name: str) -> bool:
    """Whether `name` may be a host there: written out, or by a pattern like node[01:16]."""
    texts = [_read(item) for item in folder.rglob("*.y*ml") if item.is_file()]
    return any(name in text or _HOST_RANGE.search(text) for text in texts)


def _facts(text: str, where: str) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HotkitError(f"{where}: what came back is no JSON: {text[:80]!r}") from error
    return facts


def _from_facts(facts: dict[str, Any], source: str, name: str | None = None) -> Topology:
    found = topology_from_facts(facts)
    return replace(found, name=name or found.name, source=source)


def _from_file(path: Path) -> Topology:
    text = _read(path)
    if text.lstrip().startswith("{"):
        return _from_facts(_facts(text, str(path)), str(path))
    return _captured(path, text, None, path.stem)


def _from_directory(path: Path) -> Topology:
    facts = path / "facts.json"
    if facts.is_file():
        return _from_facts(_facts(_read(facts), str(facts)), str(path))
    logs = sorted(path.glob("dmesg*"))
    if not logs:
        raise HotkitError(
            f"{path} holds no capture: neither dmesg* nor facts.json is in it",
            hint="dmesg > dmesg-boot.txt; numactl -H > numactl-all-cpus.txt",
        )
    # Of several tables the one with the most CPUs was taken while none was kept offline.
    tables = [parse_numactl(_read(item)) for item in sorted(path.glob("numactl*"))]
    table = max(tables, key=lambda t: sum(map(len, t.cpus.values())), default=None)
    return _captured(logs[0], _read(logs[0]), table, path.resolve().name)


def _captured(path: Path, text: str, table: Numactl | None, name: str) -> Topology:
    return replace(topology_from_dmesg(text, str(path), table), name=name, source=str(path))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise HotkitError(f"{path} is no text (byte {error.start}): not a capture") from error
    except OSError as error:
        raise HotkitError(f"{path} cannot be read: {error.strerror}") from error
