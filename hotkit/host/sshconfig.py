"""One ssh_config for tools that take nothing else (testinfra): a block per host, all written out.

testinfra hands ssh a file (-F) and its own ControlMaster options; further options do not get
through (its --ssh-extra-args is never passed on, pytest-testinfra 10.2). So ssh itself is asked
what the way to each host comes to (`ssh -G`), and the answer is written down.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from hotkit.errors import HotkitError
from hotkit.host.run import run
from hotkit.host.silence import unreachable
from hotkit.host.sshway import SshWay

# What decides the way to a host, as `ssh -G` spells it (OpenSSH 8.4 and newer). The rest of its
# answer are defaults of that very version, which another one may not know.
_KEPT = frozenset(
    {
        "hostname", "port", "user", "identityfile", "identitiesonly", "identityagent",
        "certificatefile", "userknownhostsfile", "globalknownhostsfile", "stricthostkeychecking",
        "hostkeyalias", "checkhostip", "proxyjump", "proxycommand", "addressfamily",
        "bindaddress", "bindinterface", "connecttimeout", "serveraliveinterval",
        "serveralivecountmax", "controlpath", "pubkeyauthentication",
    }
)  # fmt: skip
_ALIVE_S = "10"
_PATHS = frozenset({"identityfile", "identityagent", "certificatefile", "controlpath"})
_LISTS_OF_PATHS = frozenset({"userknownhostsfile", "globalknownhostsfile"})


def write_ssh_config(ways: Mapping[str, SshWay], path: Path) -> None:
    """Write `path` so that `ssh -F path NAME` goes the way of NAME, asking no questions.

    Raises HotkitError when ssh cannot make sense of a way.
    """
    blocks = ["# Written by hotkit for one run; edits are lost."]
    for name, way in ways.items():
        _must_exist(name, way)
        blocks.append("\n".join([f"Host {name}", *(f"    {line}" for line in _options(name, way))]))
    # A jump host is looked up in the same file: what the user calls it must be known here too.
    includes = dict.fromkeys(item for way in ways.values() for item in _config_files(way))
    if includes:
        quoted = (f'    Include "{item}"' for item in includes)
        blocks.append("\n".join(["Match all", *quoted]))
    path.write_text("\n\n".join(blocks) + "\n")
    path.chmod(0o600)


def _must_exist(name: str, way: SshWay) -> None:
    for item in _named_files(way):
        if not Path(item).expanduser().exists():
            # In the words of ssh, which would say so itself.
            raise unreachable(way, f"Can't open user config file {item}: ", name)


def _options(name: str, way: SshWay) -> list[str]:
    answer = run(["ssh", "-G", *way.words], check=False)
    if answer.returncode != 0:
        said = answer.stderr.strip().splitlines()
        raise HotkitError(
            f"host {name}: ssh does not understand the way to it: {said[-1] if said else ''}",
            hint="look at ansible_ssh_common_args and at your ssh_config",
        )
    lines = ["BatchMode yes"]
    for line in answer.stdout.splitlines():
        key, _, value = line.partition(" ")
        if key == "serveraliveinterval" and value == "0":
            value = _ALIVE_S  # a host that hangs behind an open connection must end as unreachable
        if key in _KEPT and value and value != "none":
            lines.append(f"{key} {_value(key, value)}")
    return lines


def _value(key: str, value: str) -> str:
    """`ssh -G` prints paths without the quotes that a space needs."""
    if key in _LISTS_OF_PATHS:
        # Several paths, or one with a space in it: only what is there can tell.
        whole = Path(value).expanduser()
        return f'"{value}"' if whole.exists() or whole.parent.exists() else value
    if key == "controlpath":
        value = value.replace("%", "%%")  # its tokens are expanded already
    return f'"{value}"' if key in _PATHS else value


def _config_files(way: SshWay) -> list[str]:
    """The files that `way` makes ssh read: those after -F, else the user's own."""
    return _named_files(way) or ["~/.ssh/config"]


def _named_files(way: SshWay) -> list[str]:
    named = [after for word, after in pairwise(way.args) if word == "-F"]
    return named + [word[2:] for word in way.args if word.startswith("-F") and len(word) > 2]
