"""Our models against the real tools: grub-script-check, grub-editenv, sh, grub-mkconfig."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from mkconfig import mkconfig

from hotkit.core.boot_plan import DROPIN_PATH, entry_plan
from hotkit.core.grub_cfg import predicted_cmdline, read_menu
from hotkit.core.grub_eval import kernel_cmdline
from hotkit.core.grub_lexer import parse
from hotkit.core.grub_quote import grub_dropin
from hotkit.core.grub_words import GrubSyntaxError
from hotkit.core.grubenv import parse as parse_grubenv
from hotkit.core.grubenv import render
from hotkit.core.layout import Layout
from hotkit.core.sh_lexer import source
from hotkit.host.run import require, run

DATA = Path(__file__).parent.parent / "data" / "grub"
DEFAULT_GRUB = (DATA / "default-grub").read_text()


def accepted_by_grub(text: str) -> bool | None:
    """None: it has no command, which grub-script-check complains about and GRUB does not."""
    done = run([require("grub-script-check", "grub-common")], input=text, check=False)
    return None if "contains no commands" in done.stderr else done.returncode == 0


def accepted_by_us(text: str) -> bool:
    try:
        parse(text)
    except GrubSyntaxError:
        return False
    return True


PIECES = [
    "a", "bc", "1", "$1", "$v", "${v}", "$", '"', '"', "'", "'", "\\", "\\$", "\\\\", "\n", " ",
    "\t", ";", "{", "}", "#", "=", "if", "then", "fi", "echo", "[", "]", "[[", "!", "%", "*", "?",
    "$?", "$#", "$@", "${1}", "${", "else", "for", "in", "do", "done", "function", "while", "|",
    "&", "<", "menuentry", "elif", "\n", "; ", " ",
]  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_we_accept_what_grub_accepts(seed: int) -> None:
    rng = random.Random(seed)
    verdicts = []
    for _ in range(120):
        pieces = [rng.choice(PIECES) for _ in range(rng.randint(1, 12))]
        text = "".join(piece + " " * (rng.random() < 0.3) for piece in pieces)
        frame = rng.choice(["{}\n", "menuentry x {{ {}\n}}\n", "if a; then {}\nfi\n"])
        script = frame.format(text)
        real = accepted_by_grub(script)
        if real is not None:
            assert accepted_by_us(script) == real, script
            verdicts.append(real)
    assert 10 < sum(verdicts) < len(verdicts) - 10


@pytest.mark.parametrize("name", ["debian12.cfg", "debian12-separate-boot.cfg"])
def test_a_whole_entry_is_accepted(name: str) -> None:
    plan = entry_plan(facts((DATA / name).read_text()), layout("$"))
    assert plan.custom_cfg
    assert accepted_by_grub(plan.custom_cfg)


def test_environment_block_as_grub_editenv_writes_it(tmp_path: Path) -> None:
    editenv, block = require("grub-editenv", "grub-common"), tmp_path / "grubenv"
    variables = {
        "saved_entry": "gnulinux-simple-1",
        "hotkit_args": "memmap=127796M\\$5324M maxcpus=4",
        "two": "a\nb\\",
        "empty": "",
        "accents": "ünïcode",
    }
    run([editenv, block, "create"])
    assert block.read_bytes() == render({})
    for name, value in variables.items():
        run([editenv, block, "set", f"{name}={value}"])
    assert parse_grubenv(block.read_bytes()) == variables
    assert block.read_bytes() == render(variables)
    run([editenv, block, "unset", "two"])
    run([editenv, block, "set", "saved_entry=short"])
    del variables["two"]
    variables["saved_entry"] = "short"
    assert block.read_bytes() == render(variables)
    block.write_bytes(render({"next_entry": "hotkit-x", "path": "c:\\d"}))
    assert run([editenv, block, "list"]).stdout == "next_entry=hotkit-x\npath=c:\\d\n"


SPELLINGS = [
    '"quiet memmap=100M$5324M"', '"memmap=256M$1G"', '"a\\$5324M"', '"a\\\\$5324M"',
    '"a\\\\\\$5M"', "'a\\$5M'", "'a$5M'", "'it'\\''s'", '"$OLD b ${OLD}c$"', "a\\ b", '"a\\`b"',
    '"\\x \\"q\\""', "a\\\nb", '"a\\\nb"', "a#b", "#", "$1$2$3", "*", "", "'\n'", "é$OLD",
    '"$OLD"\' memmap=1G\\$5G\'',
]  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_sourcing_as_sh_does_it(spelling: str, tmp_path: Path) -> None:
    text = f"# a comment's quote\nX={spelling}\nY='$X'; Z=$X\n"
    (tmp_path / "drop-in").write_text(text)
    script = 'set /usr/sbin/grub-probe dummy; OLD="old value"; . "$0"; printf %s "$X|$Y|$Z"'
    real = run(["sh", "-c", script, tmp_path / "drop-in"]).stdout
    ours = source(text, {"OLD": "old value"})
    assert f"{ours['X']}|{ours['Y']}|{ours['Z']}" == real


def test_our_drop_in_through_sh(tmp_path: Path) -> None:
    allowed = [chr(code) for code in range(0x21, 0x7F) if chr(code) not in "\\'\""]
    rng = random.Random(7)
    for number in range(40):
        arguments = ["".join(rng.choices(allowed, k=rng.randint(1, 8))) for _ in range(4)]
        path = tmp_path / f"{number}.cfg"
        path.write_text(grub_dropin(arguments))
        script = 'GRUB_CMDLINE_LINUX_DEFAULT=quiet; . "$0"; printf %s "$GRUB_CMDLINE_LINUX_DEFAULT"'
        value = run(["sh", "-c", script, path]).stdout
        found = kernel_cmdline(f"linux /k {value}", params=("the title",))
        assert found == " ".join(["BOOT_IMAGE=/k", "quiet", *arguments])


def layout(style: str) -> Layout:
    argument = "memmap=127796M$5324M" if style == "$" else "memmap=127796M%5324M-1+2"
    return Layout(
        profile="4C16G-remote",
        topology="any",
        style=style,
        size_means="present",
        args=("maxcpus=4", argument, "nokaslr"),
        nodes=(),
        cpus=(0, 1, 2, 3),
    )


def facts(grub_cfg: str, **more: object) -> dict[str, object]:
    return {"loader": "grub2-debian", "grub_cfg": grub_cfg, "default_grub": DEFAULT_GRUB} | more


def linux_section(grub_cfg: str) -> str:
    """The part that 10_linux writes; the others depend on the machine (EFI, themes)."""
    return grub_cfg.split("### BEGIN /etc/grub.d/10_linux")[1].split("### END")[0]


def test_the_test_data_is_what_grub_mkconfig_writes(tmp_path: Path) -> None:
    text = mkconfig(tmp_path, {"grub": DEFAULT_GRUB})
    kept = (DATA / "debian12-separate-boot.cfg").read_text()
    assert linux_section(text) == linux_section(kept)


@pytest.mark.parametrize("style", ["$", "%"])
def test_defaults_method_through_real_grub_mkconfig(style: str, tmp_path: Path) -> None:
    stock = mkconfig(tmp_path, {"grub": DEFAULT_GRUB})
    plan = entry_plan(facts(stock), layout(style), method="defaults", boot_once=False)
    assert plan.dropin
    name = DROPIN_PATH.removeprefix("/etc/default/")
    menu = read_menu(mkconfig(tmp_path, {"grub": DEFAULT_GRUB, name: plan.dropin}))
    entry = menu.find(plan.entry_id)
    assert entry
    assert predicted_cmdline(entry, menu) == plan.cmdline
    for item in menu.entries:
        layouted = "hotkit.id=" in predicted_cmdline(item, menu)
        assert layouted == ("recovery" not in item.title)
    # Planned again on top of its own outcome, nothing moves.
    again = mkconfig(tmp_path, {"grub": DEFAULT_GRUB, name: plan.dropin})
    second = entry_plan(facts(again), layout(style), method="defaults", boot_once=False)
    assert (second.dropin, second.cmdline) == (plan.dropin, plan.cmdline)
    assert entry_plan(facts(again), layout(style)).cmdline == plan.cmdline


# research/grub-and-provisioning.md 2.2: what stands in the drop-in, what the kernel gets.
OUTCOMES = [
    ('"quiet memmap=100M$5324M"', "quiet memmap=100M324M"),
    ('"quiet memmap=100M\\$5324M"', "quiet memmap=100MM"),
    ('"quiet memmap=100M\\\\$5324M"', "quiet memmap=100M324M"),
    ('"quiet memmap=100M\\\\\\$5324M"', "quiet memmap=100M$5324M"),
    ("'quiet memmap=100M\\$5324M'", "quiet memmap=100M$5324M"),
    ("'quiet memmap=256M$1G'", "quiet memmap=256MDebian GNU/LinuxG"),
    ("'quiet memmap=256M\\\\\\$1G'", "quiet memmap=256M\\\\$1G"),
    ('"quiet memmap=256M$1G"', "quiet memmap=256M/usr/sbin/grub-probeG"),
]


@pytest.mark.parametrize(("spelling", "arrives"), OUTCOMES)
def test_broken_spellings_through_real_grub_mkconfig(
    spelling: str, arrives: str, tmp_path: Path
) -> None:
    dropin = f"GRUB_CMDLINE_LINUX_DEFAULT={spelling}\n"
    menu = read_menu(mkconfig(tmp_path, {"grub": DEFAULT_GRUB, "grub.d/zz-test.cfg": dropin}))
    assert predicted_cmdline(menu.entries[0], menu).endswith(f" console=ttyS0,115200 {arrives}")
