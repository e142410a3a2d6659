"""What GRUB 2.06 makes of words: expansion, and the command line that `linux` hands the kernel.

Follows grub-core/script/execute.c and argv.c (expansion, splitting), grub-core/lib/cmdline.c and
grub-core/loader/i386/linux.c (the kernel's command line). Wildcards are left out: they need a file
that matches, and the `regexp` module.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hotkit.core.grub_lexer import Command, Function, If, Loop, Node, parse, walk
from hotkit.core.grub_words import Word
from hotkit.errors import HotkitError

LINUX_COMMANDS = ("linux", "linux16", "linuxefi")
INITRD_COMMANDS = ("initrd", "initrd16", "initrdefi")


@dataclass(frozen=True, slots=True)
class GrubEnv:
    """GRUB's variables, and `$1 $2 ...` of the scope (in a menuentry `$1` is its title).

    `params` is None outside any scope. A variable that is not there is empty, as in GRUB.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    params: tuple[str, ...] | None = None

    def values(self, name: str, *, split: bool) -> list[str]:
        """The words a reference stands for; `split` for one outside quotes."""
        if name in ("*", "@"):
            params = self.params or ()
            if not split:
                joined = " ".join(params)
                return list(params) if name == "@" else ([joined] if params else [])
            return [piece for value in params for piece in _split(value)]
        if name == "#":
            return [str(len(self.params))] if self.params is not None else []
        if name[0].isdigit():
            number = int(name[:9])  # no script has as many
            params = self.params or ()
            if not 0 < number <= len(params):
                return []
            value = params[number - 1]
            return _split(value) if split else [value]
        value = self.variables.get(name, "")
        return _split(value) if split else [value]


def _split(value: str) -> list[str]:
    """Split at white space as argv.c does; the variable's own edges leave no empty words."""
    return [piece for piece in re.split(r"[ \t\r\n]+", value) if piece]


def expand(words: Iterable[Word], env: GrubEnv) -> list[str]:
    """The arguments that a command gets. A word that expands to nothing, unquoted, vanishes."""
    arguments: list[str] = []
    for word in words:
        current: str | None = None
        for segment in word.segments:
            if segment.kind == "gettext" and "$" in segment.text:
                raise HotkitError(f"the translated string {word.raw} cannot be predicted")
            if segment.kind in ("text", "quoted", "gettext"):  # as without a translation
                current = (current or "") + segment.text
                continue
            values = env.values(segment.text, split=segment.kind == "var")
            if values:
                *whole, last = [(current or "") + values[0], *values[1:]]
                arguments += whole
                current = last
        if current is not None:
            arguments.append(current)
    return arguments


def loader_cmdline(arguments: Iterable[str]) -> str:
    r"""Join arguments as lib/cmdline.c does: `\ ' "` get a backslash, an argument with a space is
    put in double quotes. (The Fedora and RHEL builds leave `\xHH` alone; Debian's does not.)"""
    return " ".join(_loader_argument(item) for item in arguments)


def _loader_argument(argument: str) -> str:
    escaped = re.sub(r"([\\'\"])", r"\\\1", argument)
    return f'"{escaped}"' if " " in argument else escaped


# ---- running a script far enough to know what it boots ---------------------------------------


@dataclass(slots=True)
class Run:
    """A script as it is run: variables, functions, and what the last linux and initrd got."""

    variables: dict[str, str]
    params: tuple[str, ...] | None = None
    functions: dict[str, Function] = field(default_factory=dict)
    linux: list[str] | None = None
    initrd: list[str] = field(default_factory=list)
    loads: Mapping[str, str] = field(default_factory=dict)  # what load_env brings
    menu: list[tuple[list[str], Command]] = field(default_factory=list)  # menuentries, submenus
    status: int | None = 0  # of the last command; None: it depends on the machine
    depth: int = 0
    steps: int = 0  # commands that were run

    @property
    def env(self) -> GrubEnv:
        return GrubEnv(self.variables, self.params)

    @property
    def cmdline(self) -> str | None:
        """/proc/cmdline of what would be booted: GRUB puts BOOT_IMAGE= before the path."""
        return None if self.linux is None else "BOOT_IMAGE=" + loader_cmdline(self.linux)

    def script(self, nodes: tuple[Node, ...]) -> None:
        """Run a whole script. HotkitError where it goes deeper than any that somebody wrote."""
        try:
            self.nodes(nodes)
        except RecursionError as error:
            raise HotkitError("the GRUB script is nested too deep to be followed") from error

    def nodes(self, nodes: tuple[Node, ...]) -> None:
        for node in nodes:
            if isinstance(node, Command):
                self.command(node)
            elif isinstance(node, If):
                self.branch(node)
            elif isinstance(node, Function):
                self.functions[node.name] = node
            else:
                self.loop(node)
            if self.status is not None:
                self.variables["?"] = str(self.status)

    def command(self, command: Command) -> None:
        arguments = expand(command.words, self.env)
        self.steps += 1
        if self.steps > _MOST_STEPS or sum(map(len, arguments)) > _LONGEST:
            raise HotkitError("the GRUB script does not come to an end, or a word of it grows")
        if not arguments:
            return
        name, rest = arguments[0], arguments[1:]
        invert = name == "!"
        if invert and rest:
            name, rest = rest[0], rest[1:]
        if command.block and name in ("menuentry", "submenu"):
            self.menu.append((arguments, command))
        self.status = self.builtin(name, rest)
        if invert and self.status is not None:
            self.status = int(self.status == 0)

    def builtin(self, name: str, arguments: list[str]) -> int | None:
        if name in self.functions:
            return self.call(self.functions[name], arguments)
        if name in ("[", "test"):
            return self.test(arguments[:-1] if name == "[" else arguments)
        if name == "set":
            for item in arguments[:1]:
                variable, equals, value = item.partition("=")
                if equals:
                    self.variables[variable] = value
            return 0
        if name == "unset":
            for variable in arguments:
                self.variables.pop(variable, None)
            return 0
        if name == "load_env":
            self.variables.update(self.loads)
            return 0
        if name in LINUX_COMMANDS:
            self.linux = arguments
            return 0
        if name in INITRD_COMMANDS:
            self.initrd = arguments
            return 0
        if name in ("true", "false"):
            return int(name == "false")
        variable, equals, value = name.partition("=")
        if equals and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
            self.variables[variable] = value
            return 0
        return 0 if name in _HARMLESS else None

    def call(self, function: Function, arguments: list[str]) -> int | None:
        if self.depth > 20:
            raise HotkitError(f"the GRUB function {function.name} calls itself without end")
        outer, self.params = self.params, tuple(arguments)
        self.depth += 1
        self.nodes(function.body)
        self.depth -= 1
        self.params = outer
        return self.status

    def branch(self, node: If) -> None:
        for index, (condition, body) in enumerate(node.branches):
            self.nodes(condition)
            if self.status is None:  # whether any of the rest is run
                for _, later in node.branches[index:]:
                    self.undecided(later)
                self.undecided(node.otherwise)
                continue
            if self.status == 0:
                self.nodes(body)
                return
        self.status = 0
        self.nodes(node.otherwise)

    def undecided(self, nodes: tuple[Node, ...]) -> None:
        """A branch that only the machine can choose: taken as not chosen, if no boot is in it."""
        for command in walk(nodes, blocks=False):
            if command.name in LINUX_COMMANDS:
                raise HotkitError(
                    "the menu entry chooses its linux line by a condition that depends on the "
                    "machine, so the command line cannot be predicted"
                )

    def loop(self, node: Loop) -> None:
        if node.variable is None:  # while, until
            self.undecided(node.body)
            self.status = None
            return
        for value in expand(node.words, self.env):
            self.variables[node.variable] = value
            self.nodes(node.body)

    def test(self, arguments: list[str]) -> int | None:
        """The string tests of commands/test.c. Of files only the grubenv is taken to be there."""
        outcome = True
        for part in _part(arguments, "-a"):
            known = self.test_one(part)
            if known is None:
                return None
            outcome = outcome and known
        return int(not outcome)

    def test_one(self, part: list[str]) -> bool | None:
        if part[:1] == ["!"]:
            inner = self.test_one(part[1:])
            return None if inner is None else not inner
        match part:
            case [left, "=" | "==", right]:
                return left == right
            case [left, "!=", right]:
                return left != right
            case ["-z", value]:
                return value == ""
            case ["-n", value]:
                return value != ""
            case ["-e" | "-f" | "-s", path]:
                return True if path.endswith("/grubenv") else None
            case [value]:
                return value != ""
            case []:
                return False
        return None


# A grub.cfg of a hundred kernels runs some thousand commands. Functions that call each other and
# variables that double take more than there is, as they would in GRUB.
_MOST_STEPS = 50_000
_LONGEST = 1 << 16

# Commands that always succeed. Of the others only the machine knows.
_HARMLESS = ("echo", "export", "menuentry", "submenu")


def _part(words: list[str], separator: str) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for word in words:
        if word == separator:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def run_script(
    text: str,
    variables: Mapping[str, str] | None = None,
    *,
    params: tuple[str, ...] | None = None,
    functions: Mapping[str, Function] | None = None,
) -> Run:
    """Run a script (for example the body of a menuentry) and say what it would boot."""
    run = Run(dict(variables or {}), params, dict(functions or {}))
    run.script(parse(text))
    return run


def kernel_cmdline(
    text: str, variables: Mapping[str, str] | None = None, *, params: tuple[str, ...] | None = None
) -> str:
    """/proc/cmdline after the script's last `linux` command; HotkitError when it has none."""
    found = run_script(text, variables, params=params).cmdline
    if found is None:
        raise HotkitError("the GRUB script has no linux command")
    return found
