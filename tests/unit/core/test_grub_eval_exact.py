"""GRUB's evaluation, word by word: every kind of reference, every command, every limit."""

import pytest

from hotkit.core.grub_eval import (
    GrubEnv,
    Run,
    expand,
    kernel_cmdline,
    loader_cmdline,
    run_script,
)
from hotkit.core.grub_lexer import parse
from hotkit.errors import HotkitError

ENV = GrubEnv({"one": "x", "two": " a\tb\r\nc ", "n": "", "_v1": "under"}, ("t 1", "u"))


def expanded(text, env=ENV):
    (command,) = parse(f"echo {text}\n")
    return expand(command.words[1:], env)


@pytest.mark.parametrize(
    ("written", "arguments"),
    [
        # A variable, alone and between text; its white space cuts only outside quotes.
        ("$one", ["x"]),
        ("p$one${one}q", ["pxxq"]),
        ("$two", ["a", "b", "c"]),
        ("p${two}q", ["pa", "b", "cq"]),
        ('"$two"', [" a\tb\r\nc "]),
        ('p"$two"q', ["p a\tb\r\nc q"]),
        ("$_v1", ["under"]),
        # What is empty or unknown vanishes, but for quotes.
        ("$n$unknown", []),
        ("a$n", ["a"]),
        ('"$n"', [""]),
        ('"$unknown"$n', [""]),
        # All parameters: one word each, cut or whole, or all in one.
        ("$*", ["t", "1", "u"]),
        ("$@", ["t", "1", "u"]),
        ('"$*"', ["t 1 u"]),
        ('"$@"', ["t 1", "u"]),
        ('p"$@"q', ["pt 1", "uq"]),
        ("p$@q", ["pt", "1", "uq"]),
        # One parameter.
        ("$1", ["t", "1"]),
        ('"$1"', ["t 1"]),
        ("$2", ["u"]),
        ("$3", []),
        ("$0", []),
        ("${123456789}", []),
        ("$#", ["2"]),
        ('"$#"', ["2"]),
    ],
)
def test_references(written, arguments):
    assert expanded(written) == arguments


@pytest.mark.parametrize("written", ["$*", "$@", "$#", "$1", "$0"])
def test_outside_any_scope_there_are_no_parameters(written):
    assert expanded(written, GrubEnv()) == []


@pytest.mark.parametrize("written", ['"$*"', '"$@"', '"$#"', '"$1"'])
def test_nor_in_quotes(written):
    assert expanded(written, GrubEnv()) == [""]


def test_a_scope_without_parameters():
    env = GrubEnv({}, ())
    assert expanded("$#", env) == ["0"]
    assert expanded("$* $@ $1", env) == []
    assert expanded('"$*" "$@"', env) == ["", ""]
    assert GrubEnv({}, ()).values("*", split=False) == []
    assert GrubEnv({}, ("",)).values("*", split=False) == [""]


def test_a_number_has_nine_figures_at_most():
    assert GrubEnv({}, ("a",)).values("0000000012", split=True) == ["a"]


def test_translated_strings_that_hold_a_reference():
    with pytest.raises(HotkitError) as caught:
        expanded('$"a $one"')
    assert caught.value.message == 'the translated string $"a $one" cannot be predicted'
    assert expanded('p$"a b"q') == ["pa bq"]
    assert expanded("'a $one'") == ["a $one"]


def test_the_loader_escapes_three_characters_and_quotes_for_a_space():
    assert loader_cmdline(["a", "b'c\"d\\e", "f g", "", "h\ti"]) == (
        'a b\\\'c\\"d\\\\e "f g"  h\ti'
    )


@pytest.mark.parametrize(
    ("script", "variables"),
    [
        ("set a=b=c", {"a": "b=c"}),
        ("set a=", {"a": ""}),
        ("set a", {}),
        ("set", {}),
        ("set a=1 b=2", {"a": "1"}),
        ("a=1", {"a": "1"}),
        ("a=b=c", {"a": "b=c"}),
        ("A_9=1", {"A_9": "1"}),
        ("set a=1; set b=2; unset a c b", {}),
        ("for i in a b; do set last=$i; done", {"i": "b", "last": "b"}),
        ("set a='b c'; for i in $a; do set l=$l$i; done", {"a": "b c", "i": "c", "l": "bc"}),
        ("load_env", {"saved_entry": "x"}),
    ],
)
def test_variables(script, variables):
    run = Run({}, loads={"saved_entry": "x"})
    run.script(parse(script))
    status = run.variables.pop("?")
    assert (run.variables, status, run.status) == (variables, "0", 0)


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("true", 0),
        ("false", 1),
        ("! true", 1),
        ("! false", 0),
        ("!", None),
        ("! insmod x", None),
        ("! test a", 1),
        ("! [ a = b ]", 0),
        ("echo a", 0),
        ("export a", 0),
        ("linux /a", 0),
        ("linux16 /a", 0),
        ("linuxefi /a", 0),
        ("initrd /a", 0),
        ("initrd16 /a", 0),
        ("initrdefi /a", 0),
        ("insmod x", None),
        ("9a=1", None),
        ("a-b=1", None),
        ("=1", None),
        ("menuentry m { false; }", 0),
        ("submenu m { false; }", 0),
        ("[ a = a ]", 0),
        ("[ a == a ]", 0),
        ("[ a = b ]", 1),
        ("[ a == b ]", 1),
        ("[ a != b ]", 0),
        ("[ a != a ]", 1),
        ("test a", 0),
        ("test a = a", 0),
        ("test", 1),
        ('test ""', 1),
        ("[ -z a ]", 1),
        ('[ -z "" ]', 0),
        ("[ -n a ]", 0),
        ('[ -n "" ]', 1),
        ("[ ! a ]", 1),
        ('[ ! "" ]', 0),
        ("[ ! ! a ]", 0),
        ("[ ! a = b ]", 0),
        ("[ a -a b -a c ]", 0),
        ('[ a -a "" ]', 1),
        ('[ "" -a a ]', 1),
        ('[ "" -a -f /x ]', None),
        ("[ -e /boot/grub/grubenv ]", 0),
        ("[ -f /boot/grub/grubenv ]", 0),
        ("[ -s /boot/grub/grubenv ]", 0),
        ("[ ! -s /boot/grub/grubenv ]", 1),
        ("[ -d /boot/grub/grubenv ]", None),
        ("[ -e /boot/grubenv.old ]", None),
        ("[ -f grubenv ]", None),
        ("[ a -lt b ]", None),
        ("[ ! -f /x ]", None),
        ("if false; then echo a; fi", 0),
        ("if false; then echo a; else false; fi", 1),
        ("if true; then false; fi", 1),
        ("while insmod a; do echo b; done", None),
        ("function f { false; }", 0),
        ("function f { false; }\nf", 1),
        ("for i in a; do false; done", 1),
        ("false\nfor i in; do true; done", 1),
        ("false\n$nothing", 1),
        ("insmod a\nif false; then echo b; fi", 0),
    ],
)
def test_the_status_of_a_command(script, status):
    assert run_script(script).status == status


def test_an_unknown_status_leaves_the_last_one_in_the_variable():
    run = run_script("false\ninsmod x\n")
    assert (run.status, run.variables) == (None, {"?": "1"})


def test_the_last_of_each_is_what_boots():
    run = run_script("linux /a x; linux16 /b; initrd /c /d; initrdefi /e")
    assert (run.linux, run.initrd) == (["/b"], ["/e"])
    assert run.cmdline == "BOOT_IMAGE=/b"
    nothing = run_script("echo a")
    assert (nothing.linux, nothing.initrd, nothing.cmdline) == (None, [], None)


def test_functions_have_parameters_of_their_own_and_give_the_others_back():
    script = "function f { set in=$1$#; }\nf a b\nset out=$1$#\nfunction f { set in=new; }\n"
    run = run_script(script, params=("title",))
    assert run.variables == {"in": "a2", "out": "title1", "?": "0"}
    assert run.params == ("title",) and run.depth == 0 and run.functions.keys() == {"f"}
    # A function of a builtin's name is the one that is run; it may be there from before.
    assert run_script("function linux { initrd $1; }\nlinux /x").initrd == ["/x"]
    before = run_script("function f { linux /f$1; }").functions
    assert run_script("f 2", functions=before).linux == ["/f2"]


def chain(length):
    calls = "".join(f"function f{n} {{ f{n + 1}; }}\n" for n in range(length - 1))
    return f"{calls}function f{length - 1} {{ linux /end; }}\nf0\n"


def test_functions_may_call_each_other_twenty_one_deep():
    assert run_script(chain(21)).linux == ["/end"]
    with pytest.raises(HotkitError) as caught:
        run_script(chain(22))
    assert caught.value.message == "the GRUB function f21 calls itself without end"
    assert run_script(chain(21) + "f0\n" * 3).depth == 0


def test_how_many_commands_may_be_run():
    body = "function f { " + "true; " * 99 + "}\n"
    hundreds = body + "f\n" * 500
    run = run_script(hundreds)
    assert run.steps == 50_000
    with pytest.raises(HotkitError) as caught:
        run_script(hundreds + "$nothing\n")
    assert caught.value.message == (
        "the GRUB script does not come to an end, or a word of it grows"
    )


def test_how_long_the_words_of_a_command_may_be():
    assert run_script(f"echo {'a' * 65_532}").status == 0
    with pytest.raises(HotkitError, match="grows"):
        run_script(f"echo {'a' * 65_533}")


def test_entries_of_the_menu():
    run = run_script(
        "menuentry 'a b' --id x { linux /a; }\nsubmenu c { linux /c; }\n"
        "! menuentry d { linux /d; }\necho menuentry\nmenuentry e\n"
    )
    assert [(words, entry.block is not None) for words, entry in run.menu] == [
        (["menuentry", "a b", "--id", "x"], True),
        (["submenu", "c"], True),
        (["!", "menuentry", "d"], True),
    ]
    assert run.linux is None


@pytest.mark.parametrize(
    ("script", "linux"),
    [
        ("if insmod a; then set b=1; elif true; then set b=2; fi; linux /$b", ["/2"]),
        (
            "if insmod a; then set b=1; elif false; then set b=2; else set b=3; fi; linux /$b",
            ["/3"],
        ),
        ("if false; then linux /a; elif insmod a; then set b=1; fi; linux /b", ["/b"]),
        ("if true; then linux /a; elif true; then linux /b; fi", ["/a"]),
        ("if true; then linux /a; else linux /b; fi", ["/a"]),
        ("if insmod a; then menuentry m { linux /x; }; fi; linux /b", ["/b"]),
    ],
)
def test_branches(script, linux):
    assert run_script(script).linux == linux


@pytest.mark.parametrize(
    "script",
    [
        "if insmod a; then linux /b; fi",
        "if insmod a; then echo b; else linux /c; fi",
        "if insmod a; then echo b; elif true; then linux /c; fi",
        "if insmod a; then echo b; elif false; then echo b; elif false; then linux /c; fi",
        "if false; then echo b; elif insmod a; then linux /c; fi",
        "if insmod a; then linux16 /b; fi",
        "if insmod a; then linuxefi /b; fi",
        "while true; do linux /b; done",
    ],
)
def test_a_boot_in_a_branch_that_only_the_machine_chooses(script):
    with pytest.raises(HotkitError) as caught:
        run_script(script)
    assert caught.value.message == (
        "the menu entry chooses its linux line by a condition that depends on the machine, so the "
        "command line cannot be predicted"
    )


def test_a_script_is_run_with_what_is_given_and_changes_none_of_it():
    variables = {"a": "/x"}
    run = run_script("linux $a $1; set a=/y", variables, params=("p",))
    assert (run.linux, run.variables["a"], variables) == (["/x", "p"], "/y", {"a": "/x"})
    assert kernel_cmdline("linux $a $1", variables, params=("p q",)) == "BOOT_IMAGE=/x p q"
    with pytest.raises(HotkitError) as caught:
        kernel_cmdline("initrd /a")
    assert caught.value.message == "the GRUB script has no linux command"
