"""The inventory: checked by us with file:line:column, merged by Ansible itself.

Ansible forgives what it does not know (`hotkit_profil: x` is just another variable) and an INI
inventory cuts values at a `#`. Both end in a machine that boots something else than was asked for,
so hotkit reads the files itself first and refuses what nobody would read.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hotkit import assets
from hotkit.core.plaintext import plain_line
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.ansible_env import ansible_env, ansible_program
from hotkit.host.run import run
from hotkit.host.sshway import SshWay, render, way_to
from hotkit.host.vault import decrypted
from hotkit.host.yamlsrc import DataPath, Position, YamlSource, read_yaml, schema_problem

_YAML = (".yml", ".yaml")
# Names that Ansible itself ignores in an inventory directory (INVENTORY_IGNORE_EXTS and others).
_IGNORED = (".orig", ".cfg", ".retry", ".pyc", ".pyo", ".md", ".rst", ".txt", ".swp", ".bak", "~")
_BESIDE = ("group_vars", "host_vars")
_VALUE_AT_RISK = re.compile(r"[#$\\'\"{\[]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One host: its merged variables and the way to it. The variables may hold secrets."""

    name: str
    variables: Mapping[str, Any] = field(repr=False)
    way: SshWay

    @property
    def profile(self) -> str | dict[str, Any] | None:
        """`hotkit_profile` as it stands there: a name, a mapping, or nothing."""
        value: str | dict[str, Any] | None = self.variables.get("hotkit_profile")
        return value

    @property
    def machine(self) -> dict[str, Any] | None:
        """`hotkit_machine`: set for machines that the lab builds."""
        value: dict[str, Any] | None = self.variables.get("hotkit_machine")
        return value

    @property
    def entry_method(self) -> str:
        return str(self.variables.get("hotkit_entry_method", "entry"))

    @property
    def style(self) -> str | None:
        """`hotkit_style`; None leaves it to the profile."""
        value: str | None = self.variables.get("hotkit_style")
        return value

    @property
    def commit(self) -> bool:
        return bool(self.variables.get("hotkit_commit", False))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """One mapping of variables in a file: whose it is, and how strongly it counts."""

    source: YamlSource
    at: DataPath
    owner: str
    is_host: bool
    in_vars_file: bool

    @property
    def variables(self) -> dict[str, Any]:
        value = self.source.data
        for step in self.at:
            value = value[step]
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """The hosts that were asked for, in the inventory's order."""

    name: str
    path: Path
    hosts: tuple[Host, ...]
    blocks: tuple[_Block, ...] = field(repr=False, default=())

    def host(self, name: str) -> Host:
        """The host of that name, or an error that lists the ones there are."""
        for host in self.hosts:
            if host.name == name:
                return host
        names = ", ".join(host.name for host in self.hosts)
        raise HotkitError(f"inventory {self.name} has no host {name!r}", hint=f"hosts: {names}")

    def where(self, host: str, *path: str | int) -> Position | None:
        """Where the variable (and the key inside it) that counts for `host` was written, if known.

        Ansible's precedence: host before group, and vars files before the inventory file.
        """
        merged = self.host(host).variables
        wanted = merged.get(str(path[0]))
        candidates = [
            block
            for block in self.blocks
            if (not block.is_host or block.owner == host)
            and block.variables.get(str(path[0]), _MISSING) == wanted
        ]
        candidates.sort(key=lambda b: (b.is_host, b.in_vars_file, b.owner != "all"))
        return candidates[-1].source.at((*candidates[-1].at, *path)) if candidates else None


_MISSING = object()


def load_inventory(ref: str | Path, limit: str | None = None) -> Inventory:
    """Read, check and merge an inventory.

    `ref` is a path (file or directory) or the name of a folder under inventories/, with or without
    `inventories/` before it; `limit` an Ansible host pattern. Raises HotkitError (exit code 2) that
    names file, line and column.
    """
    path = find_inventory(ref)
    blocks = tuple(_read_blocks(path))
    for block in blocks:
        block.source.check(_schema(), at=block.at)
    merged = _merge(path, limit)
    if not merged:
        everything = _merge(path, None) if limit else {}
        if everything:
            raise HotkitError(
                f"--limit {limit}: no host of {ref} matches", hint=f"hosts: {', '.join(everything)}"
            )
        raise HotkitError(
            f"{path}: no host in this inventory", hint="hotkit init HOST writes one with a host"
        )
    known: dict[str, str] = {}
    for host, variables in merged.items():
        if plain_line(host) != host or host.startswith("-"):
            raise HotkitError(
                f"{path}: {plain_line(host)!r} is no name for a host: it holds characters that "
                "do not show, or begins with a dash"
            )
        _open(host, variables, known)
        ours = {key: value for key, value in variables.items() if key.startswith("hotkit_")}
        problem = schema_problem(_schema(), ours)
        if problem:
            raise HotkitError(f"{path}: host {host}: {problem.message}")
    return Inventory(
        name=str(ref),
        path=path,
        hosts=tuple(
            Host(name=name, variables=variables, way=way_to(name, variables, path))
            for name, variables in merged.items()
        ),
        blocks=blocks,
    )


# What hotkit itself reads on the controller, beside what Ansible reads.
_NEEDED = re.compile(r"hotkit_|ansible_(ssh_|host$|port$|user$|become)")
_RENDERED = (
    "hotkit_power", "hotkit_console", "hotkit_guests", "ansible_become_password",
    "ansible_become_pass",
)  # fmt: skip


def _open(host: str, variables: dict[str, Any], known: dict[str, str]) -> None:
    """Decrypt and render what hotkit needs of a host's variables, and nothing else."""
    for key in [key for key in variables if _NEEDED.match(key)]:
        variables[key] = decrypted(variables[key], known, f"host {host}: {key}")
    for key in _RENDERED:
        if "{{" not in json.dumps(variables.get(key)):
            continue
        for other in [name for name in variables if name in json.dumps(variables[key])]:
            where = f"host {host}: {other}"
            variables[other] = decrypted(variables[other], known, where)
        variables[key] = _rendered(host, key, variables[key], variables)


def _rendered(host: str, key: str, value: Any, variables: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        return {name: _rendered(host, key, item, variables) for name, item in value.items()}
    if isinstance(value, list):
        return [_rendered(host, key, item, variables) for item in value]
    return render(host, key, value, variables) if isinstance(value, str) else value


def find_inventory(ref: str | Path) -> Path:
    """The file or directory that `ref` means; an error lists the names there are."""
    path = Path(ref)
    if path.exists():
        return path.resolve()
    shipped = assets.asset("inventories")
    # As the clone has it, also from a folder in which there is no clone.
    if path.parts in ((path.name,), (shipped.name, path.name)) and (shipped / path.name).is_dir():
        return (shipped / path.name).resolve()
    names = sorted(item.name for item in shipped.iterdir() if item.is_dir())
    raise HotkitError(
        f"no inventory {str(ref)!r}: neither a path nor a folder under inventories/",
        hint=f"shipped: {', '.join(names)}; one of your own: hotkit init HOST",
    )


def written(ref: str | Path, variable: str) -> Iterator[Any]:
    """Every value that the inventory's files give a variable, as it stands there, unmerged."""
    for block in _read_blocks(find_inventory(ref)):
        if variable in block.variables:
            yield block.variables[variable]


def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(assets.data("inventory.schema.json").read_text())
    return schema


def _merge(path: Path, limit: str | None) -> dict[str, dict[str, Any]]:
    """Hosts with merged variables, as Ansible sees them, in the order of the groups."""
    argv: list[str | Path] = [*ansible_program("inventory"), "-i", path, "--list"]
    argv += ["--limit", limit] if limit else []
    done = run(argv, check=False, env=ansible_env(), timeout=120)
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise HotkitError(
            f"{path}: Ansible cannot read it: {said[-1] if said else 'no reason'}",
            hint=f"all it says: ansible-inventory --list -i {shlex.quote(str(path))}",
        )
    try:
        data = json.loads(done.stdout)
    except ValueError as error:
        raise HotkitError(f"{path}: ansible-inventory printed no JSON") from error
    hostvars: dict[str, dict[str, Any]] = data.get("_meta", {}).get("hostvars", {})
    # A host without any variable is missing from hostvars, so the groups are what counts.
    return {name: hostvars.get(name, {}) for name in _members(data, "all", set())}


def _members(data: Mapping[str, Any], group: str, seen: set[str]) -> Iterator[str]:
    entry = data.get(group, {})
    for name in entry.get("hosts", ()):
        if name not in seen:
            seen.add(name)
            yield name
    for child in entry.get("children", ()):
        yield from _members(data, child, seen)


def _read_blocks(path: Path) -> Iterator[_Block]:
    """Every mapping of variables that the inventory's files hold."""
    root = path if path.is_dir() else path.parent
    for file in _inventory_files(path):
        if file.suffix in _YAML:
            source = read_yaml(file)
            if not isinstance(source.data, dict) or "plugin" in source.data:
                continue  # dynamic: Ansible's plugin reads it, and the merged values are checked
            for group in source.data:
                yield from _group_blocks(source, (group,), str(group))
        else:
            _refuse_lossy_ini(file)
    for kind in _BESIDE:
        base = root / kind
        if not base.is_dir():
            continue
        for file in sorted(item for item in base.rglob("*") if item.is_file()):
            if file.name.startswith(".") or file.suffix not in (*_YAML, "", ".json"):
                continue
            source = read_yaml(file)
            if isinstance(source.data, dict):
                owner = file.relative_to(base).parts[0].removesuffix(file.suffix or "\0")
                yield _Block(
                    source=source, at=(), owner=owner, is_host=kind == "host_vars",
                    in_vars_file=True,
                )  # fmt: skip


def _inventory_files(path: Path) -> Iterable[Path]:
    if path.is_file():
        return [path]
    return sorted(
        item
        for item in path.iterdir()
        if item.is_file()
        and not item.name.startswith(".")
        and not item.name.endswith(_IGNORED)
        and not item.stat().st_mode & 0o111
    )


def _group_blocks(source: YamlSource, at: DataPath, group: str) -> Iterator[_Block]:
    body = source.data
    for step in at:
        body = body[step]
    if body is None:
        return
    if not isinstance(body, dict):
        raise source.error(at, f"group {group} is not a mapping of hosts, children and vars")
    for key in body:
        if key not in ("hosts", "children", "vars"):
            raise source.error(
                (*at, key), f"group {group}: {key!r} is none of hosts, children, vars", key=True
            )
    if isinstance(body.get("vars"), dict):
        yield _Block(
            source=source, at=(*at, "vars"), owner=group, is_host=False, in_vars_file=False
        )
    for name, variables in _mapping(source, (*at, "hosts"), body.get("hosts")).items():
        if isinstance(variables, dict):
            yield _Block(
                source=source, at=(*at, "hosts", name), owner=str(name), is_host=True,
                in_vars_file=False,
            )  # fmt: skip
    for child in _mapping(source, (*at, "children"), body.get("children")):
        yield from _group_blocks(source, (*at, "children", child), str(child))


def _mapping(source: YamlSource, at: DataPath, value: Any) -> dict[Any, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise source.error(at, f"{at[-1]} is a mapping in Ansible's YAML: write `name:` per line")
    return value


def _refuse_lossy_ini(file: Path) -> None:
    """Refuse an INI inventory whose hotkit_* values Ansible would not hand on as written.

    Ansible's INI reader starts a comment at a '#' and puts host lines through shlex, so quotes and
    backslashes vanish (`memmap=1G#5G` arrived as `memmap=1G`); a mapping cannot be written at all.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise HotkitError(f"{file}: cannot be read as text") from error
    for number, line in enumerate(lines, 1):
        start = line.find("hotkit_")
        if start < 0 or line.lstrip().startswith(("#", ";")):
            continue
        risky = _VALUE_AT_RISK.search(line, start)
        if risky:
            raise HotkitError(
                f"{file}:{number}:{risky.start() + 1}: an INI inventory does not carry "
                f"{risky[0]!r}: Ansible cuts values at '#' and strips quotes and backslashes",
                hint="write the inventory in YAML (hosts.yml); see inventories/example-metal",
                exit_code=ExitCode.BAD_INPUT,
            )
