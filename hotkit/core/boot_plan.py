"""From a layout and a machine's boot files to the text that boots it, proven by simulation.

Nothing leaves this module that our model of GRUB does not read back as what was meant.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hotkit.core import grub_block, loader
from hotkit.core.cmdline import MAX_LENGTH, parse
from hotkit.core.grub_cfg import (
    OUR_PREFIX,
    Menu,
    MenuEntry,
    predicted_cmdline,
    read_menu,
    stock_entry,
)
from hotkit.core.grub_entry import Derived, derive, extend_linux
from hotkit.core.grub_quote import check_argument, grub_dropin, grub_word
from hotkit.core.grubenv import parse as parse_grubenv
from hotkit.core.layout import Layout
from hotkit.core.sh_lexer import source
from hotkit.errors import HotkitError

DROPIN_PATH = "/etc/default/grub.d/zz-hotkit.cfg"
# A kernel that panics in the layout comes back to the stock entry by itself after ten seconds.
TRIAL_ARGUMENTS = ("panic=10",)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPlan:
    """What to write, and what must come of it.

    `custom_cfg` is the whole new text for custom.cfg (method "entry"), `dropin` the text for
    DROPIN_PATH (method "defaults"); the other one is None. `cmdline` is /proc/cmdline after the
    boot, without its line end. `findings` are sentences on what was changed or left out.
    """

    method: str
    entry_id: str
    title: str
    block: str | None
    custom_cfg: str | None
    dropin: str | None
    cmdline: str
    kernel: str
    stock_id: str
    findings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "method": self.method,
            "entry_id": self.entry_id,
            "title": self.title,
            "block": self.block,
            "custom_cfg": self.custom_cfg,
            "dropin": self.dropin,
            "cmdline": self.cmdline,
            "kernel": self.kernel,
            "stock_id": self.stock_id,
            "findings": list(self.findings),
        }


def entry_id(layout: Layout) -> str:
    """The id of the layout's menuentry. It begins with a letter: GRUB 2.06 takes a leading digit
    for a menu position (strtoul in menu.c) and boots something else."""
    slug = re.sub(r"[^a-z0-9]+", "-", layout.profile.lower()).strip("-")[:40] or "layout"
    return f"{OUR_PREFIX}{slug}-{layout.id[:8]}"


def boot_arguments(layout: Layout, extra: Sequence[str] = ()) -> tuple[str, ...]:
    """Every argument that hotkit adds, the token first (all behind it is ours)."""
    return (layout.token, *layout.args, *TRIAL_ARGUMENTS, *extra)


def entry_plan(
    boot: Mapping[str, Any],
    layout: Layout,
    *,
    method: str = "entry",
    kernel: str | None = None,
    initrd: str | None = None,
    extra: Sequence[str] = (),
    boot_once: bool = True,
) -> EntryPlan:
    """Plan the boot of `layout` on the machine whose facts["boot"] is given.

    `kernel`, `initrd`: paths below /boot in place of the stock ones; `extra`: more kernel
    arguments. HotkitError when the loader cannot do it, when an argument cannot be written, or
    when the simulated command line is not the one that was meant.
    """
    raw_grubenv = _decoded(boot["grubenv"]) if boot.get("grubenv") else None
    loader.examine(boot, raw_grubenv).require()
    arguments = [check_argument(item) for item in boot_arguments(layout, extra)]
    menu = read_menu(boot["grub_cfg"], parse_grubenv(raw_grubenv) if raw_grubenv else None)
    stock = stock_entry(menu)
    derived = _derived(menu, stock, arguments, kernel, initrd)
    if method == "entry":
        return _own_entry(boot, layout, menu, stock, derived, arguments)
    if method == "defaults":
        if kernel:
            raise HotkitError("the defaults method changes arguments, it cannot name a kernel")
        return _defaults(boot, menu, stock, derived, arguments, boot_once=boot_once)
    raise HotkitError(f"unknown entry method {method!r}: write entry or defaults")


def _decoded(grubenv: str) -> bytes:
    try:
        return base64.b64decode(grubenv)
    except ValueError as error:
        raise HotkitError("GRUB's environment block in the facts is no base64") from error


def _derived(
    menu: Menu,
    entry: MenuEntry,
    arguments: Sequence[str],
    kernel: str | None = None,
    initrd: str | None = None,
) -> Derived:
    """What comes of an entry that boots unattended, on a line that the kernel keeps whole."""
    _check_unattended(menu, entry)
    derived = derive(entry, arguments, kernel=kernel, initrd=initrd)
    if len(derived.cmdline) > MAX_LENGTH:
        raise HotkitError(
            f"the command line would have {len(derived.cmdline)} characters; the kernel keeps "
            f"{MAX_LENGTH}"
        )
    return derived


def _check_unattended(menu: Menu, entry: MenuEntry) -> None:
    """A trial must boot, and fall back, with nobody at the console."""
    if menu.variables.get("superusers") and not entry.unrestricted:
        raise HotkitError(
            f"GRUB asks for a password before it boots {entry.title!r}, so no boot is unattended",
            hint="add --unrestricted to the entries (CLASS in /etc/grub.d/10_linux)",
        )
    if menu.variables.get("timeout", "").startswith("-"):
        raise HotkitError(
            "GRUB waits for a key before it boots anything (GRUB_TIMEOUT=-1)",
            hint="set GRUB_TIMEOUT=5 in /etc/default/grub and run update-grub",
        )


def _own_entry(
    boot: Mapping[str, Any],
    layout: Layout,
    menu: Menu,
    stock: MenuEntry,
    derived: Derived,
    arguments: Sequence[str],
) -> EntryPlan:
    identity = entry_id(layout)
    title = f"hotkit {layout.profile} ({layout.id[:8]})"
    unrestricted = " --unrestricted" if stock.unrestricted else ""
    block = (
        f"menuentry {grub_word(title)}{unrestricted} --id {identity} {{\n"
        f"{derived.body.strip(chr(10))}\n}}\n"
    )
    custom = grub_block.insert(boot.get("custom_cfg") or "", block)
    if any(identity in item.names[0] for item in menu.entries):
        raise HotkitError(f"grub.cfg already has an entry named {identity}")
    _simulate(custom, identity, menu, derived.cmdline, arguments)
    return EntryPlan(
        method="entry",
        entry_id=identity,
        title=title,
        block=block,
        custom_cfg=custom,
        dropin=None,
        cmdline=derived.cmdline,
        kernel=derived.kernel,
        stock_id=stock.path,
        findings=derived.findings,
    )


def _simulate(
    custom_cfg: str, identity: str, menu: Menu, meant: str, arguments: Sequence[str]
) -> None:
    """Read the new custom.cfg as GRUB will, boot our entry in the model, compare."""
    try:
        custom = read_menu(custom_cfg)
    except HotkitError as error:
        raise HotkitError(
            f"custom.cfg would not be read by GRUB: {error.message}",
            hint="its part outside hotkit's block is broken; run grub-script-check on it",
        ) from error
    found = [item for item in custom.entries if identity in item.names[0]]
    if len(found) != 1 or custom.find(identity) is not found[0]:
        raise HotkitError(
            f"custom.cfg would show {len(found)} entries named {identity}, not one",
            hint="look at what stands around hotkit's block: another entry of that name, or an "
            "open if or {",
        )
    predicted = predicted_cmdline(found[0], menu)
    check_prediction(predicted, meant, arguments)


def check_prediction(predicted: str, meant: str, arguments: Sequence[str]) -> None:
    """Refuse when the simulated command line is not the one that was meant, to the character."""
    tokens = [item.text for item in parse(predicted)]
    lost = [item for item in arguments if item not in tokens]
    if lost:
        raise HotkitError(f"the kernel would not get {lost[0]} but {predicted!r}")
    if predicted != meant:
        raise HotkitError(f"the kernel would get {predicted!r}, not {meant!r}")


def _defaults(
    boot: Mapping[str, Any],
    menu: Menu,
    stock: MenuEntry,
    derived: Derived,
    arguments: Sequence[str],
    *,
    boot_once: bool,
) -> EntryPlan:
    """The drop-in that changes every entry of 10_linux except the recovery ones."""
    generated = [item for item in menu.entries if _from_10_linux(item)]
    target = stock
    if boot_once:
        if _from_10_linux(stock) or not generated:
            raise HotkitError(
                "the defaults method changes every entry that update-grub writes, the default "
                "one too, so no stock entry remains to fall back to",
                hint="use method entry; or commit at once (hotkit_commit: true) if you can "
                "reach the machine's console",
            )
        target = generated[0]
        derived = _derived(menu, target, arguments)
    dropped = [item for item in derived.findings if item.endswith("(the layout decides it)")]
    if dropped:
        raise HotkitError(
            f"{dropped[0]}: a drop-in cannot take an argument out again",
            hint="remove it from /etc/default/grub first, or use method entry",
        )
    dropin = grub_dropin(arguments)
    # More than assignments might keep sh from what comes behind them: refused.
    source(boot.get("default_grub") or "", name="/etc/default/grub")
    # The drop-in adds the same to whatever stood there before.
    value = source(dropin)["GRUB_CMDLINE_LINUX_DEFAULT"]
    # 10_linux puts GRUB_CMDLINE_LINUX_DEFAULT last, verbatim; our drop-in is the last of grub.d.
    linux = extend_linux(target, value)
    predicted = predicted_cmdline(replace(target, body=linux), menu)
    check_prediction(predicted, derived.cmdline, arguments)
    return EntryPlan(
        method="defaults",
        entry_id=target.path,
        title=target.title,
        block=None,
        custom_cfg=None,
        dropin=dropin,
        cmdline=derived.cmdline,
        kernel=derived.kernel,
        stock_id=stock.path,
        findings=(
            *derived.findings,
            "every entry of update-grub gets the layout, except the recovery ones",
        ),
    )


def _from_10_linux(entry: MenuEntry) -> bool:
    return entry.id.startswith("gnulinux-")
