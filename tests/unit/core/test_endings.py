"""Endings of boots, read from the consoles of real ones (tests/data/consoles, see each first line).

What no lab boot has shown yet (GRUB's own prompt, emergency mode) is told from the texts that GRUB
2.06 and systemd 252 print.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hotkit.core.endings import ending_of, last_line
from hotkit.core.plaintext import plain, plain_line

CONSOLES = Path(__file__).parents[2] / "data" / "consoles"
SENTENCES = {
    "panic": ("panic", "the kernel panicked: Attempted to kill init! exitcode=0x00000100"),
    "panic-no-memory": ("panic", "the kernel panicked: Attempted to kill the idle task!"),
    "oom-initramfs": ("oom", "out of memory in the initramfs and panicked (System is deadlocked"),
    "oom-user-space": ("oom", "out of memory in user space and panicked (Out of memory: system-"),
    "wrong-root": ("wrong-root", "the root file system was not found"),
    "initramfs-shell": ("initramfs-shell", "the boot stopped in the initramfs, at a shell"),
    "silent-hang": ("silent-hang", "the kernel was loaded and never said a word"),
    "deadman-sshd": ("deadman", "sshd did not start; the guard rebooted it after 60 s"),
    "deadman-network": ("deadman", "its network was not brought up; the guard rebooted it"),
    "wrong-entry": ("wrong-entry", "GRUB booted another entry"),
}


def console(name: str) -> tuple[str, str]:
    """The text and the token that was armed."""
    text = (CONSOLES / f"{name}.log").read_bytes().decode()
    found = re.search(r"armed: (hotkit\.id=\w+)", text)
    assert found is not None
    return text, found[1]


def test_every_console_has_its_sentence() -> None:
    assert {path.stem for path in CONSOLES.glob("*.log")} == set(SENTENCES)


@pytest.mark.parametrize("name", SENTENCES)
def test_real_consoles(name: str) -> None:
    kind, sentence = SENTENCES[name]
    ending = ending_of(*console(name))
    assert ending.kind == kind and sentence in ending.sentence
    assert ending.lines and all(line == plain(line) for line in ending.lines)


def test_a_machine_that_came_up_on_stock_meanwhile_is_not_what_is_looked_at() -> None:
    text, token = console("panic")
    stock = "Linux version 6.1\n[    0.0] Command line: ro\nKernel panic - not syncing: other\n"
    assert "kill init" in ending_of(text + stock, token).sentence


TRIAL = "Booting `hotkit x (12345678)'\n"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("error: symbol `grub_x' not found.\ngrub rescue> ", "grub-shell"),
        ("error: file `/boot/vmlinuz' not found.\n", "grub-error"),
        (TRIAL + "[    0.1] x\nYou are in emergency mode. After logging in", "emergency"),
        (TRIAL + "[    0.1] x\nStarted Network Configuration\nStarted ssh\nm1 login: ", "no-ssh"),
        (TRIAL + "[    0.1] the last word\n", "hang"),
        (TRIAL + "Loading Linux ...\n", "silent-hang"),
        ("Booting `Debian GNU/Linux'\n[    0.1] x\n", "wrong-entry"),
        ("", "unknown"),
    ],
)
def test_texts_of_loaders_and_systemd(text: str, kind: str) -> None:
    assert ending_of(text, "hotkit.id=1").kind == kind


def test_a_hostile_console_moves_no_cursor() -> None:
    evil = "\x1b]0;title\x07\x1b[2J\x9b31mred\x1b[0m \u202etxt\x00\x08\r\n"
    evil += "Kernel panic - not syncing: \x1b[1mx"
    ending = ending_of(TRIAL + "[    0.1] " + evil)
    assert ending.sentence == "the kernel panicked: x"
    assert all(character.isprintable() for line in ending.lines for character in line)
    assert last_line("[    1.0] one\n\x1b[31mtwo\x1b[0m\n\n") == "two"
    assert plain_line("a\nb\x1b[31m\tc", limit=20) == "a b c" and len(plain_line("x" * 999)) == 300
