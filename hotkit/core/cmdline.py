"""The kernel's command line: split it as the kernel does, compare it, put it together.

Source: lib/cmdline.c next_arg(), kernel/params.c parse_args() and parameq(), init/main.c,
arch/x86/include/asm/setup.h (Linux 6.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hotkit.core.memparse import strtoull

# COMMAND_LINE_SIZE is 2048 on x86 and counts the closing NUL; the boot protocol's cmdline_size
# tells a loader 2047. What comes after is cut off without a word.
MAX_LENGTH = 2047

# The kernel's isspace() (lib/ctype.c) knows the no-break space of Latin-1 too.
_SPACES = " \t\n\v\f\r\xa0"


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument as the kernel reads it; `value` is None when there was no `=`.

    `text` is the argument as it stood on the line, quotes and all.
    """

    name: str
    value: str | None
    text: str

    def named(self, name: str) -> bool:
        """Whether the kernel would take this for the parameter `name`: `-` and `_` are one."""
        return self.name.replace("-", "_") == name.replace("-", "_")


@dataclass(frozen=True, slots=True)
class Difference:
    """What a found command line lacks and what it has too much, in the order of each line."""

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected)


def parse(line: str) -> tuple[Argument, ...]:
    """All arguments of a command line, those behind `--` (they go to init) left out.

    Quotes protect spaces. A quote that opens a value or a whole argument is dropped together
    with a quote at its very end; quotes anywhere else stay, as in the kernel.
    """
    found: list[Argument] = []
    for argument in _split(line):
        if argument.value is None and argument.name == "--":
            break
        found.append(argument)
    return tuple(found)


def values(line: str, name: str) -> tuple[str | None, ...]:
    """The value of every occurrence of the parameter `name`, in order."""
    return tuple(item.value for item in parse(line) if item.named(name))


def yes_or_no(value: str | None) -> bool | None:
    """A parameter's value as kstrtobool() reads it (lib/kstrtox.c, Linux 6.1), None for neither.

    Only how it begins counts: `y`, `1` or `on`, `n`, `0` or `of`, in either case.
    """
    begin = (value or "").lower()
    if begin.startswith(("y", "1", "on")):
        return True
    return False if begin.startswith(("n", "0", "of")) else None


def render(args: Iterable[str]) -> str:
    """One line of arguments. Raises ValueError on one that the kernel would read differently.

    Arguments with spaces, quotes or backslashes are refused: GRUB escapes those on its way to
    the kernel (grub-core/lib/cmdline.c), so that they do not arrive as written.
    """
    words = list(args)
    for word in words:
        problem = argument_problem(word)
        if problem:
            raise ValueError(f"{word!r} cannot be a kernel argument: {problem}")
    return " ".join(words)


def argument_problem(word: str) -> str | None:
    """Why `word` cannot travel through a boot loader as one kernel argument, or None."""
    if not word:
        return "it is empty"
    for char, what in (("\\", "a backslash"), ('"', "a quote"), ("'", "a quote")):
        if char in word:
            return f"it holds {what}, which GRUB passes on escaped"
    if any(char in _SPACES for char in word):
        return "it holds white space; write one list item per argument"
    if not word.isascii() or not word.isprintable():
        return "it holds a character that is not printable ASCII"
    return None


def difference(expected: Iterable[str], found: str) -> Difference:
    """Compare wanted arguments with a running kernel's line; repeats count, order does not."""
    left = [argument.text for argument in _split(found)]
    missing: list[str] = []
    for word in expected:
        if word in left:
            left.remove(word)
        else:
            missing.append(word)
    return Difference(tuple(missing), tuple(left))


def cpu_limit(line: str) -> int | None:
    """How many CPUs may come up at boot under `line`, None when it sets no limit.

    maxcpus= and nr_cpus= both limit, the smaller one wins; nosmp and maxcpus=0 leave one CPU
    (kernel/smp.c: maxcpus(), nosmp(); kernel/cpu.c: bringup_nonboot_cpus()).
    """
    maxcpus: int | None = None
    for argument in parse(line):
        if argument.named("nosmp"):
            maxcpus = 0
        elif argument.named("maxcpus") and argument.value:
            maxcpus = _get_option(argument.value)[0]
    # The kernel compares maxcpus as unsigned: a negative number limits nothing.
    limits = [] if maxcpus is None or maxcpus < 0 else [max(maxcpus, 1)]
    possible = possible_limit(line)
    return min([*limits, *([] if possible is None else [possible])], default=None)


def possible_limit(line: str) -> int | None:
    """How many CPUs may ever come up: the least nr_cpus= above 0 (kernel/smp.c, nrcpus())."""
    numbers = [item.value for item in parse(line) if item.named("nr_cpus")]
    given = [_get_option(number) for number in numbers if number]
    return min((number for number, valid in given if valid and number > 0), default=None)


def _get_option(text: str) -> tuple[int, bool]:
    """get_option() of lib/cmdline.c: the number, and whether there was one.

    What is no number reads as 0 and still lands in the caller's variable, so that
    `maxcpus=four` leaves one CPU.
    """
    negative = text.startswith("-")
    digits = text[1:] if negative else text
    number, rest = strtoull(digits)
    return (-number if negative else number), rest != digits


def _split(line: str) -> Iterator[Argument]:
    position = 0
    while True:
        while position < len(line) and line[position] in _SPACES:
            position += 1
        if position >= len(line):
            return
        start = position
        quoted = line[position] == '"'
        position += quoted
        begin, equals, in_quote = position, 0, quoted
        while position < len(line) and (in_quote or line[position] not in _SPACES):
            # An "=" in the first place is part of the name: the kernel keeps 0 for "none yet".
            if line[position] == "=" and not equals:
                equals = position - begin
            if line[position] == '"':
                in_quote = not in_quote
            position += 1
        word = line[begin:position]
        name, value = (word[:equals], word[equals + 1 :]) if equals else (word, None)
        if value is not None and value.startswith('"'):
            value = value[1:]
            value = value.removesuffix('"')
        elif quoted and word.endswith('"'):
            if value is None:
                name = name[:-1]
            else:
                value = value[:-1]
        yield Argument(name, value, line[start:position])
        position += 1
