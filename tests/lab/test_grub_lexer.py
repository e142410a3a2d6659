"""Our lexer against real GRUB 2.06: the same text, the same command line, to the character."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from real_grub import boot

from hotkit.core.boot_plan import entry_plan
from hotkit.core.grub_cfg import predicted_cmdline, read_menu, stock_entry
from hotkit.core.grub_lexer import parse
from hotkit.core.grub_quote import grub_script, grub_word
from hotkit.core.grub_words import GrubSyntaxError
from hotkit.core.grubenv import render
from hotkit.core.layout import Layout

pytestmark = pytest.mark.lab

DATA = Path(__file__).parent.parent / "data" / "grub"
LAYOUT = Layout(
    profile="4C16G-remote",
    topology="any",
    style="$",
    size_means="present",
    args=("maxcpus=4", "memmap=127796M$5324M,117964M$146228M", "nokaslr"),
    nodes=(),
    cpus=(0, 1, 2, 3),
)
HEAD = "set timeout=0\nset default=0\n"
# Values with everything that expansion could trip over. Set by `set`, in single quotes.
VARIABLES = {
    "v": "1M$5G",
    "w": "two words",
    "x": " lead and  trail ",
    "back": "a\\$b\\c",
    "quote": "q\"u'o",
    "empty": "",
    "blank": " \t ",
    "star": "a*b?c\\*d",
}
PIECES = [
    "a", "memmap=", "1G", "$1", "$2", "$3", "$12", "$v", "${v}", "$w", "$x", "${w}", "$back",
    "$quote", "$empty", "$blank", "$star", "$nothing", "$#", "$@", "$*", "${1}", "${#}", "\\$",
    "\\\\", "\\'", '\\"', "\\ ", "\\a", "\\x41", "\\{", "\\;", "'$1'", "'a b'", "''", '""',
    '"$v"', '"$w"', '"$x"', '"\\$5"', '"\\\\"', '"\\a"', '"$@"', '"$*"', '"a  b"', '"$empty"',
    '"$blank"', "'\\$'", "\"it's\"", "'q\"q'", "#", "=", "!", "%", "@", ",", "~", "-", "+", "^",
    ":", "\\\n", "'\n'",
]  # fmt: skip


def generated_words(seed: int, count: int) -> list[str]:
    rng = random.Random(seed)
    words: list[str] = []
    while len(words) < count:
        word = "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 4)))
        if word.startswith("#"):
            continue  # a comment would swallow what follows
        try:
            parse(f"linux {word} .\n")
        except GrubSyntaxError:
            continue  # what GRUB refuses is compared in tests/integration/test_grub_tools.py
        words.append(word)
    return words


def menuentry(body: str) -> str:
    return f"{HEAD}menuentry 'the title' --class os 'arg two' --id the-id {{\n{body}\nboot\n}}\n"


def compare(text: str, directory: Path) -> str:
    menu = read_menu(text)
    found = boot(text, directory)
    assert predicted_cmdline(menu.entries[0], menu) == found
    return found


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_generated_words(seed: int, tmp_path: Path) -> None:
    words = generated_words(seed, 120)
    sets = "\n".join(f"set {name}={grub_word(value)}" for name, value in VARIABLES.items())
    # A marker behind each word: a word that vanishes or splits stays visible where it happened.
    line = " ".join(f"{word} .{number}." for number, word in enumerate(words))
    assert ".119." in compare(menuentry(f"{sets}\nlinux /k {line}"), tmp_path)


@pytest.mark.parametrize("seed", [1, 2])
def test_quoted_arguments_arrive(seed: int, tmp_path: Path) -> None:
    """Any printable ASCII that is no quote, backslash or blank: written by us, read by GRUB."""
    rng = random.Random(seed)
    allowed = [chr(code) for code in range(0x21, 0x7F) if chr(code) not in "\\'\""]
    arguments = ["".join(rng.choices([*allowed, "$"], k=rng.randint(1, 12))) for _ in range(120)]
    found = boot(menuentry(f"linux /k {grub_script(arguments)}"), tmp_path)
    assert found == " ".join(["BOOT_IMAGE=/k", *arguments])


SCRIPTS = {
    "unescaped": "linux /k memmap=127796M$5324M,117964M$146228M maxcpus=4",
    "title": "linux /k memmap=512M$1G",
    "escaped": "linux /k memmap=512M\\$1G",
    "over-escaped": 'linux /k "memmap=512M\\\\\\$1G"',
    "assignment": "a='1M\\$2M'\nb=$a\nlinux /k $a ${b}x",
    "for": "set all=\nfor i in a 'b c' $1; do set all=\"$all,$i\"; done\nlinux /k $all \"$all\"",
    "if": "if [ x$grub_platform = xpc ]; then linux /k yes; else linux /k no; fi",
    "elif": "if [ a = b ]; then set c=1; elif [ -n \"$nothing\" ]; then set c=2\n"
    "elif [ \"$1\" != y -a -z \"$nothing\" ]; then set c=3; else set c=4; fi\nlinux /k c=$c",
    "continued": "linux /k one\\\ntwo \\\n three",
    "comment": "linux /k a#b # c 'd\n# 'e\n",
    "status": "[ a = b ]\nset s=$?\n[ a = a ]\nlinux /k $s $?",
    "not": "if ! [ a = b ]; then linux /k inverted; fi",
    "translated": 'linux /k $"a b"$"c"',
    "nested quotes": "linux /k 'dyndbg=file a.c +p' \"b c\"'d e'",
    "unset": "set a=1\nunset a\nlinux /k a=$a.",
    "setparams": "linux /k $1 $2 $3",
}  # fmt: skip


def test_function_parameters(tmp_path: Path) -> None:
    function = 'function f {\n  set r="$1/$#/$2"\n}\n'
    entry = menuentry("f one 'two three' $1\nlinux /k $r $1 $#")
    assert "one/4/two three" in compare(function + entry, tmp_path)


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_scripts(script: str, tmp_path: Path) -> None:
    compare(menuentry(script), tmp_path)


# The end of every Debian grub.cfg, word for word (41_custom).
SNIPPET = """if [ -f  ${config_directory}/custom.cfg ]; then
  source ${config_directory}/custom.cfg
elif [ -z "${config_directory}" -a -f  $prefix/custom.cfg ]; then
  source $prefix/custom.cfg
fi
"""


@pytest.mark.parametrize(
    ("profile", "argument"),
    [
        ("4C16G-remote", "memmap=127796M$5324M,117964M$146228M"),
        ("4C16G-remote", "memmap=127796M%5324M-1+2"),
        ('it\'s $1 {x} "y" \\ ;', "memmap=1G#5G,2G!9G,64K@0x10"),
        ("ünïcode", "foo={a;b}&<c>|d(e)*?[f]`g`"),
    ],
)
def test_planned_entry_boots_as_predicted(profile: str, argument: str, tmp_path: Path) -> None:
    stock = (
        "menuentry 'Debian' --id gnulinux-simple-1 {\n\tlinux /k root=/dev/sda1 ro quiet -- s\n}\n"
    )
    layout = replace(LAYOUT, profile=profile, args=("maxcpus=4", argument))
    facts = {"loader": "grub2-debian", "grub_cfg": HEAD + stock + SNIPPET, "custom_cfg": "# mine"}
    plan = entry_plan(facts, layout)
    grub_cfg = f"set timeout=0\nset default={plan.entry_id}\n{stock}{SNIPPET}"
    assert boot(grub_cfg, tmp_path, {"custom.cfg": plan.custom_cfg or ""}) == plan.cmdline
    assert f" {argument} " in plan.cmdline


MENU = """
menuentry 'first' --id one { linux /k first; boot; }
submenu 'More > less' --id sub {
    menuentry 'inner one' --id in1 { linux /k inner-one; boot; }
    menuentry 'inner two' { linux /k inner-two; boot; }
}
menuentry '3' --id three { linux /k three; boot; }
menuentry 'last' --id x-four { linux /k last; boot; }
"""


@pytest.mark.parametrize(
    "default",
    [
        *("0", "1", "1>1", "2", "3", "9", "03", "08", "0x3", "2hotkit"),
        *("three", "last", "x-four", "unknown", "sub>in1", "sub>inner two"),
        *("More >> less>inner two", "More > less", "sub>unknown", "sub>x-four"),
        *("09", "0x", "0X3", " 3", "0000000000000000000000003"),
    ],
)
def test_which_entry_boots(default: str, tmp_path: Path) -> None:
    """Numbers, ids, titles, paths, and what GRUB does with a name that is not there."""
    text = f"set timeout=0\nset default='{default}'\n{MENU}"
    assert predicted_cmdline(stock_entry(read_menu(text)), read_menu(text)) == boot(text, tmp_path)


@pytest.mark.parametrize("option", ["--id", "--class"])
@pytest.mark.parametrize("default", ["0", "1"])
def test_an_entry_whose_last_option_lacks_its_value_is_none(
    default: str, option: str, tmp_path: Path
) -> None:
    lacks = f"menuentry 'lacks' {option} {{ linux /k lacks; boot; }}\n"
    text = f"set timeout=0\nset default='{default}'\n{lacks}{MENU}"
    assert predicted_cmdline(stock_entry(read_menu(text)), read_menu(text)) == boot(text, tmp_path)


@pytest.mark.parametrize("armed", [True, False])
def test_the_labs_own_grub_cfg(armed: bool, tmp_path: Path) -> None:
    """Debian's real grub.cfg, our custom.cfg, next_entry in grubenv: the layout; without: stock."""
    text = (DATA / "debian12.cfg").read_text().replace("set timeout=1", "set timeout=0")
    plan = entry_plan({"loader": "grub2-debian", "grub_cfg": text}, LAYOUT)
    files = {
        "grubenv": render({"next_entry": plan.entry_id} if armed else {}),
        "custom.cfg": plan.custom_cfg or "",
        "boot/initrd.img-6.1.0-56-cloud-amd64": "any",
    }
    menu = read_menu(text)
    stock = predicted_cmdline(stock_entry(menu), menu)
    found = boot(text, tmp_path, files, kernels=["boot/vmlinuz-6.1.0-56-cloud-amd64"])
    assert found == (plan.cmdline if armed else stock)
