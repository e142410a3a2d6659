"""From a stock grub.cfg to our entry: what is kept, what is left out, what is refused."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core import grub_block
from hotkit.core.boot_plan import DROPIN_PATH, entry_id, entry_plan
from hotkit.core.cmdline import MAX_LENGTH
from hotkit.core.grub_cfg import predicted_cmdline, read_menu
from hotkit.core.grubenv import render
from hotkit.core.layout import Layout
from hotkit.core.loader import examine
from hotkit.errors import HotkitError

DATA = Path(__file__).parents[2] / "data" / "grub"
STOCK = (DATA / "debian12.cfg").read_text()
SNIPPET = "### BEGIN /etc/grub.d/41_custom" + STOCK.split("### BEGIN /etc/grub.d/41_custom")[1]
BASE = (
    "BOOT_IMAGE=/boot/vmlinuz-6.1.0-56-cloud-amd64 "
    "root=UUID=6a1f0f7e-0000-4000-8000-000000000001 ro console=ttyS0,115200"
)
MEMMAP = "memmap=127796M$5324M,117964M$146228M"


def layout(*args: str, profile: str = "4C16G-remote") -> Layout:
    return Layout(
        profile=profile,
        topology="any",
        style="$",
        size_means="present",
        args=args or ("maxcpus=4", MEMMAP, "nokaslr"),
        nodes=(),
        cpus=(0, 1, 2, 3),
    )


def facts(grub_cfg: str = STOCK, **more: Any) -> dict[str, Any]:
    return {"loader": "grub2-debian", "grub_dir": "/boot/grub", "grub_cfg": grub_cfg} | more


def stock(linux: str, *lines: str) -> str:
    body = "\n".join([f"\tlinux\t{linux}", *(f"\t{line}" for line in lines)])
    return f"menuentry 'Stock' --id gnulinux-simple-1 {{\n{body}\n}}\n{SNIPPET}"


def test_entry() -> None:
    planned = layout()
    plan = entry_plan(facts(custom_cfg="# mine\n"), planned)
    assert plan.entry_id == f"hotkit-4c16g-remote-{planned.id[:8]}"
    assert plan.cmdline == f"{BASE} {planned.token} maxcpus=4 {MEMMAP} nokaslr panic=10"
    assert plan.stock_id == "gnulinux-simple-6a1f0f7e-0000-4000-8000-000000000001"
    assert plan.custom_cfg and plan.block
    assert grub_block.remove(plan.custom_cfg) == "# mine\n"
    assert MEMMAP.replace("$", "\\$") in plan.block
    (entry,) = read_menu(plan.custom_cfg).entries
    assert entry.id == plan.entry_id and entry.title == plan.title
    # Everything else is the stock entry's own.
    ours = [line for line in plan.block.split("\n") if "linux " not in line]
    theirs = [
        line for line in read_menu(STOCK).entries[0].body.split("\n") if "linux\t" not in line
    ]
    assert ours[1:-2] == theirs[1:-1]


def test_a_second_plan_is_the_same_text() -> None:
    first = entry_plan(facts(custom_cfg="set x=1\n"), layout())
    again = entry_plan(facts(custom_cfg=first.custom_cfg), layout())
    assert again.custom_cfg == first.custom_cfg
    other = entry_plan(facts(custom_cfg=first.custom_cfg), layout("maxcpus=2"))
    assert other.custom_cfg and first.entry_id not in other.custom_cfg


def test_a_kernel_of_our_own() -> None:
    text = stock("/vmlinuz-6.1 root=x ro", "echo 'Loading Linux 6.1'", "initrd /initrd-6.1")
    plan = entry_plan(facts(text), layout(), kernel="/boot/hotkit/vmlinuz", initrd="/boot/hotkit/i")
    assert plan.kernel == "/hotkit/vmlinuz"  # /boot is a file system of its own here
    assert plan.cmdline.startswith("BOOT_IMAGE=/hotkit/vmlinuz root=x ro hotkit.id=")
    assert plan.block and "initrd /hotkit/i" in plan.block and "6.1" not in plan.block
    bare = entry_plan(facts(text), layout(), kernel="/boot/hotkit/vmlinuz")
    assert bare.block and "initrd" not in bare.block
    with pytest.raises(HotkitError, match="not below /boot"):
        entry_plan(facts(text), layout(), kernel="/root/vmlinuz")


@pytest.mark.parametrize(
    ("arguments", "kept", "finding"),
    [
        ("ro mem=4G quiet", "ro quiet", "mem=4G"),
        ("memmap=1G\\$5G maxcpus=2 nr_cpus=3 panic=-1 ro", "ro", "maxcpus=2"),
        ("possible-cpus=8 ro", "ro", "possible-cpus=8"),
        ("quiet splash $vt_handoff", "quiet splash", "$vt_handoff"),
        ("quiet hotkit.id=old maxcpus=1 panic=10", "quiet", "carries a hotkit layout"),
        ("'dyndbg=file a.c +p' crashkernel=256M", '"dyndbg=file a.c +p" crashkernel=256M', None),
        ("numa_balancing=enable mempolicy=x", "numa_balancing=enable mempolicy=x", None),
    ],
)
def test_stock_arguments(arguments: str, kept: str, finding: str | None) -> None:
    plan = entry_plan(facts(stock(f"/k {arguments}")), layout("maxcpus=4"))
    assert plan.cmdline.startswith(f"BOOT_IMAGE=/k {kept} hotkit.id=")
    assert bool(plan.findings) == bool(finding)
    assert any((finding or "") in item for item in plan.findings) or not finding


@pytest.mark.parametrize(
    ("ours", "stock_arguments", "left"),
    [
        ("crashkernel=0", "crashkernel=1G,high crashkernel=72M,low quiet", "quiet"),
        ("crashkernel=256M", "crashkernel=1G,high quiet", "crashkernel=1G,high quiet"),
        ("hugepages=0", "hugepagesz=1G hugepages=64 default_hugepagesz=2M ro",
         "default_hugepagesz=2M ro"),
        ("page_owner=off", "page_owner=on ro", "page_owner=on ro"),
        # What the layout gives as well would be there twice.
        ("systemd.mask=a.service", "systemd.mask=a.service systemd.mask=b.service",
         "systemd.mask=b.service"),
    ],
)  # fmt: skip
def test_what_a_saving_takes_out_of_the_stock_arguments(
    ours: str, stock_arguments: str, left: str
) -> None:
    plan = entry_plan(facts(stock(f"/k {stock_arguments}")), layout(ours))
    token = layout(ours).token
    assert plan.cmdline == f"BOOT_IMAGE=/k {left} {token} {ours} panic=10"
    gone = set(stock_arguments.split()) - set(left.split())
    assert len(plan.findings) == len(gone)
    assert all(any(word in line for line in plan.findings) for word in gone)


def test_what_is_for_init_stays_behind_the_dashes() -> None:
    plan = entry_plan(facts(stock("/k ro -- single")), layout("maxcpus=4"))
    assert plan.cmdline.endswith("maxcpus=4 panic=10 -- single")


def test_the_trial_does_not_write_what_boots_next() -> None:
    text = "function savedefault {\nsave_env saved_entry\n}\n"
    text += stock("/k ro", "savedefault", "recordfail", "save_env x")
    plan = entry_plan(facts(text), layout())
    assert plan.block and not any(word in plan.block for word in ("save", "recordfail"))
    assert len(plan.findings) == 3


@pytest.mark.parametrize(
    "title", ["it's $1 {", 'a "b" \\ c', "<&|;>", "ünïcode", "--id", "$(x) `y`"]
)
def test_titles_are_only_text(title: str) -> None:
    plan = entry_plan(facts(), layout(profile=title))
    assert read_menu(plan.custom_cfg or "").entries[0].title == plan.title
    assert title in plan.title
    assert plan.entry_id[0].isalpha()


def test_a_title_over_two_lines_is_refused() -> None:
    with pytest.raises(HotkitError, match="line end"):
        entry_plan(facts(), layout(profile="two\nlines"))


@given(
    st.lists(
        st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="\\'\""))
        .filter(lambda text: text not in ("", "--"))
        .map(lambda text: f"x{text}"),
        min_size=1,
        max_size=4,
    ),
    st.text(st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"]), max_size=20),
)
def test_any_argument_arrives(args: list[str], custom: str) -> None:
    plan = entry_plan(facts(custom_cfg=f"# {custom}"), layout(*args))
    assert plan.cmdline == f"{BASE} hotkit.id={layout(*args).id} {' '.join(args)} panic=10"


def test_an_unrestricted_entry_stays_so() -> None:
    text = "set superusers=root\n" + stock("/k ro").replace("--id", "--unrestricted --id")
    plan = entry_plan(facts(text), layout())
    assert read_menu(plan.custom_cfg or "").entries[0].unrestricted


CASES: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("quote in an argument", {}, {"layout": layout("a='b'")}, "cannot be a kernel argument"),
    ("too long", {}, {"layout": layout("a=" + "b" * MAX_LENGTH)}, "characters"),
    ("unknown method", {}, {"method": "grubby"}, "unknown entry method"),
    ("numa off", {"grub_cfg": stock("/k numa=off")}, {}, "numa=off"),
    ("variable", {"grub_cfg": stock("/k root=$x")}, {}, "depends on a GRUB variable"),
    ("no linux", {"grub_cfg": stock("").replace("linux", "halt")}, {}, "0 linux commands"),
    (
        "conditional linux",
        {"grub_cfg": stock("/k", "if [ a = a ]; then linux /b; fi")},
        {},
        "2 linux commands",
    ),
    ("password", {"grub_cfg": "set superusers=root\n" + stock("/k ro")}, {}, "password"),
    ("waits for a key", {"grub_cfg": "set timeout=-1\n" + stock("/k ro")}, {}, "waits for a key"),
    (
        "same id in custom.cfg",
        {"custom_cfg": f"menuentry {entry_id(layout())} {{\nlinux /k\n}}\n"},
        {},
        "2 entries named",
    ),
    (
        "inside an if",
        {"custom_cfg": f"if [ -f /x ]; then\n{grub_block.insert('', 'true')}fi\n"},
        {},
        "0 entries named",
    ),
    ("no snippet", {"grub_cfg": stock("/k").split("###")[0]}, {}, "does not source custom.cfg"),
    ("no entries", {"grub_cfg": "blscfg\n" + SNIPPET}, {}, "holds no menuentry"),
    ("no grub.cfg", {"grub_cfg": None}, {}, "no readable grub.cfg"),
    ("broken grub.cfg", {"grub_cfg": "menuentry 'a {"}, {}, "never closed"),
    ("grubenv", {"grubenv_problem": "it lies on LVM"}, {}, "LVM"),
    ("damaged grubenv", {"grubenv": "x"}, {}, "environment block in the facts is no base64"),
    ("no tool", {"tools": {"grub-editenv": None}}, {}, "grub-editenv"),
    ("systemd-boot", {"loader": "systemd-boot"}, {}, "systemd-boot"),
    ("no loader", {"loader": "unknown"}, {}, "no boot loader"),
    ("broken custom.cfg", {"custom_cfg": "menuentry 'a {\n"}, {}, "custom.cfg would not be read"),
    ("open if", {"custom_cfg": "if true; then\n"}, {}, "custom.cfg would not be read"),
    ("open quote", {"custom_cfg": "echo 'a"}, {}, "custom.cfg would not be read"),
    (
        "same id twice",
        {"grub_cfg": STOCK + f"menuentry x --id {entry_id(layout())} {{\nlinux /k\n}}\n"},
        {},
        "already has an entry",
    ),
    ("defaults with a kernel", {}, {"method": "defaults", "kernel": "/boot/k"}, "cannot name"),
    ("defaults, boot once", {}, {"method": "defaults"}, "no stock entry remains"),
    (
        "defaults over an argument",
        {"grub_cfg": stock("/k mem=4G")},
        {"method": "defaults", "boot_once": False},
        "cannot take an argument out",
    ),
    (
        "defaults over a crash kernel",
        {"grub_cfg": stock("/k crashkernel=1G")},
        {"method": "defaults", "boot_once": False, "layout": layout("crashkernel=0")},
        "left out of the stock arguments: crashkernel=1G",
    ),
]


@pytest.mark.parametrize(
    ("boot", "options", "what"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_refused(boot: dict[str, Any], options: dict[str, Any], what: str) -> None:
    options = {"layout": layout()} | options
    with pytest.raises(HotkitError, match=what):
        entry_plan(facts() | boot, options.pop("layout"), **options)


def test_defaults_drop_in() -> None:
    plan = entry_plan(facts(), layout(), method="defaults", boot_once=False)
    escaped = MEMMAP.replace("$", "\\$")
    assert plan.dropin == (
        'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT"'
        f"' hotkit.id={layout().id} maxcpus=4 {escaped} nokaslr panic=10'\n"
    )
    assert plan.entry_id == plan.stock_id
    assert plan.cmdline.endswith(f"{MEMMAP} nokaslr panic=10")
    assert plan.custom_cfg is None
    assert DROPIN_PATH.endswith(".cfg")


def test_defaults_boots_once_when_the_default_is_not_update_grubs() -> None:
    text = STOCK.replace('set default="0"', 'set default="safe"')
    text += "menuentry Safe --id safe {\nlinux /k ro\n}\n"
    plan = entry_plan(facts(text), layout(), method="defaults")
    assert plan.stock_id == "safe"
    assert plan.entry_id.startswith("gnulinux-simple-")
    assert plan.cmdline.startswith(BASE)


def test_the_default_of_grubenv_is_the_stock_entry() -> None:
    text = STOCK.replace('set default="0"', 'set default="${saved_entry}"')
    block = base64.b64encode(render({"saved_entry": "1>1", "next_entry": "0"})).decode()
    plan = entry_plan(facts(text, grubenv=block), layout())
    assert " single " in plan.cmdline


def test_plan_as_json_and_prediction_agree() -> None:
    plan = entry_plan(facts(), layout())
    menu = read_menu(STOCK)
    (entry,) = read_menu(plan.to_dict()["custom_cfg"]).entries
    assert predicted_cmdline(entry, menu) == plan.to_dict()["cmdline"]


@pytest.mark.parametrize("family", ["grub2-rhel", "grub2-suse"])
def test_other_families_say_that_they_are_not_tested(family: str) -> None:
    found = examine(facts() | {"loader": family, "grub_dir": None})
    found.require()
    assert found.custom_cfg == "/boot/grub2/custom.cfg"
    assert found.editenv_tool == "grub2-editenv"
    assert "not tested" in found.notes[0]
    assert examine(facts()).notes == ()
