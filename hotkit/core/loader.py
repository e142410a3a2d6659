"""Which boot loader a machine has, whether hotkit can handle it, and why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hotkit.core.grub_cfg import Menu, read_menu
from hotkit.core.grubenv import parse as parse_grubenv
from hotkit.errors import HotkitError


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why an entry cannot be installed or booted once here, and the way out."""

    message: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Loader:
    """A machine's loader. Paths and tool names are those of the machine."""

    family: str  # facts["boot"]["loader"]
    grub_dir: str
    editenv_tool: str
    script_check_tool: str
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]

    @property
    def custom_cfg(self) -> str:
        return f"{self.grub_dir}/custom.cfg"

    @property
    def grubenv(self) -> str:
        return f"{self.grub_dir}/grubenv"

    def require(self) -> None:
        """Raise the first problem as a HotkitError."""
        if self.problems:
            raise HotkitError(self.problems[0].message, hint=self.problems[0].hint)


_FAMILIES = {
    # family: (directory, prefix of the tools' names)
    "grub2-debian": ("/boot/grub", "grub-"),
    "grub2-rhel": ("/boot/grub2", "grub2-"),
    "grub2-suse": ("/boot/grub2", "grub2-"),
}


def examine(boot: Mapping[str, Any], grubenv: bytes | None = None) -> Loader:
    """Judge facts["boot"] (see docs/architecture.md); `grubenv` is its decoded block.

    Debian's GRUB is what the lab boots. The RHEL and SUSE families are handled where their
    grub.cfg has menuentries and sources custom.cfg, by the same mechanism under other tool names;
    no such machine is in the tests, which `notes` says.
    """
    family = str(boot.get("loader") or "unknown")
    if family not in _FAMILIES:
        return _unsupported(family)
    directory, prefix = _FAMILIES[family]
    known: Mapping[str, Any] = boot.get("tools") or {}
    problems, notes = _problems(boot, grubenv), list[str]()
    if "grub-editenv" in known and not known["grub-editenv"]:
        problems.append(
            Problem(f"{prefix}editenv is not installed", "it is in the distribution's GRUB package")
        )
    if family != "grub2-debian":
        notes.append(f"{family}: same mechanism as Debian's GRUB, not tested on a real machine")
    return Loader(
        family=family,
        grub_dir=str(boot.get("grub_dir") or directory),
        editenv_tool=str(known.get("grub-editenv") or f"{prefix}editenv"),
        script_check_tool=str(known.get("grub-script-check") or f"{prefix}script-check"),
        problems=tuple(problems),
        notes=tuple(notes),
    )


def _unsupported(family: str) -> Loader:
    if family == "systemd-boot":
        problem = Problem(
            "this machine boots with systemd-boot, which hotkit does not handle yet",
            "`hotkit layout quote` shows the text for an entry of your own; boot it once with "
            "`bootctl set-oneshot`",
        )
    else:
        problem = Problem(
            "no boot loader that hotkit knows was found (no grub.cfg below /boot)",
            "hotkit needs GRUB 2 with its files in /boot/grub or /boot/grub2",
        )
    return Loader(
        family=family, grub_dir="/boot/grub", editenv_tool="", script_check_tool="",
        problems=(problem,), notes=(),
    )  # fmt: skip


def _problems(boot: Mapping[str, Any], grubenv: bytes | None) -> list[Problem]:
    text = boot.get("grub_cfg")
    if not text:
        return [Problem("there is no readable grub.cfg", "run as root; run update-grub once")]
    try:
        menu = read_menu(text, parse_grubenv(grubenv) if grubenv else None)
    except HotkitError as error:
        return [Problem(f"grub.cfg: {error.message}", "run grub-script-check on it")]
    problems = _menu_problems(menu)
    if boot.get("grubenv_problem"):
        problems.append(
            Problem(
                f"GRUB cannot write its environment block: {boot['grubenv_problem']}",
                "without it an entry cannot be armed for one boot, and a layout that panics would "
                "be booted again and again; put /boot on a plain partition (ext4)",
            )
        )
    return problems


def _menu_problems(menu: Menu) -> list[Problem]:
    problems: list[Problem] = []
    if not menu.entries:
        problems.append(
            Problem(
                "grub.cfg holds no menuentry: its entries are Boot Loader Specification files",
                "hotkit does not read /boot/loader/entries yet; `hotkit layout quote` shows the "
                "text for an entry of your own",
            )
        )
    if not menu.sources_custom_cfg:
        problems.append(
            Problem(
                "grub.cfg does not source custom.cfg, where hotkit puts its entry",
                "make /etc/grub.d/41_custom executable again and run update-grub",
            )
        )
    return problems
