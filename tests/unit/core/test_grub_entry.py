"""The stock entry's body with our arguments: each line that changes, and each that does not."""

from __future__ import annotations

import pytest

from hotkit.core.grub_cfg import read_menu
from hotkit.core.grub_entry import Derived, derive, extend_linux
from hotkit.errors import HotkitError

OURS = ["hotkit.id=1", "maxcpus=4", "memmap=1G$5G"]


def entry(body, title="Stock"):
    (found,) = read_menu(f"menuentry '{title}' {{{body}}}\n").entries
    return found


def test_a_body_keeps_all_but_its_linux_line():
    body = "\n\tset x=1 ;linux  '/boot/k'  root='UUID=1'\tro  # why\n\tinitrd /i\n\techo\tx\n"
    assert derive(entry(body), OURS) == Derived(
        body="\n\tset x=1 ;linux '/boot/k' root='UUID=1' ro hotkit.id=1 maxcpus=4 memmap=1G\\$5G"
        "  # why\n\tinitrd /i\n\techo\tx\n",
        cmdline="BOOT_IMAGE=/boot/k root=UUID=1 ro hotkit.id=1 maxcpus=4 memmap=1G$5G",
        kernel="/boot/k",
        findings=(),
    )


@pytest.mark.parametrize("command", ["linux", "linux16", "linuxefi", '"linux"'])
def test_every_command_that_loads_a_kernel(command):
    found = derive(entry(f" {command} /k "), ["a"])
    assert (found.body, found.cmdline) == (f" {command} /k a ", "BOOT_IMAGE=/k a")


BODY = "\n echo 'Loading 6.1'\n linux /vmlinuz ro\n initrd /i\n set y=1\n echo x\n"


def test_a_kernel_of_our_own_takes_the_initrd_and_what_names_the_stock_one_with_it():
    found = derive(entry(BODY), ["a=1"], kernel="/boot/hotkit/my k", initrd="/boot/hotkit/i$1")
    assert found == Derived(
        body="\n true\n linux '/hotkit/my k' ro a=1\n initrd /hotkit/i\\$1\n set y=1\n true\n",
        cmdline='BOOT_IMAGE="/hotkit/my k" ro a=1',
        kernel="/hotkit/my k",
        findings=(),
    )
    without = derive(entry(BODY), ["a=1"], kernel="/boot/k")
    assert without.body == "\n true\n linux /k ro a=1\n true\n set y=1\n true\n"
    # Without a kernel of our own an initrd is none of ours either.
    assert derive(entry(BODY), ["a=1"], initrd="/boot/i").body == BODY.replace("ro", "ro a=1")


@pytest.mark.parametrize(
    ("stock", "kernel", "path"),
    [
        ("/boot/vmlinuz", "/boot/hotkit/k", "/boot/hotkit/k"),
        ("/vmlinuz", "/boot/k", "/k"),
        ("/@/boot/vmlinuz", "/boot/boot/k", "/@/boot/boot/k"),
        ("(hd0,1)/vmlinuz", "/boot/k", "(hd0,1)/k"),
    ],
)
def test_a_file_below_boot_lies_beside_the_stock_kernel(stock, kernel, path):
    found = derive(entry(f" linux {stock}\n initrd16 /x\n"), [], kernel=kernel, initrd=kernel)
    assert found.kernel == path
    assert found.body.split("\n")[1].removeprefix(" initrd16 ").replace("'", "") == path
    assert derive(entry(f" linux {stock}\n"), []).kernel == stock


@pytest.mark.parametrize("path", ["/root/k", "/boot", "boot/k", "/x/boot/k"])
def test_a_file_elsewhere_is_refused(path):
    for more in ({"kernel": path}, {"kernel": "/boot/k", "initrd": path}):
        with pytest.raises(HotkitError) as caught:
            derive(entry(" linux /k\n initrd /i\n"), [], **more)
        assert caught.value.message == f"{path} is not below /boot, where GRUB finds kernels"


def test_a_kernel_whose_path_nobody_knows_is_refused():
    with pytest.raises(HotkitError) as caught:
        derive(entry(" linux $k ro\n", "My"), [])
    assert caught.value.message == "menuentry 'My': the kernel's path holds a GRUB variable"


DECIDED = "left out of the stock arguments: {} (the layout decides it)"


@pytest.mark.parametrize(
    "word",
    [
        "memmap=1G%5G-1+2", "mem=4G", "maxcpus=2", "nr_cpus=2", "nr-cpus=2", "possible_cpus=2",
        "possible-cpus=2", "nosmp", "panic=-1", "panic",
    ],
)  # fmt: skip
def test_what_the_layout_decides_is_left_out(word):
    found = derive(entry(f" linux /k a {word} b"), ["ours"])
    assert (found.cmdline, found.findings) == (
        "BOOT_IMAGE=/k a b ours",
        (DECIDED.format(word),),
    )


@pytest.mark.parametrize(
    "word", ["memmapx=1", "panic_on_warn=1", "member=1", "x.maxcpus=2", "NOSMP", "numactl=1"]
)
def test_what_only_looks_like_it_stays(word):
    found = derive(entry(f" linux /k a {word} b"), ["ours"])
    assert (found.cmdline, found.findings) == (f"BOOT_IMAGE=/k a {word} b ours", ())


def test_what_stands_there_and_is_ours_too_is_not_there_twice():
    found = derive(entry(" linux /k a ours b ours=1"), ["ours", "more"])
    assert (found.cmdline, found.findings) == (
        "BOOT_IMAGE=/k a b ours=1 ours more",
        (DECIDED.format("ours"),),
    )


def test_what_a_saving_replaces_is_left_out():
    found = derive(entry(" linux /k hugepages=8 hugepagesz=1G a"), ["hugepages=0"])
    assert found.cmdline == "BOOT_IMAGE=/k a hugepages=0"
    assert found.findings == (DECIDED.format("hugepages=8"), DECIDED.format("hugepagesz=1G"))


def test_an_earlier_layout_and_all_behind_it_is_left_out():
    text = " linux /k a mem=1G hotkit.id=old maxcpus=1 numa=off $x -- b"
    found = derive(entry(text), ["ours"])
    assert (found.cmdline, found.findings) == (
        "BOOT_IMAGE=/k a ours",
        (
            DECIDED.format("mem=1G"),
            "the stock entry carries a hotkit layout: left out from there on",
        ),
    )


@pytest.mark.parametrize("word", ["numa=off", "numa", "efi_fake_mem=1G@2G:0x10000", "efi-fake-mem"])
def test_an_argument_under_which_no_layout_comes_true_is_refused(word):
    with pytest.raises(HotkitError) as caught:
        derive(entry(f" linux /k a {word}"), ["ours"])
    assert (caught.value.message, caught.value.hint) == (
        f"menuentry 'Stock' boots with {word}, under which no node layout comes true",
        "take it out of /etc/default/grub, run update-grub, then try again",
    )


def test_what_only_decides_how_the_console_looks_is_left_out():
    found = derive(entry(' linux /k a "$vt_handoff" b${vt_handoff}c d'), ["ours"])
    assert (found.cmdline, found.findings) == (
        "BOOT_IMAGE=/k a d ours",
        (
            'left out of the stock arguments: "$vt_handoff"',
            "left out of the stock arguments: b${vt_handoff}c",
        ),
    )
    assert found.body == " linux /k a d ours"


@pytest.mark.parametrize("word", ["$x", "root=${x}", "$vt_handoff$x", "-- $x"])
def test_an_argument_that_only_the_machine_knows_is_refused(word):
    with pytest.raises(HotkitError) as caught:
        derive(entry(f" linux /k a {word}"), ["ours"])
    assert caught.value.message == (
        f"menuentry 'Stock': the argument {word.removeprefix('-- ')} depends on a GRUB variable, "
        "so the command line cannot be predicted"
    )


def test_what_is_behind_the_dashes_goes_to_init_as_it_is():
    """Nothing there is an argument of the kernel: it stays, whatever its name."""
    found = derive(entry(" linux /k a -- mem=1G numa=off 'b c'"), ["ours"])
    assert found.body == " linux /k a ours -- mem=1G numa=off 'b c'"
    assert found.cmdline == 'BOOT_IMAGE=/k a ours -- mem=1G numa=off "b c"'
    assert found.findings == ()
    assert derive(entry(" linux /k --"), ["ours"]).cmdline == "BOOT_IMAGE=/k ours --"
    # Words that are empty arrive as such, on either side.
    found = derive(entry(" linux /k '' -- '' b $vt_handoff"), ["ours"])
    assert found.cmdline == "BOOT_IMAGE=/k  ours --  b"
    assert found.findings == ("left out of the stock arguments: $vt_handoff",)


def test_commands_that_write_the_environment_block_are_left_out():
    body = "\n recordfail\n linux /k\n savedefault x\n save_env -f a b\n load_env\n"
    found = derive(entry(body), ["ours"])
    assert found.body == "\n true\n linux /k ours\n true\n true\n load_env\n"
    assert found.findings == tuple(
        f"left out: {name!r}, which writes the environment block"
        for name in ("recordfail", "savedefault", "save_env")
    )


@pytest.mark.parametrize(
    ("body", "every", "found"),
    [
        (" a", 0, 0),
        (" linux /a; linux /b", 2, 2),
        (" linux /a; if b; then linux /b; fi", 2, 1),
        (" if b; then linux /b; fi", 1, 0),
        (" linux", 1, 1),
    ],
)
def test_all_but_one_plain_linux_command_is_refused(body, every, found):
    for what in (lambda: derive(entry(f"{body}\n"), []), lambda: extend_linux(entry(body), " x")):
        with pytest.raises(HotkitError) as caught:
            what()
        assert (caught.value.message, caught.value.hint) == (
            f"menuentry 'Stock' has {every} linux commands, {found} of them outside of an if; "
            "hotkit can only derive an entry from exactly one",
            "make a plain menuentry the default, then try again",
        )


def test_an_entry_inside_the_entry_is_none_of_its_linux_commands():
    body = " linux /a\n menuentry b { linux /b }\n"
    assert derive(entry(body), ["ours"]).body == body.replace("/a", "/a ours")


@pytest.mark.parametrize(
    ("body", "extended"),
    [
        ("\n linux /k ro  \n initrd /i\n", "\n linux /k ro x  \n initrd /i\n"),
        (" linux /k", " linux /k x"),
        # What a drop-in of ours put there goes, with all behind it.
        (" linux /k ro  hotkit.id=1 a hotkit.id=2\n b", " linux /k ro   x\n b"),
        (" linux /k 'hotkit.id=1' xhotkit.id=2 c", " linux /k 'hotkit.id=1' xhotkit.id=2 c x"),
    ],
)
def test_text_at_the_end_of_the_linux_line(body, extended):
    assert extend_linux(entry(body), " x") == extended
