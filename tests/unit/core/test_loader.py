"""Facts of a machine's boot loader: paths, tools, and each reason why hotkit cannot handle it."""

from __future__ import annotations

import pytest

from hotkit.core.grubenv import render
from hotkit.core.loader import Loader, Problem, examine
from hotkit.errors import HotkitError
from tests.unit.core.test_boot_plan import SNIPPET, STOCK, facts, stock

NO_ENTRY = Problem(
    "grub.cfg holds no menuentry: its entries are Boot Loader Specification files",
    "hotkit does not read /boot/loader/entries yet; `hotkit layout quote` shows the text for an "
    "entry of your own",
)
NO_SNIPPET = Problem(
    "grub.cfg does not source custom.cfg, where hotkit puts its entry",
    "make /etc/grub.d/41_custom executable again and run update-grub",
)
NO_TOOL_HINT = "it is in the distribution's GRUB package"
UNREADABLE = Problem("there is no readable grub.cfg", "run as root; run update-grub once")


@pytest.mark.parametrize(
    ("family", "directory", "prefix"),
    [
        ("grub2-debian", "/boot/grub", "grub-"),
        ("grub2-rhel", "/boot/grub2", "grub2-"),
        ("grub2-suse", "/boot/grub2", "grub2-"),
    ],
)
def test_paths_and_tools_of_each_family(family, directory, prefix):
    note = f"{family}: same mechanism as Debian's GRUB, not tested on a real machine"
    found = examine({"loader": family, "grub_cfg": STOCK})
    assert found == Loader(
        family=family,
        grub_dir=directory,
        editenv_tool=f"{prefix}editenv",
        script_check_tool=f"{prefix}script-check",
        problems=(),
        notes=() if family == "grub2-debian" else (note,),
    )
    assert (found.custom_cfg, found.grubenv) == (f"{directory}/custom.cfg", f"{directory}/grubenv")


def test_what_the_machine_says_goes_before_what_its_family_is_known_for():
    tools = {"grub-editenv": "/usr/bin/grub-editenv", "grub-script-check": "/x/check"}
    found = examine({
        "loader": "grub2-rhel", "grub_cfg": STOCK, "grub_dir": "/boot/efi/g", "tools": tools,
    })  # fmt: skip
    assert (found.grub_dir, found.editenv_tool, found.script_check_tool, found.problems) == (
        "/boot/efi/g", "/usr/bin/grub-editenv", "/x/check", (),
    )  # fmt: skip


def test_a_tool_that_was_looked_for_in_vain_is_a_problem_and_one_never_looked_for_is_none():
    for family, name in (("grub2-debian", "grub-editenv"), ("grub2-suse", "grub2-editenv")):
        found = examine(facts() | {"loader": family, "tools": {"grub-editenv": None}})
        assert found.problems == (Problem(f"{name} is not installed", NO_TOOL_HINT),)
        assert found.editenv_tool == name
    assert examine(facts() | {"tools": {"grub-script-check": None}}).problems == ()


SYSTEMD_BOOT = Problem(
    "this machine boots with systemd-boot, which hotkit does not handle yet",
    "`hotkit layout quote` shows the text for an entry of your own; boot it once with "
    "`bootctl set-oneshot`",
)
NONE_KNOWN = Problem(
    "no boot loader that hotkit knows was found (no grub.cfg below /boot)",
    "hotkit needs GRUB 2 with its files in /boot/grub or /boot/grub2",
)


@pytest.mark.parametrize(
    ("boot", "family", "problem"),
    [
        ({"loader": "systemd-boot"}, "systemd-boot", SYSTEMD_BOOT),
        ({"loader": "lilo"}, "lilo", NONE_KNOWN),
        ({"loader": ""}, "unknown", NONE_KNOWN),
        ({"grub_cfg": STOCK}, "unknown", NONE_KNOWN),
    ],
)
def test_another_loader_has_no_tools_and_one_problem(boot, family, problem):
    assert examine(boot) == Loader(
        family=family, grub_dir="/boot/grub", editenv_tool="", script_check_tool="",
        problems=(problem,), notes=(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("grub_cfg", "more", "problems"),
    [
        (None, {}, (UNREADABLE,)),
        ("", {"grubenv_problem": "it lies on LVM"}, (UNREADABLE,)),
        ("blscfg\n", {}, (NO_ENTRY, NO_SNIPPET)),
        ("blscfg\n" + SNIPPET, {}, (NO_ENTRY,)),
        (stock("/k").split("###")[0], {}, (NO_SNIPPET,)),
        (
            stock("/k").split("###")[0],
            {"grubenv_problem": "it lies on LVM", "tools": {"grub-editenv": ""}},
            (
                NO_SNIPPET,
                Problem(
                    "GRUB cannot write its environment block: it lies on LVM",
                    "without it an entry cannot be armed for one boot, and a layout that panics "
                    "would be booted again and again; put /boot on a plain partition (ext4)",
                ),
                Problem("grub-editenv is not installed", NO_TOOL_HINT),
            ),
        ),
    ],
)
def test_each_problem_and_its_way_out(grub_cfg, more, problems):
    found = examine(facts(grub_cfg) | more)
    assert found.problems == problems
    with pytest.raises(HotkitError) as caught:
        found.require()
    assert (caught.value.message, caught.value.hint) == (problems[0].message, problems[0].hint)


def test_a_grub_cfg_that_grub_would_not_parse_is_the_only_problem():
    (problem,) = examine(facts("menuentry 'a {", grubenv_problem="x")).problems
    assert problem.message.startswith("grub.cfg: ") and "never closed" in problem.message
    assert problem.hint == "run grub-script-check on it"


def test_the_environment_block_decides_what_grub_cfg_runs():
    """A block that says `hide=y` leaves the menu without an entry."""
    text = f'load_env\nif [ -z "$hide" ]; then\n{stock("/k").split("###")[0]}fi\n{SNIPPET}'
    assert examine(facts(text)).problems == ()
    assert examine(facts(text), b"").problems == ()
    assert examine(facts(text), render({"other": "y"})).problems == ()
    assert examine(facts(text), render({"hide": "y"})).problems == (NO_ENTRY,)


def test_a_damaged_environment_block_is_said():
    (problem,) = examine(facts(), b"no block").problems
    assert problem.message.startswith("grub.cfg: ")


def test_a_loader_without_problems_requires_nothing():
    examine(facts()).require()
