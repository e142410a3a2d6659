"""A menu, entry by entry: names, places, parameters, and what each reference means to GRUB."""

from __future__ import annotations

import pytest

from hotkit.core.grub_cfg import MenuEntry, predicted_cmdline, read_menu, stock_entry
from hotkit.core.grub_lexer import Function
from hotkit.errors import HotkitError

TREE = """\
menuentry zero --id z { linux /0 }
submenu 'Sub > one' --id s {
 menuentry 'inner zero' { linux /10 }
 submenu deep --id d --unrestricted {
  menuentry a { linux /110 }
  menuentry b --id bee --unrestricted { linux /111 }
 }
 menuentry 'inner two' { linux /12 }
}
menuentry two { linux /2 }
"""


def test_entries_of_a_tree_with_their_names_and_places():
    found = read_menu(TREE)
    assert [(item.path, item.places) for item in found.entries] == [
        ("z", (0,)), ("s>inner zero", (1, 0)), ("s>d>a", (1, 1, 0)), ("s>d>bee", (1, 1, 1)),
        ("s>inner two", (1, 2)), ("two", (2,)),
    ]  # fmt: skip
    assert found.entries[3] == MenuEntry(
        path="s>d>bee",
        title="b",
        params=("b",),
        body=" linux /111 ",
        places=(1, 1, 1),
        names=(("s", "Sub > one"), ("d", "deep"), ("bee", "b")),
        unrestricted=True,
    )
    assert found.entries[3].id == "bee"
    assert [item.unrestricted for item in found.entries].count(True) == 1


@pytest.mark.parametrize(
    ("reference", "places", "found"),
    [
        ("z", (0,), True),
        ("zero", (0,), True),
        ("2", (2,), True),
        ("two", (2,), True),
        ("3", (0,), False),
        ("-1", (0,), False),
        ("", (0,), False),
        # What stands for a menu means its first entry, which nobody named.
        ("1", (1, 0), True),
        ("s>1", (1, 1, 0), True),
        ("s>d>1", (1, 1, 1), True),
        ("Sub >> one>deep>bee", (1, 1, 1), True),
        ("Sub > one>deep>bee", (0,), False),
        ("s>nothing", (1, 0), False),
        ("s>d>nothing", (1, 1, 0), False),
        ("nothing>d>b", (0,), False),
        ("s>9>1", (1, 0), False),
        # An entry has nothing inside.
        ("two>0", (2,), False),
        ("z>", (0,), False),
    ],
)
def test_a_reference_by_number_id_or_title_in_each_menu(reference, places, found):
    menu = read_menu(TREE)
    assert menu.booted_by(reference).places == places
    entry = menu.find(reference)
    assert (entry.places if entry else None) == (places if found else None)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("10", 10), ("0", 0), ("00", 0), ("1x", 1), (" \t\r\n7", 7), ("+7", None),
        ("0x1", 1), ("0xAz", 10), ("0xbg", 11), ("0x0a", 10), ("0X5", 0), ("0x", None),
        ("0xg", None), ("01", 1), ("010", 8), ("0128", 10), ("019", 1), ("08", 8), ("09z", 9),
        ("0011", 9), ("0" * 30 + "7", 7), ("0x" + "0" * 30 + "7", 7),
        ("9" * 18, None), ("9" * 5000, None), ("08" + "0" * 5000, None), ("0x1" + "0" * 5000, None),
    ],
)  # fmt: skip
def test_numbers_are_read_as_grub_strtoull_does(name, place):
    menu = read_menu("".join(f"menuentry e{number} {{\n a\n}}\n" for number in range(12)))
    entry = menu.find(name)
    assert (entry.places[0] if entry else None) == place


def test_of_two_with_the_same_name_the_first_is_meant():
    menu = read_menu("menuentry a --id x { b }\nmenuentry x { c }\nmenuentry x { d }\n")
    assert [item.body for item in menu.entries if item == menu.find("x")] == [" b "]


def test_a_menu_without_entries():
    menu = read_menu("set default=1\n")
    assert (menu.entries, menu.find("0"), menu.booted_by("0")) == ((), None, None)
    assert menu.default == "1"


def test_what_grub_sets_before_it_reads_grub_cfg_and_what_a_file_leaves():
    text = "function f {\n true\n}\nset x=1\nset lib=$prefix\n"
    menu = read_menu(text)
    names = [
        "chainloader_bpb", "ntldr", "platform_search_hint", "default_font_path", "all_video_module",
        "menuentry_id", "menuentry_options", "200_final", "nativedisk_cmd", "timeout_style",
    ]  # fmt: skip
    assert menu.variables == {
        **{f"feature_{name}": "y" for name in names},
        "prefix": "/boot/grub", "grub_platform": "pc", "grub_cpu": "i386",
        "menuentry_id_option": "--id", "x": "1", "lib": "/boot/grub", "?": "0",
    }  # fmt: skip
    assert list(menu.functions) == ["f"] and isinstance(menu.functions["f"], Function)
    assert (menu.default, menu.sources_custom_cfg) == ("0", False)


def test_the_environment_block_but_for_its_next_entry():
    text = 'load_env\nset default="${next_entry}${saved_entry}"\n'
    menu = read_menu(text, {"saved_entry": "s", "next_entry": "n", "other": "o"})
    assert (menu.default, menu.variables["other"]) == ("s", "o")
    assert "next_entry" not in menu.variables
    assert read_menu(text).default == ""


@pytest.mark.parametrize(
    ("line", "is_read"),
    [
        ("source /x/custom.cfg", True),
        (". $prefix/custom.cfg", True),
        ("if [ -f a ]; then\n source $prefix/custom.cfg\nfi", True),
        ("source /x/custom.cfg\nsource /x/other.cfg", True),
        ("source custom.cfg", False),
        ("source /x/custom.cfg2", False),
        ("source /x/custom.cfg /y", False),
        ("configfile /x/custom.cfg", False),
        ("source $prefix/other.cfg", False),
    ],
)
def test_whether_custom_cfg_is_read(line, is_read):
    assert read_menu(line + "\n").sources_custom_cfg is is_read


@pytest.mark.parametrize(
    ("written", "path", "params", "unrestricted"),
    [
        ("A", "A", ("A",), False),
        ("A b c", "A", ("A", "b", "c"), False),
        ("--id x A", "x", ("A",), False),
        ("--id=x A", "x", ("A",), False),
        ("--id x --id=y A", "y", ("A",), False),
        ("--id '' A", "", ("A",), False),
        ("--class c --users u --hotkey h --source s A", "A", ("A",), False),
        ("--class=c --unrestricted A", "A", ("A",), True),
        ("--id x -- --unrestricted A", "x", ("--unrestricted", "A"), False),
        ("-- A --id x", "A", ("A", "--id", "x"), False),
        ("--other A", "A", ("A",), False),
        ("-x A", "-x", ("-x", "A"), False),
    ],
)
def test_options_of_a_menuentry(written, path, params, unrestricted):
    (entry,) = read_menu(f"menuentry {written} {{ a }}\n").entries
    assert (entry.path, entry.title, entry.params, entry.unrestricted) == (
        path, params[0], params, unrestricted,
    )  # fmt: skip


def test_what_makes_no_entry_takes_no_place():
    """No block, no title, no value of an option that takes one (GRUB refuses the command)."""
    menu = read_menu(
        "menuentry a\nmenuentry --id x { b }\nmenuentry t --id { b }\nmenuentry c { d }\n"
    )
    assert [(item.path, item.places) for item in menu.entries] == [("c", (0,))]


def test_a_submenu_knows_its_parameters_and_what_was_set_before_it():
    text = (
        "function f {\n set r=$1\n}\nset v=1\nsubmenu m p {\n f q\n"
        " menuentry $1-$2-$v-$r { a }\n set v=2\n menuentry $v { a }\n}\nmenuentry $v-$r { a }\n"
    )
    assert [item.title for item in read_menu(text).entries] == ["m-p-1-q", "2", "1-"]


def test_a_greater_sign_in_a_name_is_doubled_in_the_path():
    (entry,) = read_menu("submenu 'a>b' {\n menuentry 'c>>d' { a }\n}\n").entries
    assert entry.path == "a>>b>c>>>>d"


def test_an_entry_boots_with_its_parameters_and_the_files_variables_and_functions():
    text = "function f {\n set r=$1\n}\nset v=1\nmenuentry T p {\n f x\n linux /k $1 $2 $v $r\n}\n"
    menu = read_menu(text)
    assert predicted_cmdline(menu.entries[0], menu) == "BOOT_IMAGE=/k T p 1 x"


def test_who_boots_no_linux_is_named():
    menu = read_menu("menuentry 'UEFI Firmware' {\n fwsetup\n}\n")
    with pytest.raises(HotkitError) as caught:
        predicted_cmdline(menu.entries[0], menu)
    assert caught.value.message == "menuentry 'UEFI Firmware' boots no Linux"


@pytest.mark.parametrize(
    ("default", "title"),
    [("b", "b"), ("hotkit-x", "a"), ("1", "a"), ("nothing", "a"), ("ours", "a")],
)
def test_the_stock_entry_is_the_default_or_the_first_that_is_not_ours(default, title):
    text = (
        f"set default={default!r}\nmenuentry ours --id hotkit-x {{ x }}\nmenuentry a {{ x }}\n"
        "menuentry b { x }\n"
    )
    assert stock_entry(read_menu(text)).title == title


def test_a_grub_cfg_of_bls_entries_has_no_stock_entry():
    for text in ("blscfg\n", "menuentry a --id hotkit-x { x }\n"):
        with pytest.raises(HotkitError) as caught:
            stock_entry(read_menu(text))
        assert caught.value.message == "grub.cfg holds no menuentry that ours could be derived from"
        assert caught.value.hint == (
            "systems with Boot Loader Specification entries (RHEL 8 and later, Fedora) keep them "
            "in /boot/loader/entries; hotkit does not read those yet"
        )
