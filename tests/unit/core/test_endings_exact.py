"""Endings of boots to the last word: which boot is looked at, what is said, which lines are shown.

The texts that a console shows are those of Linux 6.1, systemd 252, initramfs-tools and GRUB 2.06.
"""

from __future__ import annotations

import pytest

from hotkit.core.endings import Ending, ending_of, last_line

TOKEN = "hotkit.id=12345678abcd"
TRIAL = "Booting `hotkit x (12345678)'\n"
SAID = "[    0.100000] Kernel command line: ro hotkit.id=12345678abcd\n"
UP = "Started Network Configuration\nStarted ssh\n"
PANIC = "Kernel panic - not syncing: "


def said(text, token=None):
    found = ending_of(text, token)
    return found.kind, found.sentence


@pytest.mark.parametrize(
    ("text", "kind", "sentence"),
    [
        (
            PANIC + "System is deadlocked on memory", "oom",
            "the kernel ran out of memory in the initramfs and panicked "
            "(System is deadlocked on memory)",
        ),
        (
            "systemd[1]: x\n" + PANIC + "Out of memory: compulsory panic_on_oom is enabled", "oom",
            "the kernel ran out of memory in user space and panicked "
            "(Out of memory: compulsory panic_on_oom is enabled)",
        ),
        (
            # What user space says behind the panic was not there before it.
            PANIC + "initramfs unpacking failed: out of memory\nWelcome to x", "oom",
            "the kernel ran out of memory in the initramfs and panicked "
            "(initramfs unpacking failed: out of memory)",
        ),
        ("Gave up waiting for root file system device.", "wrong-root",
         "the root file system was not found"),
        ("ALERT!  UUID=1 does not exist.", "wrong-root",
         "the root file system was not found (UUID=1)"),
        ('VFS: Cannot open root device "vda9" or unknown-block', "wrong-root",
         "the root file system was not found (vda9)"),
        ('VFS: Cannot open root device "" or unknown-block', "wrong-root",
         "the root file system was not found"),
        ("(initramfs) ", "initramfs-shell", "the boot stopped in the initramfs, at a shell"),
        (PANIC + "x y", "panic", "the kernel panicked: x y"),
        ("Reached target \x1b[0;1memergency.target", "emergency",
         "systemd stopped in emergency mode: a mount or a unit that it needs failed"),
        ("hotkit: not verified within 60 s", "deadman",
         "the layout came up and nobody could verify it: its network was not brought up; the "
         "guard rebooted it after 60 s"),
        ("eth0: link becomes ready\nhotkit: not verified within 7 s", "deadman",
         "the layout came up and nobody could verify it: sshd did not start; the guard rebooted it "
         "after 7 s"),
        (UP + "hotkit: not verified within 7 s", "deadman",
         "the layout came up and nobody could verify it: sshd and network were started, so a "
         "firewall, an address or a key may be in the way; the guard rebooted it after 7 s"),
        (
            "Finished Raise network interfaces.\nStarted OpenBSD Secure Shell server.\nm1 login: ",
            "no-ssh",
            "the layout came up and could not be reached: sshd and network were started, so a "
            "firewall, an address or a key may be in the way",
        ),
        ("m1 login: ", "no-ssh",
         "the layout came up and could not be reached: its network was not brought up"),
        ("[    2.5] the last word\n\n", "hang",
         "the boot stopped without a word, after: the last word"),
        ("no stamp here", "hang", "the boot stopped without a word, after: no stamp here"),
    ],
)  # fmt: skip
def test_sentences_of_the_boot_that_was_wanted(text, kind, sentence):
    assert said(TRIAL + SAID + text, TOKEN) == (kind, sentence)
    assert said(TRIAL + SAID + text) == (kind, sentence)


@pytest.mark.parametrize(
    ("text", "kind", "sentence"),
    [
        ("grub> \n", "grub-shell", "GRUB stopped at its own prompt"),
        ("x\ngrub rescue>", "grub-shell", "GRUB stopped at its own prompt"),
        ("error: file `/k' not found.\nPress any key", "grub-error",
         "GRUB could not load the entry: file `/k' not found."),
        ("error: file `/k' not found.\ngrub> \n", "grub-shell", "GRUB stopped at its own prompt"),
        ("GNU GRUB  version 2.06\n", "unknown", "nothing was heard of a boot"),
    ],
)  # fmt: skip
def test_sentences_of_a_loader_that_booted_nothing(text, kind, sentence):
    assert said(text, TOKEN) == (kind, sentence)
    assert said(text) == (kind, sentence)


def test_what_grub_said_before_another_boot_names_the_ending():
    """What a boot said that was not wanted does not."""
    found = ending_of("error: out of memory.\n" + "Booting `Debian'\ngrub> \n", TOKEN)
    assert found.kind == "grub-error"
    found = ending_of("Booting `Debian'\nerror: out of memory.\n", TOKEN)
    assert found.to_dict() == {
        "kind": "wrong-entry",
        "sentence": "GRUB booted another entry: the armed one was not found",
        "lines": ["booted: Debian"],
    }


@pytest.mark.parametrize(
    ("text", "booted"),
    [
        ("Booting `Debian'\n[    0.0] Command line: BOOT_IMAGE=/k ro\n", "BOOT_IMAGE=/k ro"),
        ("[    0.000000] Linux version 6.1\n[    0.0] Kernel command line: quiet\n", "quiet"),
        ("Booting `Debian'\n", "Debian"),
        ("Linux version 6.1\n", ""),
        # The title of the boot and its command line disagree: the kernel knows.
        (TRIAL + "[    0.0] Command line: ro\n", "ro"),
        (TRIAL + f"[    0.0] Command line: ro {TOKEN}x\n", f"ro {TOKEN}x"),
        ("Booting `a hotkit '\n", "a hotkit "),
        # Of two the first.
        ("Booting `one'\n[    0.1] x\nBooting `two'\n", "one"),
    ],
)
def test_another_entry_is_named_by_what_the_kernel_got_or_by_its_title(text, booted):
    found = ending_of(text, TOKEN)
    assert (found.kind, found.lines) == ("wrong-entry", (f"booted: {booted}",))


def test_the_first_boot_with_the_token_is_looked_at_and_none_behind_it():
    other = "Booting `Debian'\n[    0.1] Command line: ro\nKernel panic - not syncing: other\n"
    ours = TRIAL + SAID + "Kernel panic - not syncing: ours\n"
    again = TRIAL + SAID + "Kernel panic - not syncing: again\n"
    assert said(other + ours + again, TOKEN) == ("panic", "the kernel panicked: ours")
    assert said(other + ours) == ("panic", "the kernel panicked: other")
    quiet = TRIAL + "Loading Linux 6.1\n"
    assert said(quiet + ours, TOKEN)[0] == "silent-hang"


def test_the_kernels_first_word_behind_grubs_last_is_the_same_boot():
    version = "[    0.000000] Linux version 6.1\n"
    panic = "Kernel panic - not syncing: x\n"
    assert said(TRIAL + "Loading ...\n" + version + panic, TOKEN)[0] == "panic"
    # A kernel that had spoken before is another one: the machine booted anew, without GRUB's word.
    twice = TRIAL + "[    0.1] early\n" + version + panic
    assert said(twice, TOKEN) == ("hang", "the boot stopped without a word, after: early")
    # Two kernels in a row are two boots, as are two entries.
    assert said("Linux version 5\nquick\nLinux version 6\n" + panic)[1].endswith("after: quick")
    assert said(TRIAL + "one\n" + TRIAL + panic, TOKEN)[0] == "silent-hang"


def test_grubs_menu_ends_a_boot():
    text = TRIAL + SAID + "the end\nGNU GRUB  version 2.06\nerror: file not found\n"
    assert said(text, TOKEN) == ("hang", "the boot stopped without a word, after: the end")


def numbered(first, last):
    return [f"[    1.0] line {number}" for number in range(first, last)]


def test_three_lines_before_and_ten_behind_are_shown():
    lines = [*numbered(0, 20), "Kernel panic - not syncing: x", *numbered(20, 40)]
    found = ending_of(TRIAL + SAID + "\n".join(lines), TOKEN)
    assert found.lines == (*numbered(17, 20), "Kernel panic - not syncing: x", *numbered(20, 30))


def test_lines_are_shown_without_spaces_at_their_end_and_none_that_is_empty():
    found = ending_of(TRIAL + "[    0.1] x\n\n \nKernel panic - not syncing: x \n  y  \n")
    assert found == Ending(
        kind="panic",
        sentence="the kernel panicked: x ",
        lines=("[    0.1] x", "Kernel panic - not syncing: x", "  y"),
    )
    # Near the beginning fewer are before it.
    found = ending_of(TRIAL + "Kernel panic - not syncing: x")
    assert found.lines == (TRIAL.rstrip(), "Kernel panic - not syncing: x")


def test_what_grub_said_around_its_error_is_shown():
    lines = [f"line {number}" for number in range(9)]
    found = ending_of("\n".join(["", *lines, "error: no such device: x.", "y"]))
    assert found.lines == ("line 6", "line 7", "line 8", "error: no such device: x.", "y")


@pytest.mark.parametrize("end", ["m1 login: ", "[    9.0] x", " [    9.0] x"])
def test_the_last_fourteen_lines_are_shown_of_a_boot_that_said_nothing_more(end):
    found = ending_of(TRIAL + SAID + "\n".join([*numbered(0, 20), "", end]) + "\n\n")
    assert found.kind in ("no-ssh", "hang")
    assert found.lines == (*numbered(7, 20), end.rstrip())


def test_also_of_a_kernel_that_said_nothing_and_of_a_console_without_a_boot():
    quiet = [f"line {number}" for number in range(20)]
    found = ending_of(TRIAL + "\n".join(quiet))
    assert found.to_dict() == {
        "kind": "silent-hang",
        "sentence": "the kernel was loaded and never said a word: mostly too little memory to "
        "begin",
        "lines": quiet[6:],
    }
    assert ending_of("\n".join(quiet)).lines == tuple(quiet[6:])
    assert ending_of("") == Ending(kind="unknown", sentence="nothing was heard of a boot")


def test_the_last_line_is_without_its_stamp():
    assert last_line("") == last_line("\n \n") == ""
    assert last_line("one\n[    1.0] [    2.0] two  \n\n") == "[    2.0] two"
