r"""One quoting function per layer that a kernel argument passes, each with its reason.

What is quoted here is undone by the layer's own reader and by nothing else. A `$` lost on the way
is silent: `memmap=127796M$5324M` written bare into grub.cfg reaches the kernel as
`memmap=127796MM`, which caps all RAM at 127796M and boots.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hotkit.core.cmdline import argument_problem
from hotkit.errors import HotkitError

PERCENT_WAY_OUT = "use style '%' (memmap=SIZE%START-1+2), which no layer touches"

# What GRUB's lexer, /bin/sh, YAML and blscfg all leave alone outside quotes.
_PLAIN = re.compile(r"[A-Za-z0-9_.,:/=+%@!~^-]*")


def check_argument(argument: str) -> str:
    r"""The argument, or HotkitError when no loader would pass it on unchanged.

    GRUB escapes `\ ' "` on its way to the kernel (grub-core/lib/cmdline.c), so these arrive with
    a backslash that nobody asked for; white space would make two arguments of one.
    """
    problem = argument_problem(argument)
    if problem:
        raise HotkitError(f"{argument!r} cannot be a kernel argument: {problem}")
    return argument


def grub_word(text: str) -> str:
    r"""Any text as one word of a GRUB script (custom.cfg, grub.cfg).

    A `$` becomes `\$`, outside quotes, the spelling that people look for (and that blscfg leaves
    alone). Plain text stays; the rest goes into single quotes, inside which GRUB changes nothing;
    a single quote itself is written outside them, as `\'`. A line end is refused: it would need
    quotes over two lines.
    """
    if "\n" in text or "\r" in text or "\0" in text:
        raise HotkitError(f"{text!r} holds a line end, which no word of a GRUB script should")
    return "\\$".join(_quoted(part) for part in text.split("$")) if text else "''"


def _quoted(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else "'" + text.replace("'", "'\\''") + "'"


def grub_script(arguments: Sequence[str]) -> str:
    """Kernel arguments as they stand on a `linux` line of custom.cfg."""
    return " ".join(grub_word(check_argument(item)) for item in arguments)


def sh_word(text: str) -> str:
    """Any text as one word of a shell script: single quotes, inside which sh changes nothing."""
    return "'" + text.replace("'", "'\\''") + "'"


def grub_dropin(arguments: Sequence[str]) -> str:
    r"""A whole drop-in for /etc/default/grub.d (Debian's grub-mkconfig sources `*.cfg` there).

    Two readers: sh takes off the single quotes when the file is sourced, 10_linux copies the rest
    verbatim, and GRUB turns `\$` into `$`. In double quotes it would have to be `\\\$`. The
    value is appended to GRUB_CMDLINE_LINUX_DEFAULT, so that the arguments come last on the line
    (exactly predictable) and the recovery entries stay as they were.
    """
    value = sh_word(" " + grub_script(arguments))
    return f'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT"{value}\n'


def bls_options(arguments: Sequence[str], *, understands_escape: bool) -> str:
    r"""The value of `options` in a Boot Loader Specification entry read by GRUB's blscfg.

    blscfg expands `$name` itself and then lets GRUB run the outcome as a script line: two readers.
    Since 2025-05-07 (rhboot/grub2 4f8353a04) it leaves `\$` for the second one. Before that
    (rhel-8, 9.0 to 9.4, 10.0) there is no spelling for a `$`: refused.
    """
    if not understands_escape and any("$" in item for item in arguments):
        raise HotkitError(
            "this blscfg expands every $ of a BLS entry, also \\$: the argument cannot be written",
            hint=f"{PERCENT_WAY_OUT}, or write 'options ... $hotkit_args' and put the arguments "
            "into the GRUB environment block with `grub2-editenv - set hotkit_args=...`",
        )
    return grub_script(arguments)


def bls_grubenv(arguments: Sequence[str]) -> str:
    r"""The value of the variable `hotkit_args` in grubenv, for a BLS entry that names it.

    blscfg pastes the value unscanned; the script line that comes of it turns `\$` into `$`.
    """
    return grub_script(arguments)


def systemd_boot(arguments: Sequence[str]) -> str:
    """The value of `options` for systemd-boot, which expands nothing: the text as it is."""
    return " ".join(check_argument(item) for item in arguments)


def yaml_scalar(text: str) -> str:
    """Any text without control characters as one YAML scalar: plain where that is safe, else in
    single quotes, where only the single quote itself is doubled."""
    if not _YAML_TEXT.fullmatch(text):
        raise HotkitError(f"{text!r} holds a control character; write it without")
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_.=,$%+/@!-]*", text) and text.lower() not in _YAML_WORDS:
        return text
    return "'" + text.replace("'", "''") + "'"


# What YAML takes and is no line break there (YAML 1.1, 5.1 and 5.4); no line of ours holds a tab.
_YAML_TEXT = re.compile(
    "[ -~\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]*"
)
# Plain scalars that YAML 1.1 reads as something other than a string.
_YAML_WORDS = frozenset(["y", "n", "yes", "no", "true", "false", "on", "off", "null"])


@dataclass(frozen=True, slots=True)
class LayerText:
    """How arguments look at one layer: `text`, or `refusal` and the `way_out`."""

    layer: str
    text: str | None
    reason: str
    refusal: str | None = None
    way_out: str | None = None


def every_layer(arguments: Sequence[str]) -> tuple[LayerText, ...]:
    """The arguments at each layer, for people to compare (`hotkit layout quote`)."""
    for item in arguments:
        check_argument(item)
    rows: tuple[tuple[str, str, Callable[[], str]], ...] = (
        ("kernel", "what /proc/cmdline must show", lambda: " ".join(arguments)),
        (
            "YAML",
            "one scalar; a flow list [a, b] would split it at the comma",
            lambda: yaml_scalar(" ".join(arguments)),
        ),
        (
            "GRUB script",
            "custom.cfg: GRUB reads it once; \\$ is a dollar",
            lambda: grub_script(arguments),
        ),
        (
            "grub.d drop-in",
            "sh takes the single quotes, then GRUB takes the backslash",
            lambda: grub_dropin(arguments).rstrip("\n"),
        ),
        (
            "BLS entry",
            "blscfg since May 2025 leaves \\$ for GRUB",
            lambda: bls_options(arguments, understands_escape=True),
        ),
        (
            "BLS entry, older",
            "blscfg of RHEL 8, 9.0 to 9.4, 10.0 expands every $",
            lambda: bls_options(arguments, understands_escape=False),
        ),
        (
            "BLS + grubenv",
            "hotkit_args in grubenv, `options ... $hotkit_args` in the entry",
            lambda: bls_grubenv(arguments),
        ),
        ("systemd-boot", "expands nothing", lambda: systemd_boot(arguments)),
    )
    return tuple(_layer(*row) for row in rows)


def _layer(layer: str, reason: str, render: Callable[[], str]) -> LayerText:
    try:
        return LayerText(layer, render(), reason)
    except HotkitError as error:
        return LayerText(layer, None, reason, error.message, error.hint)
