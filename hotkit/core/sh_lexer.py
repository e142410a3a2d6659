"""What a POSIX shell makes of the assignments in /etc/default/grub and its grub.d drop-ins.

grub-mkconfig sources these files with `.`, so the shell undoes one layer of quoting before
10_linux copies the values verbatim into grub.cfg (here-documents are expanded once, the outcome is
not scanned again). Only assignments are modelled; a command in backquotes makes the value unknown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from hotkit.errors import HotkitError

# grub-mkconfig does `set $grub_probe dummy` before it sources the files: these are $1 and $2
# there (grub-mkconfig of 2.06; "memmap=256M$1G" became "256M/usr/sbin/grub-probeG" that way).
MKCONFIG_PARAMS = ("/usr/sbin/grub-probe", "dummy")

_ASSIGNMENT = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)(\+?=)")
_REFERENCE = re.compile(
    r"\$(?:([A-Za-z_][A-Za-z0-9_]*|[0-9]|[?#*@!$-])|\{([A-Za-z_][A-Za-z0-9_]*|[0-9]+)\})"
)


class _Opaque(Exception):
    """The value needs a command's output."""


def source(
    text: str,
    variables: Mapping[str, str] | None = None,
    *,
    params: tuple[str, ...] = MKCONFIG_PARAMS,
    name: str = "the file",
) -> dict[str, str]:
    """Variables after `. file`: those given, changed by the file's assignments.

    A variable whose value needs a command's output is left out of the result. Raises HotkitError
    with the line for anything but comments, blank lines and assignments.
    """
    known = dict(variables or {})
    at = 0
    while at < len(text):
        if text[at] in " \t\n;":
            at += 1
            continue
        if text[at] == "#":
            at = _line_end(text, at)
            continue
        found = _ASSIGNMENT.match(text, at)
        begin = at
        if not found or found[2] == "+=":
            shown = text[at : _line_end(text, at)]
            raise _refused(text, begin, name, f"{shown!r} is not an assignment")
        try:
            value, at = _value(text, found.end(), known, params)
            known[found[1]] = value
        except _Opaque:
            known.pop(found[1], None)
            at = _line_end(text, at)
        except ValueError as error:
            raise _refused(text, begin, name, str(error)) from error
        if at < len(text) and text[at] not in " \t\n;":
            raise _refused(text, begin, name, f"{text[at]!r} after the value is a command")
    return known


def _refused(text: str, at: int, name: str, why: str) -> HotkitError:
    line = text.count("\n", 0, at) + 1
    return HotkitError(f"{name}, line {line}: {why}")


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _value(
    text: str, at: int, known: Mapping[str, str], params: tuple[str, ...]
) -> tuple[str, int]:
    """The right side of an assignment (no splitting, no globbing there) and where it ends."""
    out = ""
    while at < len(text) and text[at] not in " \t\n;&|<>()":
        char = text[at]
        if char == "'":
            end = text.find("'", at + 1)
            if end < 0:
                raise ValueError("the single quote is never closed")
            out += text[at + 1 : end]
            at = end + 1
        elif char == '"':
            piece, at = _double(text, at + 1, known, params)
            out += piece
        elif char == "\\":
            following = text[at + 1 : at + 2]
            out += "" if following == "\n" else following
            at += 2
        elif char == "$":
            piece, at = _reference(text, at, known, params)
            out += piece
        elif char == "`" or (char == "~" and text[at - 1] in "=:"):
            raise _Opaque  # a command, a home directory
        else:
            out += char
            at += 1
    return out, at


def _double(
    text: str, at: int, known: Mapping[str, str], params: tuple[str, ...]
) -> tuple[str, int]:
    r"""Inside double quotes a backslash escapes only ``$ ` " \`` and the newline."""
    out = ""
    while at < len(text):
        char = text[at]
        if char == '"':
            return out, at + 1
        if char == "`":
            raise _Opaque
        if char == "\\" and text[at + 1 : at + 2] in ("$", "`", '"', "\\", "\n"):
            out += "" if text[at + 1] == "\n" else text[at + 1]
            at += 2
        elif char == "$":
            piece, at = _reference(text, at, known, params)
            out += piece
        else:
            out += char
            at += 1
    raise ValueError("the double quote is never closed")


def _reference(
    text: str, at: int, known: Mapping[str, str], params: tuple[str, ...]
) -> tuple[str, int]:
    if text.startswith("$(", at):
        raise _Opaque
    found = _REFERENCE.match(text, at)
    if not found:
        if text.startswith("${", at):
            raise ValueError("a ${...} with an operator is not modelled")
        return "$", at + 1  # a lone $ stands for itself
    variable = found[1] or found[2]
    if variable.isdigit():
        number = int(variable[:9])  # no script has as many
        return (params[number - 1] if 0 < number <= len(params) else ""), found.end()
    if variable in "?#*@!$-":
        raise _Opaque
    return known.get(variable, ""), found.end()
