"""The body of our menuentry: the stock entry's own, with our arguments on its linux line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hotkit.core import cmdline
from hotkit.core.grub_cfg import MenuEntry
from hotkit.core.grub_eval import INITRD_COMMANDS, LINUX_COMMANDS, loader_cmdline
from hotkit.core.grub_lexer import Command, parse, walk
from hotkit.core.grub_quote import grub_script, grub_word
from hotkit.core.grub_words import Word
from hotkit.core.savings import replaced_by
from hotkit.errors import HotkitError

# Arguments of the stock entry that would change what the layout sets: left out, and said so.
_DROPPED = ("memmap", "mem", "maxcpus", "nr_cpus", "possible_cpus", "nosmp", "panic")
# Arguments under which a planned node layout cannot come true (numa=off, a faked EFI map): refused.
_REFUSED = ("numa", "efi_fake_mem")
# Where the arguments that a `defaults` drop-in of ours added begin.
TOKEN_NAME = "hotkit.id"
# Commands of the stock body that write the environment block: the trial must not change what
# boots next (Debian's GRUB_SAVEDEFAULT, Ubuntu's recordfail).
_WRITING = ("savedefault", "recordfail", "save_env")
# Variables of GRUB that only decide how the console looks, and so may be left out.
_COSMETIC = ("vt_handoff",)


@dataclass(frozen=True, slots=True)
class Derived:
    """The new body, the command line it must give, and sentences on what was changed."""

    body: str
    cmdline: str
    kernel: str
    findings: tuple[str, ...]


def derive(
    entry: MenuEntry,
    arguments: Sequence[str],
    *,
    kernel: str | None = None,
    initrd: str | None = None,
) -> Derived:
    """The stock entry's body with `arguments` at the end of its linux line.

    `kernel` and `initrd` are paths on the machine (/boot/hotkit/vmlinuz-...) that replace the
    stock ones; they must be below /boot. A kernel without an initrd boots without one. HotkitError
    when the body has not exactly one unconditional linux command, or is not predictable.
    """
    linux, others = _linux_of(entry)
    findings: list[str] = []
    path_word, base = linux.words[1], linux.words[2:]
    stock_kernel = path_word.literal
    if stock_kernel is None:
        raise HotkitError(f"menuentry {entry.title!r}: the kernel's path holds a GRUB variable")
    new_kernel = _grub_path(kernel, stock_kernel) if kernel else stock_kernel
    kept = _kept(entry, base, arguments, findings)
    before, behind = _part_at_dashes(kept)

    line = " ".join(
        [linux.words[0].raw, grub_word(new_kernel) if kernel else path_word.raw]
        + [word.raw for word in before]
        + [grub_script(arguments)]
        + [word.raw for word in behind]
    )
    edits = [(linux.start, linux.end, line)]
    for command in others:
        if command.name in _WRITING:
            findings.append(f"left out: {command.name!r}, which writes the environment block")
            edits.append((command.start, command.end, "true"))
        elif kernel and command.name in INITRD_COMMANDS:
            new = "true"
            if initrd:
                new = f"{command.words[0].raw} {grub_word(_grub_path(initrd, stock_kernel))}"
            edits.append((command.start, command.end, new))
        elif kernel and command.name == "echo":
            # It names the stock kernel's version.
            edits.append((command.start, command.end, "true"))
    meant = [new_kernel, *_texts(before), *arguments, *_texts(behind)]
    return Derived(
        body=_apply(entry.body, edits),
        cmdline="BOOT_IMAGE=" + loader_cmdline(meant),
        kernel=new_kernel,
        findings=tuple(findings),
    )


def extend_linux(entry: MenuEntry, text: str) -> str:
    """The entry's body with `text`, verbatim, at the end of the linux line: as 10_linux puts
    GRUB_CMDLINE_LINUX_DEFAULT there. What a hotkit drop-in put there before is taken off."""
    linux, _ = _linux_of(entry)
    ours = [word for word in linux.words if word.raw.startswith(f"{TOKEN_NAME}=")]
    end = ours[0].start if ours else linux.end
    return entry.body[:end] + text + entry.body[linux.end :]


def _linux_of(entry: MenuEntry) -> tuple[Command, list[Command]]:
    """The one linux command of an entry, and the other commands outside of conditions."""
    nodes = parse(entry.body)
    plain = [node for node in nodes if isinstance(node, Command)]
    every = [item for item in walk(nodes, blocks=False) if item.name in LINUX_COMMANDS]
    found = [item for item in plain if item.name in LINUX_COMMANDS]
    if len(every) != 1 or len(found) != 1 or len(found[0].words) < 2:
        raise HotkitError(
            f"menuentry {entry.title!r} has {len(every)} linux commands, {len(found)} of them "
            "outside of an if; hotkit can only derive an entry from exactly one",
            hint="make a plain menuentry the default, then try again",
        )
    return found[0], [item for item in plain if item is not found[0]]


def _kept(
    entry: MenuEntry, base: Sequence[Word], ours: Sequence[str], findings: list[str]
) -> list[Word]:
    """The stock arguments that go into our entry: none that the layout decides, or gives itself."""
    dropped = {*_DROPPED, *replaced_by(ours)}
    kept: list[Word] = []
    for_init = False
    for word in base:
        text = word.literal
        if text is None:
            if set(word.variables) <= set(_COSMETIC):
                findings.append(f"left out of the stock arguments: {word.raw}")
                continue
            raise HotkitError(
                f"menuentry {entry.title!r}: the argument {word.raw} depends on a GRUB variable, "
                "so the command line cannot be predicted",
            )
        for_init = for_init or text == "--"
        if for_init:
            kept.append(word)
            continue
        parsed = cmdline.parse(text)
        name = parsed[0].name.replace("-", "_") if parsed else text
        if name == TOKEN_NAME:
            findings.append("the stock entry carries a hotkit layout: left out from there on")
            return kept
        if name in _REFUSED:
            raise HotkitError(
                f"menuentry {entry.title!r} boots with {text}, under which no node layout comes "
                "true",
                hint="take it out of /etc/default/grub, run update-grub, then try again",
            )
        if name in dropped or text in ours:
            findings.append(f"left out of the stock arguments: {text} (the layout decides it)")
            continue
        kept.append(word)
    return kept


def _part_at_dashes(words: Sequence[Word]) -> tuple[list[Word], list[Word]]:
    """What is for the kernel, and what stands behind `--` (it goes to init, ours must not)."""
    for position, word in enumerate(words):
        if word.literal == "--":
            return list(words[:position]), list(words[position:])
    return list(words), []


def _texts(words: Sequence[Word]) -> list[str]:
    return [text for word in words if (text := word.literal) is not None]


def _grub_path(path: str, stock_kernel: str) -> str:
    """A file below /boot as GRUB names it, next to the stock kernel.

    Where /boot is a file system of its own, GRUB calls /boot/vmlinuz just /vmlinuz.
    """
    if not path.startswith("/boot/"):
        raise HotkitError(f"{path} is not below /boot, where GRUB finds kernels")
    return stock_kernel.rpartition("/")[0] + path.removeprefix("/boot")


def _apply(text: str, edits: Sequence[tuple[int, int, str]]) -> str:
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text
