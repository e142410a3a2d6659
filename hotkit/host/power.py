"""Power control: the way to a machine that does not answer any more.

`hotkit_power` of the inventory says which: {kind: qmp} for machines of the lab (their default),
{kind: ipmi, address, user, password} through ipmitool, {kind: redfish, url, user, password} and
{kind: command, reset: [...], on: [...], off: [...], status: [...]}. Passwords go to ipmitool
through the environment and to Redfish inside the request: never into an argument list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from hotkit.errors import ExitCode, HotkitError
from hotkit.host import labpower
from hotkit.host.redfish import Redfish
from hotkit.host.run import require, run

_SECONDS = 60


class Power(Protocol):
    """A machine's power control. Every method raises HotkitError (exit code 3) when it fails."""

    def describe(self) -> str:
        """For people, without secrets: "IPMI at 10.0.0.7"."""

    def reset(self) -> None:
        """Press reset; a machine that is off is switched on where the control can do that."""

    def on(self) -> None:
        """Switch on."""

    def off(self) -> None:
        """Cut the power."""

    def is_on(self) -> bool | None:
        """Whether it is on; None when the control cannot tell."""


def power_of(name: str, variables: Mapping[str, Any]) -> Power | None:
    """The power control of host `name` from its (merged, decrypted) variables; None without one.

    Raises HotkitError (exit code 2) for a setting that lacks something.
    """
    wish = variables.get("hotkit_power")
    if wish is None:
        return LabPower(name) if variables.get("hotkit_machine") is not None else None
    kind = wish.get("kind")
    if kind == "qmp":
        if variables.get("hotkit_machine") is None:
            raise HotkitError(
                f"host {name}: hotkit_power: {{kind: qmp}} is for machines of the lab",
                hint="ipmi, redfish and command are for metal (docs/power.md)",
            )
        return LabPower(name)
    if kind == "ipmi":
        _needs(name, wish, "address", "user", "password")
        return Ipmi(
            name=name,
            address=str(wish["address"]),
            user=str(wish["user"]),
            password=str(wish["password"]),
            port=int(wish.get("port", 623)),
            cipher=wish.get("cipher"),
        )
    if kind == "redfish":
        _needs(name, wish, "url", "user", "password")
        return Redfish(
            name=name,
            url=str(wish["url"]).rstrip("/"),
            user=str(wish["user"]),
            password=str(wish["password"]),
            system=wish.get("system"),
            ca=wish.get("ca"),
        )
    if kind == "command":
        _needs(name, wish, "reset")
        return CommandPower(name=name, commands={k: v for k, v in wish.items() if k != "kind"})
    raise HotkitError(
        f"host {name}: hotkit_power has kind {kind!r}", hint="kinds: qmp, ipmi, redfish, command"
    )


def _needs(name: str, wish: Mapping[str, Any], *keys: str) -> None:
    missing = [key for key in keys if wish.get(key) in (None, "")]
    if missing:
        raise HotkitError(
            f"host {name}: hotkit_power of kind {wish['kind']} lacks {', '.join(missing)}",
            hint="docs/power.md has an example of each kind",
        )


@dataclass(frozen=True, slots=True)
class LabPower:
    """A machine of the lab, through QEMU's control socket."""

    name: str

    def describe(self) -> str:
        return f"QMP of {self.name}"

    def reset(self) -> None:
        labpower.reset(self.name)

    def on(self) -> None:
        labpower.power_on(self.name)

    def off(self) -> None:
        labpower.power_off(self.name)

    def is_on(self) -> bool | None:
        return labpower.is_on(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ipmi:
    """A BMC that speaks IPMI 2.0 over LAN, through ipmitool."""

    name: str
    address: str
    user: str
    password: str = field(repr=False)
    port: int = 623
    cipher: int | None = None  # ipmitool's -C; without it the BMC is asked, some need 10 s for that

    def describe(self) -> str:
        return f"IPMI at {self.address}" + (f":{self.port}" if self.port != 623 else "")

    def argv(self, *words: str) -> list[str]:
        """The ipmitool command; -E takes the password from IPMI_PASSWORD."""
        tool = require("ipmitool", "ipmitool")
        cipher = [] if self.cipher is None else ["-C", str(self.cipher)]
        return [str(tool), "-I", "lanplus", "-H", self.address, "-p", str(self.port),
                "-U", self.user, "-E", *cipher, *words]  # fmt: skip

    @property
    def environment(self) -> dict[str, str]:
        return {"IPMI_PASSWORD": self.password}

    def reset(self) -> None:
        # A BMC refuses to reset a machine that is off.
        self._run("chassis", "power", "reset" if self.is_on() else "on")

    def on(self) -> None:
        self._run("chassis", "power", "on")

    def off(self) -> None:
        self._run("chassis", "power", "off")

    def is_on(self) -> bool | None:
        said = self._run("chassis", "power", "status").lower()
        return True if "is on" in said else False if "is off" in said else None

    def _run(self, *words: str) -> str:
        done = run(self.argv(*words), env=self.environment, timeout=_SECONDS, check=False)
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise HotkitError(
                f"{self.name}: {self.describe()} does not do `{' '.join(words)}`: "
                + (said[-1] if said else f"ipmitool exited with {done.returncode}"),
                hint="check hotkit_power: address, user, password; is IPMI over LAN switched on?",
                exit_code=ExitCode.UNREACHABLE,
            )
        return str(done.stdout)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandPower:
    """Anything else: commands of the inventory's author, one argument list each."""

    name: str
    commands: Mapping[str, Sequence[str]]

    def describe(self) -> str:
        return f"command {self.commands['reset'][0]}"

    def reset(self) -> None:
        self._run("reset")

    def on(self) -> None:
        self._run("on")

    def off(self) -> None:
        self._run("off")

    def is_on(self) -> bool | None:
        """By exit status: 0 on, 1 off, anything else unknown."""
        argv = self.commands.get("status")
        if argv is None:
            return None
        code = run(list(argv), check=False, timeout=_SECONDS).returncode
        return {0: True, 1: False}.get(code)

    def _run(self, what: str) -> None:
        argv = self.commands.get(what)
        if argv is None:
            raise HotkitError(
                f"{self.name}: hotkit_power names no command for {what!r}",
                hint=f"add `{what}: [COMMAND, WORD ...]` to it (docs/power.md)",
            )
        done = run(list(argv), check=False, timeout=_SECONDS)
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise HotkitError(
                f"{self.name}: the {what} command {argv[0]} exited with {done.returncode}"
                + (f": {said[-1]}" if said else ""),
                exit_code=ExitCode.UNREACHABLE,
            )
