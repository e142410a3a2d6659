"""Writes man/man1/ from every command's --help: one page for each command below `hotkit`.

tests/unit/test_man_pages.py compares them, and shows them to groff. The wheel carries them to
share/man, where man(1) looks beside the bin/ of an environment that is on PATH.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from hotkit import __version__
from hotkit.cli import cli

MAN = Path(__file__).resolve().parent.parent / "man" / "man1"
# What groff would read as a request, or print as another character than was meant (groff_char(7)).
_CHARACTERS = {"\\": r"\e", "-": r"\-", "^": r"\(ha", "~": r"\(ti", "`": r"\(ga", "'": r"\(aq"}
# click: the paragraph below it keeps its lines.
_VERBATIM = "\b\n"
_EXIT_CODES = "Exit codes:"


def pages() -> dict[str, str]:
    """File name -> roff text, for `hotkit` and each of its commands."""
    top = click.Context(cli, info_name="hotkit", **cli.context_settings)
    commands = {name: cli.get_command(top, name) for name in cli.list_commands(top)}
    shown = {name: item for name, item in commands.items() if item and not item.hidden}
    found = {"hotkit.1": _page(cli, top, [f"hotkit-{name}" for name in shown])}
    for name, command in shown.items():
        context = click.Context(command, info_name=name, parent=top)
        found[f"hotkit-{name}.1"] = _page(command, context, ["hotkit"])
    return found


def _page(command: click.Command, ctx: click.Context, see_also: list[str]) -> str:
    title = ctx.command_path.replace(" ", "-")
    lines = [
        '.\\" Generated from --help by `make docs`. Do not edit by hand.',
        f'.TH {escape(title.upper())} 1 "" "hotkit {escape(__version__)}" "hotkit"',
        ".SH NAME",
        f"{escape(title)} \\- {escape(_summary(command))}",
        ".SH SYNOPSIS",
        *_synopsis(command, ctx),
        ".SH DESCRIPTION",
        *_prose(_help(command)),
        *_options(command, ctx, ".SH OPTIONS"),
    ]
    if isinstance(command, click.Group):
        lines.append(".SH COMMANDS")
        if ctx.parent is None:
            lines += _list_of_commands(command, ctx)
        else:
            lines += [line for item in _below(command, ctx) for line in _section(*item)]
    lines.append(".SH SEE ALSO")
    lines += _separated([f"\\fB{escape(name)}\\fR(1)" for name in see_also])
    return "\n".join(lines) + "\n"


def _below(
    command: click.Group, ctx: click.Context
) -> Iterator[tuple[click.Command, click.Context]]:
    """All commands under a group, the groups among them before what they hold."""
    for name in command.list_commands(ctx):
        child = command.get_command(ctx, name)
        if child is None or child.hidden:
            continue
        context = click.Context(child, info_name=name, parent=ctx)
        yield child, context
        if isinstance(child, click.Group):
            yield from _below(child, context)


def _section(command: click.Command, ctx: click.Context) -> list[str]:
    return [
        f".SS {escape(ctx.command_path)}",
        *_synopsis(command, ctx),
        ".PP",
        *_prose(_help(command)),
        *_options(command, ctx, ".PP"),
    ]


def _list_of_commands(command: click.Group, ctx: click.Context) -> list[str]:
    lines = []
    for name in command.list_commands(ctx):
        child = command.get_command(ctx, name)
        if child is not None and not child.hidden:
            page = f"hotkit-{name}"
            lines += [".TP", f"\\fB{escape(page)}\\fR(1)", _text(child.get_short_help_str(200))]
    return lines


def _synopsis(command: click.Command, ctx: click.Context) -> list[str]:
    pieces = " ".join(command.collect_usage_pieces(ctx))
    return [f"\\fB{escape(ctx.command_path)}\\fR {escape(pieces)}"]


def _options(command: click.Command, ctx: click.Context, head: str) -> list[str]:
    records = [param.get_help_record(ctx) for param in command.get_params(ctx)]
    lines = []
    for record in records:
        # Arguments are described in the prose. Every section would end with --help: the first
        # list of options on a page holds it.
        if record is None or not record[1] or (head == ".PP" and "--help" in record[0]):
            continue
        lines += [".TP", f"\\fB{escape(record[0])}\\fR", _text(record[1])]
    return [head, *lines] if lines else []


def _prose(text: str) -> list[str]:
    """Paragraphs of a help text; those that click keeps as they are stay as they are."""
    lines: list[str] = []
    for number, paragraph in enumerate(text.split("\n\n")):
        lines += [".PP"] if number else []
        if paragraph.startswith(_VERBATIM):
            body = paragraph.removeprefix(_VERBATIM).splitlines()
            if body[0].startswith(_EXIT_CODES):
                lines.append(_text(" ".join(body)))
            else:
                lines += [".nf", *map(_text, body), ".fi"]
        else:
            lines.append(_text(" ".join(paragraph.split())))
    return lines


def _help(command: click.Command) -> str:
    return inspect.cleandoc((command.help or "").partition("\f")[0])


def _summary(command: click.Command) -> str:
    """The first sentence, as apropos(1) lists it: without its full stop."""
    first = " ".join(_help(command).split("\n\n")[0].split())
    return first.partition(". ")[0].rstrip(".:")


def _separated(words: list[str]) -> list[str]:
    return [f"{word}," for word in words[:-1]] + words[-1:]


def _text(line: str) -> str:
    r"""One line of text: a dot or an apostrophe at its beginning is no request (\& hides it)."""
    safe = escape(line)
    return f"\\&{safe}" if safe.startswith(".") else safe


def escape(text: str) -> str:
    """Text as groff prints it again, whatever it holds."""
    return "".join(
        _CHARACTERS.get(mark, mark if mark.isascii() else f"\\[u{ord(mark):04X}]") for mark in text
    )


def write() -> None:
    """Make the folder hold these pages and no others."""
    MAN.mkdir(parents=True, exist_ok=True)
    wanted = pages()
    for file in MAN.glob("*.1"):
        if file.name not in wanted:
            file.unlink()
    for name, text in wanted.items():
        (MAN / name).write_text(text)


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        write()
    else:
        sys.stdout.write("\n".join(pages().values()))
