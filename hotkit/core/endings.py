"""How a boot ended, told from its serial console: a table of known endings.

Each was made to happen on a lab machine and its log kept in tests/data/consoles. The texts are
those of Linux 6.1 (mm/oom_kill.c, kernel/panic.c, init/do_mounts.c), initramfs-tools 0.142
(scripts/functions, scripts/local), systemd 252 and GRUB 2.06.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hotkit.core.plaintext import plain

_LINES = 14
_STAMP = re.compile(r"^\[ *\d+\.\d+\] ")
# Where a boot begins: GRUB says what it boots, the kernel who it is (not with `quiet`).
_BEGINS = re.compile(
    r"Booting `(?P<title>[^'\n]*)'|^(?:\[ *0\.0+\] )?Linux version \d", re.MULTILINE
)
_KERNEL_SAID = re.compile(r"^\[ *\d+\.\d+\] |^Linux version ", re.MULTILINE)
# A link, or one of the services that set addresses: systemd-networkd, NetworkManager, ifupdown.
_NETWORK = re.compile(
    r"link becomes ready|(?:Started|Finished) .*"
    r"(?:Network Configuration|Network Manager|networking|Raise network interfaces)"
)
_OURS = "hotkit "  # how the titles of hotkit's entries begin
_CMDLINE = re.compile(r"(?:Kernel c|C)ommand line: (.*)")
_USER_SPACE = re.compile(r"systemd\[1\]: |Welcome to |Started |Reached target ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """`kind` is a stable word for scripts, `sentence` the diagnosis, `lines` what it rests on."""

    kind: str
    sentence: str
    lines: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"kind": self.kind, "sentence": self.sentence, "lines": list(self.lines)}


# In this order: the first that is found names the ending. {0}, {1} are the pattern's groups.
_TABLE = (
    ("oom", r"Kernel panic - not syncing: (System is deadlocked on memory|"
            r"Out of memory: \w+ panic_on_oom is enabled|.*[Oo]ut of memory.*)",
     "the kernel ran out of memory {when} and panicked ({0})"),
    ("wrong-root", r"Gave up waiting for (?:root|suspend).* device|ALERT! +(\S+) does not exist|"
                   r"Cannot open root device \"(\S*)\"|VFS: Unable to mount root fs",
     "the root file system was not found{named}"),
    ("initramfs-shell", r"^\(initramfs\)|Spawning shell within the initramfs",
     "the boot stopped in the initramfs, at a shell"),
    ("panic", r"Kernel panic - not syncing: (.+)", "the kernel panicked: {0}"),
    ("emergency", r"You are in (?:emergency|rescue) mode|Reached target .*emergency\.target",
     "systemd stopped in emergency mode: a mount or a unit that it needs failed"),
    ("deadman", r"hotkit: not verified within (\d+) s",
     "the layout came up and nobody could verify it: {reach}; the guard rebooted it after {0} s"),
)  # fmt: skip
_GRUB = (
    ("grub-shell", r"^grub(?: rescue)?> ?$", "GRUB stopped at its own prompt"),
    ("grub-error", r"error: (.*(?:not found|no such|invalid|unknown|out of|can't|couldn't).*)",
     "GRUB could not load the entry: {0}"),
)  # fmt: skip


def ending_of(console_text: str, token: str | None = None) -> Ending:
    """What became of the boot in `console_text` (all that was said since before the reboot).

    `token` is the argument that the wanted boot carries (`hotkit.id=...`): with it, only that boot
    is looked at, and a machine that booted another entry at once is told apart.
    """
    text = plain(console_text)
    loader, boots = _boots(text)
    wanted = next((boot.text for boot in boots if boot.is_of(token)), None)
    if wanted is None:
        return _never_started(loader, text, boots)
    for kind, pattern, sentence in _TABLE:
        found = re.search(pattern, wanted, re.MULTILINE)
        if found:
            said = sentence.format(*found.groups(), **_circumstances(wanted, found))
            return Ending(kind=kind, sentence=said, lines=_around(wanted, found.start()))
    if not _KERNEL_SAID.search(wanted):
        sentence = "the kernel was loaded and never said a word: mostly too little memory to begin"
        return Ending(kind="silent-hang", sentence=sentence, lines=_last(wanted))
    if " login:" in wanted:
        sentence = f"the layout came up and could not be reached: {_reach(wanted)}"
        return Ending(kind="no-ssh", sentence=sentence, lines=_last(wanted))
    last = _last(wanted)
    sentence = f"the boot stopped without a word, after: {_STAMP.sub('', last[-1])}"
    return Ending(kind="hang", sentence=sentence, lines=last)


def last_line(console_text: str) -> str:
    """The last line that says something, without its time stamp."""
    lines = _last(plain(console_text), 1)
    return _STAMP.sub("", lines[0]) if lines else ""


@dataclass(frozen=True, slots=True)
class _Boot:
    title: str | None
    text: str

    @property
    def cmdline(self) -> str:
        found = _CMDLINE.search(self.text)
        return found[1] if found else ""

    def is_of(self, token: str | None) -> bool:
        if token is None:
            return True
        if self.cmdline:
            return token in self.cmdline.split()
        # A quiet kernel does not say how it was started: GRUB's word for it.
        return bool(self.title and self.title.startswith(_OURS))


def _boots(text: str) -> tuple[str, list[_Boot]]:
    """What came before the first boot, and every boot with all that it said."""
    begins: list[re.Match[str]] = []
    for found in _BEGINS.finditer(text):
        # A kernel's first word right behind GRUB's last is the same boot.
        same = begins and begins[-1]["title"] is not None and found["title"] is None
        if not same or _KERNEL_SAID.search(text[begins[-1].end() : found.start()]):
            begins.append(found)
    if not begins:
        return text, []
    ends = [*(item.start() for item in begins[1:]), len(text)]
    boots = [
        # Behind GRUB's next menu another boot begins.
        _Boot(a["title"], text[a.start() : b].partition("GNU GRUB  version")[0])
        for a, b in zip(begins, ends, strict=True)
    ]
    return text[: begins[0].start()], boots


def _never_started(loader: str, text: str, boots: list[_Boot]) -> Ending:
    for kind, pattern, sentence in _GRUB:
        found = re.search(pattern, loader, re.MULTILINE)
        if found:
            said = sentence.format(*found.groups())
            return Ending(kind=kind, sentence=said, lines=_around(loader, found.start()))
    if boots:
        line = boots[0].cmdline or boots[0].title or ""
        return Ending(
            kind="wrong-entry",
            sentence="GRUB booted another entry: the armed one was not found",
            lines=(f"booted: {line}",),
        )
    return Ending(kind="unknown", sentence="nothing was heard of a boot", lines=_last(text))


def _circumstances(boot: str, found: re.Match[str]) -> Mapping[str, str]:
    before = boot[: found.start()]
    name = next((group for group in found.groups() if group), "")
    return {
        "when": "in user space" if _USER_SPACE.search(before) else "in the initramfs",
        "named": f" ({name})" if name else "",
        "reach": _reach(boot),
    }


def _reach(boot: str) -> str:
    """Which of the things that a login over the network needs did not start."""
    if not _NETWORK.search(boot):
        return "its network was not brought up"
    if not re.search(r"Started .*(?:ssh|Secure Shell)", boot):
        return "sshd did not start"
    return "sshd and network were started, so a firewall, an address or a key may be in the way"


def _around(text: str, at: int) -> tuple[str, ...]:
    number = text[:at].count("\n")
    lines = text.split("\n")
    kept = [line.rstrip() for line in lines[max(0, number - 3) : number + _LINES - 3]]
    return tuple(line for line in kept if line)


def _last(text: str, count: int = _LINES) -> tuple[str, ...]:
    lines = [line.rstrip() for line in text.split("\n") if line.strip()]
    return tuple(lines[-count:])
