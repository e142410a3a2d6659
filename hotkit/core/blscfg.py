r"""How GRUB's blscfg (Fedora, RHEL) expands the `options` of a Boot Loader Specification entry.

Follows expand_val() and field_append() of rhboot/grub2, grub-core/commands/blscfg.c. The outcome is
pasted into a `linux` line and run as a GRUB script: a second reader comes after this one.
"""

from __future__ import annotations

from collections.abc import Mapping


def expand_options(
    options: str, variables: Mapping[str, str] | None = None, *, understands_escape: bool
) -> str:
    r"""`options` after `$name` was replaced; every letter, digit or `_` behind a `$` is its name.

    A value is followed by one space, the space behind the name is eaten, and an unknown name
    leaves nothing at all: `1M$5G maxcpus=4` becomes `1Mmaxcpus=4`. A literal piece of one character
    before a `$` is lost (a field is appended only when it is longer), and all of it when an unknown
    name in the first place has another `$` behind it. With `understands_escape` (since 2025-05-07,
    commit 4f8353a04) a `\$` is left as it is for GRUB's script lexer.
    """
    known = variables or {}
    out: str | None = None  # no field yet
    start = last = 0  # the field under way: options[start..last], as the C code counts
    is_variable = False

    def appended() -> str | None:
        text = options[start : last + 1]
        if not is_variable:
            return (out or "") + text
        return f"{out or ''}{known[text]} " if text in known else out

    for at, char in enumerate(options):
        escaped = understands_escape and at > 0 and options[at - 1] == "\\"
        if char == "$" and not escaped:
            if start != last:
                out = appended()
                if out is None:
                    return ""
            is_variable, start = True, at + 1
        elif is_variable and not (char.isascii() and (char.isalnum() or char == "_")):
            out = appended()
            is_variable, start = False, at + (char == " ")
        last = at
    return (appended() if start != last else out) or ""
