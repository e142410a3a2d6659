r"""Which wrong spelling of a kernel argument makes the text that the kernel got.

The kernel needs `memmap=1G$5G`, and every layer before it (a shell, GRUB's script language, blscfg)
may eat the `$`. Nothing is guessed here: each spelling that people write is run through the models
of its layers, with the wanted argument, and what comes out is looked for in /proc/cmdline.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from hotkit.core import sh_lexer
from hotkit.core.blscfg import expand_options
from hotkit.core.grub_eval import kernel_cmdline
from hotkit.errors import HotkitError

Where = Literal["menuentry", "default_grub", "bls", "as-is"]

FILES: dict[Where, str] = {
    "menuentry": "custom.cfg (or any menuentry of grub.cfg)",
    "default_grub": "/etc/default/grub or grub.d/*.cfg",
    "bls": "a BLS entry (loader/entries/*.conf)",
    "as-is": "a loader that expands nothing (kexec, systemd-boot)",
}

# Stands for the entry's title, which is `$1` inside a menuentry. A title with a space takes
# another way through GRUB: split outside quotes, the whole argument quoted inside them.
_TITLES = ("\ue000", "\ue000 \ue001")
# A title never holds what GRUB or a shell would have put there itself.
_TITLE_PATTERN = r"(?P<title>[^\\$/\"](?:[^\\$\"]*[^\\$\"])?)"


@dataclass(frozen=True, slots=True)
class Spelling:
    r"""One wrong way to write the `$`: `written` stands for it, inside quotes of the kind `quote`
    ("" for none), in the kind of file `where`; `why` says what goes wrong."""

    written: str
    quote: Literal["", "'", '"']
    where: Where
    why: str

    def spell(self, argument: str) -> str:
        """`argument` as it stands in the file, quotes left out."""
        return argument.replace("$", self.written)

    @property
    def form(self) -> str:
        r"""How a person would call it: `$`, or `"\$"` with the quotes around the argument."""
        return f"{self.quote}{self.written}{self.quote}"


_NAME = "GRUB reads the $ and the digits or letters behind it as a variable"
_SHELL = "the shell that reads the file takes $ and one digit for its own parameter"
_HALF = "the shell takes the backslash away, and then GRUB the $"
_TWICE = "it is escaped once too often, and a backslash reaches the kernel"
_SLASH = "the backslashes escape each other, not the $"

SPELLINGS = (
    Spelling("$", "", "menuentry", _NAME),
    Spelling("$", '"', "menuentry", _NAME),
    Spelling(r"\\$", "", "menuentry", _SLASH),
    Spelling(r"\\$", '"', "menuentry", _SLASH),
    Spelling(r"\\\$", "", "menuentry", _TWICE),
    Spelling(r"\\\$", '"', "menuentry", _TWICE),
    Spelling(r"\$", "'", "menuentry", "inside single quotes the backslash stays"),
    Spelling("$", '"', "default_grub", _SHELL),
    Spelling(r"\$", '"', "default_grub", _HALF),
    Spelling(r"\\$", '"', "default_grub", _SHELL),
    Spelling("$", "'", "default_grub", _NAME),
    Spelling(r"\\\$", "'", "default_grub", _TWICE),
    Spelling("$", "", "bls", "blscfg reads the $ as a variable and swallows the space behind it"),
    Spelling(r"\$", "", "bls", "this blscfg (before May 2025) expands an escaped $ too"),
    Spelling(r"\$", "", "as-is", "nothing takes the backslash away"),
)


@dataclass(frozen=True, slots=True)
class Match:
    """A spelling that gives the text `found`; `title` is what GRUB put in the place of `$1`."""

    spelling: Spelling
    argument: str
    found: str
    title: str | None


def derive(argument: str, following: str, cmdline: str) -> tuple[Match, ...]:
    """The wrong spellings of `argument` whose outcome stands on `cmdline`, likeliest first.

    `following` is the argument that was written behind it: blscfg glues the two together. Empty
    when `argument` holds no `$`, when it arrived as it should, or when no spelling explains it.
    """
    if "$" not in argument or re.search(_alone(re.escape(argument)), cmdline):
        return ()
    matches = []
    for spelling in SPELLINGS:
        for title in _TITLES:
            for text in _arrivals(spelling, argument, following, title):
                found = re.search(_pattern(text), cmdline)
                if found:
                    stood_in = found.groupdict().get("title")
                    matches.append(Match(spelling, argument, found["found"], stood_in))
    unique = {(item.spelling, item.found): item for item in matches}
    # Text that a spelling gives to the letter explains more than one with a guessed title in it.
    return tuple(sorted(unique.values(), key=lambda item: item.title is not None))


def _arrivals(spelling: Spelling, argument: str, following: str, title: str) -> Iterator[str]:
    """What the kernel gets, with `title` as the entry's title; nothing when GRUB refuses it."""
    text = spelling.quote + spelling.spell(argument) + spelling.quote
    if spelling.where == "as-is":
        yield text
        return
    try:
        for read in _readings(spelling, text, following):
            yield _grub(read, title)
    except HotkitError:
        return


def _readings(spelling: Spelling, text: str, following: str) -> list[str]:
    """What the layer before GRUB makes of it; without what needs the output of a command."""
    if spelling.where == "default_grub":
        sourced = (
            sh_lexer.source(f"v={text}\n", params=params)
            for params in (sh_lexer.MKCONFIG_PARAMS, ())
        )
        return [found["v"] for found in sourced if "v" in found]
    if spelling.where == "bls":
        return [expand_options(f"{text} {following}", understands_escape=False)]
    return [text]


def _grub(text: str, title: str) -> str:
    """What `linux` in a menuentry of that title hands the kernel."""
    return kernel_cmdline(f"linux /k {text}\n", params=(title,)).removeprefix("BOOT_IMAGE=/k ")


def _pattern(text: str) -> str:
    parts, seen = [], False
    for piece in re.split(f"({_TITLES[1]}|{_TITLES[0]})", text):
        if piece in _TITLES:
            parts.append("(?P=title)" if seen else _TITLE_PATTERN)
            seen = True
        else:
            parts.append(re.escape(piece))
    return _alone("".join(parts))


def _alone(pattern: str) -> str:
    return rf"(?:^|(?<=\s))(?P<found>{pattern})(?=\s|$)"
