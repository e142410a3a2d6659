"""Menu entries of a grub.cfg: list them, find the one that boots by default, read its parts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hotkit.core.grub_eval import Run, run_script
from hotkit.core.grub_lexer import Function, parse, walk
from hotkit.errors import HotkitError

OUR_PREFIX = "hotkit-"

# grub_strtoull() with base 0 (grub-core/kern/misc.c of 2.06): hexadecimal, octal, decimal. `08` is
# 8, `0x` alone no number, and no menu has a place of more than 18 figures.
_NUMBER = re.compile(
    r"[ \t\r\n]*(?:0x([0-9a-fA-F]+)|0([0-7]+)|(0[89][0-9]{0,16}|[1-9][0-9]{0,17}|0(?!x)))"
)

# Options of menuentry that take a value (grub-core/commands/menuentry.c of 2.06).
_WITH_VALUE = ("--class", "--users", "--hotkey", "--source", "--id")

# What GRUB 2.06 itself sets before it reads grub.cfg, as far as a grub.cfg asks for it
# (grub-core/normal/main.c: features[]; kern/main.c; commands/menuentry.c).
BUILTIN_VARIABLES: Mapping[str, str] = {
    "feature_chainloader_bpb": "y",
    "feature_ntldr": "y",
    "feature_platform_search_hint": "y",
    "feature_default_font_path": "y",
    "feature_all_video_module": "y",
    "feature_menuentry_id": "y",
    "feature_menuentry_options": "y",
    "feature_200_final": "y",
    "feature_nativedisk_cmd": "y",
    "feature_timeout_style": "y",
    "prefix": "/boot/grub",
    "grub_platform": "pc",
    "grub_cpu": "i386",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuEntry:
    """One menuentry. `path` names it as `default` and `next_entry` do (`menu>entry`).

    `params` are what `$1 $2 ...` are inside (the title first); `body` is the text between its
    braces; `places` its index in each menu on the way.
    """

    path: str
    title: str
    params: tuple[str, ...]
    body: str
    places: tuple[int, ...]
    names: tuple[tuple[str, str], ...]  # (id, title) of each menu on the way, its own last
    unrestricted: bool

    @property
    def id(self) -> str:
        return self.names[-1][0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Menu:
    """A grub.cfg as a menu: entries (submenus flattened), and which one boots by default."""

    entries: tuple[MenuEntry, ...]
    default: str  # the variable's value after the file has run
    variables: Mapping[str, str]
    functions: Mapping[str, Function]
    sources_custom_cfg: bool

    def find(self, reference: str) -> MenuEntry | None:
        """The entry that `reference` names, None when GRUB would fall back to some first entry."""
        entry, found = self._resolve(reference)
        return entry if found else None

    def booted_by(self, reference: str) -> MenuEntry | None:
        """The entry that boots with `default` set to `reference`; None for a menu without any.

        As menu.c has it: a name that is not there means the first entry of its menu, silently.
        """
        return self._resolve(reference)[0]

    def _resolve(self, reference: str) -> tuple[MenuEntry | None, bool]:
        """One component (number, id or title) per menu, first match wins; `>>` is a `>`."""
        left = [part.replace("\0", ">") for part in reference.replace(">>", "\0").split(">")]
        entries, depth, found = self.entries, 0, True
        while entries and len(entries[0].places) > depth:
            choice = _choose(entries, depth, left.pop(0) if left else "0")
            found = found and choice is not None
            place = entries[0].places[depth] if choice is None else choice
            entries = tuple(item for item in entries if item.places[depth] == place)
            depth += 1
        return (entries[0] if entries else None), found and not left


def _choose(entries: tuple[MenuEntry, ...], depth: int, name: str) -> int | None:
    """The place of the first entry of one menu that `name` means, or None."""
    if number := _NUMBER.match(name):
        # It stops at the first character that is no digit: `2hotkit` is 2.
        found = zip(number.groups(), (16, 8, 10), strict=True)
        wanted = next(int(digits, base) for digits, base in found if digits)
        return next((wanted for item in entries if item.places[depth] == wanted), None)
    return next((item.places[depth] for item in entries if name in item.names[depth]), None)


def predicted_cmdline(entry: MenuEntry, menu: Menu) -> str:
    """/proc/cmdline when `entry` boots, through our model of GRUB; `menu` is its grub.cfg.

    HotkitError when the entry boots no Linux, or when only the machine knows what it boots.
    """
    run = run_script(entry.body, menu.variables, params=entry.params, functions=menu.functions)
    if run.cmdline is None:
        raise HotkitError(f"menuentry {entry.title!r} boots no Linux")
    return run.cmdline


def read_menu(text: str, grubenv: Mapping[str, str] | None = None) -> Menu:
    """Run a grub.cfg or custom.cfg as far as its menu goes.

    `grubenv` holds the environment block's variables; a pending next_entry is left out, since it
    is not what boots by default. HotkitError where GRUB would not parse the file.
    """
    text = text.replace("\r", "")  # as grub_file_getline does
    nodes = parse(text)
    run = Run(dict(BUILTIN_VARIABLES) | {"menuentry_id_option": "--id"})
    run.loads = {key: value for key, value in (grubenv or {}).items() if key != "next_entry"}
    run.script(nodes)
    custom = (item.words[-1].raw for item in walk(nodes) if item.name in ("source", "."))
    return Menu(
        entries=tuple(_entries(text, run, (), ())),
        default=run.variables.get("default", "0"),
        variables=dict(run.variables),
        functions=dict(run.functions),
        sources_custom_cfg=any(word.endswith("/custom.cfg") for word in custom),
    )


def _entries(
    text: str, run: Run, places: tuple[int, ...], names: tuple[tuple[str, str], ...]
) -> Iterator[MenuEntry]:
    place = 0
    for arguments, command in run.menu:
        identity, params, flags = _menu_options(arguments[1:])
        if not params or command.block is None:
            continue
        here = (*places, place)
        named = (*names, (params[0] if identity is None else identity, params[0]))
        place += 1
        if arguments[0] == "submenu":
            inner = Run(dict(run.variables), params, dict(run.functions))
            inner.script(command.block.body)
            yield from _entries(text, inner, here, named)
            continue
        yield MenuEntry(
            path=">".join(item.replace(">", ">>") for item, _ in named),
            title=params[0],
            params=params,
            body=text[command.block.start : command.block.end],
            places=here,
            names=named,
            unrestricted="--unrestricted" in flags,
        )


def _menu_options(arguments: list[str]) -> tuple[str | None, tuple[str, ...], tuple[str, ...]]:
    """The id (if any), the title with further parameters, and the options without a value."""
    identity: str | None = None
    params: list[str] = []
    flags: list[str] = []
    pending = iter(arguments)
    for item in pending:
        if item == "--":
            params += pending
        elif item in _WITH_VALUE:
            value = next(pending, None)
            if value is None:
                return None, (), ()  # GRUB misses it, and adds no entry
            identity = value if item == "--id" else identity
        elif item.startswith("--id="):
            identity = item.removeprefix("--id=")
        elif item.startswith("--"):
            flags.append(item)
        else:
            params.append(item)
    return identity, tuple(params), tuple(flags)


def stock_entry(menu: Menu) -> MenuEntry:
    """The entry that boots by default, never one of ours.

    As in GRUB, a default that names nothing means the first entry. HotkitError when the file
    has no menuentry at all (the grub.cfg of a system with BLS entries).
    """
    stock = [item for item in menu.entries if not item.id.startswith(OUR_PREFIX)]
    if not stock:
        raise HotkitError(
            "grub.cfg holds no menuentry that ours could be derived from",
            hint="systems with Boot Loader Specification entries (RHEL 8 and later, Fedora) keep "
            "them in /boot/loader/entries; hotkit does not read those yet",
        )
    found = menu.booted_by(menu.default)
    return found if found in stock else stock[0]
