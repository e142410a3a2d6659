"""The whole plan of a boot, each way of it and each refusal, word for word."""

from __future__ import annotations

import base64

import pytest

from hotkit.core.boot_plan import boot_arguments, check_prediction, entry_id, entry_plan
from hotkit.core.grub_block import BEGIN, END
from hotkit.core.grubenv import render
from hotkit.errors import HotkitError
from tests.unit.core.test_boot_plan import SNIPPET, facts, layout, stock

OURS = layout("maxcpus=4")
ID = f"hotkit-4c16g-remote-{OURS.id[:8]}"
TITLE = f"hotkit 4C16G-remote ({OURS.id[:8]})"


def refused(boot, planned=OURS, **options):
    with pytest.raises(HotkitError) as caught:
        entry_plan(boot, planned, **options)
    return caught.value.message, caught.value.hint


@pytest.mark.parametrize(
    ("profile", "slug"),
    [
        ("A b_C--9!", "a-b-c-9"),
        ("--x--", "x"),
        ("äö", "layout"),
        ("", "layout"),
        ("x" * 41, "x" * 40),
        ("-" + "y" * 39 + "-z", "y" * 39 + "-"),
    ],
)
def test_an_id_is_made_of_the_profiles_letters_and_figures(profile, slug):
    planned = layout(profile=profile)
    assert entry_id(planned) == f"hotkit-{slug}-{planned.id[:8]}"


def test_the_token_is_the_first_of_our_arguments():
    assert boot_arguments(layout("a", "b")) == (layout("a", "b").token, "a", "b", "panic=10")
    assert boot_arguments(layout("a"), ["x", "y"])[2:] == ("panic=10", "x", "y")


def test_a_plan_by_an_entry_of_our_own():
    text = stock("/k ro mem=1G", "initrd /i", "savedefault")
    block = (
        f"menuentry '{TITLE}' --id {ID} {{\n"
        f"\tlinux /k ro {OURS.token} maxcpus=4 panic=10 x=\\$1\n\tinitrd /i\n\ttrue\n}}\n"
    )
    assert entry_plan(facts(text, custom_cfg="# mine\n"), OURS, extra=["x=$1"]).to_dict() == {
        "method": "entry",
        "entry_id": ID,
        "title": TITLE,
        "block": block,
        "custom_cfg": f"# mine\n{BEGIN}\n{block}{END}\n",
        "dropin": None,
        "cmdline": f"BOOT_IMAGE=/k ro {OURS.token} maxcpus=4 panic=10 x=$1",
        "kernel": "/k",
        "stock_id": "gnulinux-simple-1",
        "findings": [
            "left out of the stock arguments: mem=1G (the layout decides it)",
            "left out: 'savedefault', which writes the environment block",
        ],
    }
    assert entry_plan(facts(text), OURS).custom_cfg.startswith(f"{BEGIN}\nmenuentry ")


def test_a_body_over_one_line_and_an_unrestricted_entry():
    text = f"menuentry Stock --unrestricted {{ linux /k }}\n{SNIPPET}"
    block = f"menuentry '{TITLE}' --unrestricted --id {ID} {{\n linux /k {OURS.token} "
    assert entry_plan(facts(text), OURS).block == block + "maxcpus=4 panic=10 \n}\n"


def test_a_kernel_of_our_own_with_its_initrd():
    plan = entry_plan(
        facts(stock("/k ro", "initrd /i")), OURS, kernel="/boot/o/k", initrd="/boot/o/i"
    )
    assert (plan.kernel, plan.cmdline) == (
        "/o/k",
        f"BOOT_IMAGE=/o/k ro {OURS.token} maxcpus=4 panic=10",
    )
    assert "\n\tinitrd /o/i\n" in plan.block


DROPIN = (
    'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT"'
    f"' {OURS.token} maxcpus=4 panic=10 x=\\$1'\n"
)
EVERY = "every entry of update-grub gets the layout, except the recovery ones"


def test_a_plan_by_a_drop_in():
    """What /etc/default/grub says already, and what it says of other things, is left alone."""
    text = stock("/k ro quiet $vt_handoff", "savedefault")
    default = 'X=`lsb_release`\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\n'
    found = entry_plan(
        facts(text, default_grub=default), OURS, method="defaults", boot_once=False, extra=["x=$1"]
    )
    assert found.to_dict() == {
        "method": "defaults",
        "entry_id": "gnulinux-simple-1",
        "title": "Stock",
        "block": None,
        "custom_cfg": None,
        "dropin": DROPIN,
        "cmdline": f"BOOT_IMAGE=/k ro quiet {OURS.token} maxcpus=4 panic=10 x=$1",
        "kernel": "/k",
        "stock_id": "gnulinux-simple-1",
        "findings": [
            "left out of the stock arguments: $vt_handoff",
            "left out: 'savedefault', which writes the environment block",
            EVERY,
        ],
    }


def two(first, other):
    """A menu whose default is no entry of update-grub's."""
    return (
        f"set default=safe\nmenuentry Safe --id safe {{\nlinux /safe {other}\n}}\n"
        + stock(first)
        + "menuentry More --id gnulinux-more {\nlinux /more\n}\n"
    )


def test_a_drop_in_for_one_boot_boots_update_grubs_first_entry():
    plan = entry_plan(facts(two("/k ro", "mem=1G")), OURS, method="defaults")
    assert (plan.entry_id, plan.title, plan.stock_id, plan.kernel, plan.findings) == (
        "gnulinux-simple-1", "Stock", "safe", "/k", (EVERY,),
    )  # fmt: skip
    assert plan.cmdline == f"BOOT_IMAGE=/k ro {OURS.token} maxcpus=4 panic=10"
    # For good it changes what boots by default.
    plan = entry_plan(facts(two("/k ro", "x")), OURS, method="defaults", boot_once=False)
    assert (plan.entry_id, plan.stock_id) == ("safe", "safe")


NO_STOCK = (
    "the defaults method changes every entry that update-grub writes, the default one too, so no "
    "stock entry remains to fall back to",
    "use method entry; or commit at once (hotkit_commit: true) if you can reach the machine's "
    "console",
)


def test_a_drop_in_for_one_boot_needs_an_entry_of_update_grubs_and_one_that_is_not():
    assert refused(facts(), method="defaults") == NO_STOCK
    other = stock("/k").replace("gnulinux-simple-1", "x-gnulinux-1")
    assert refused(facts(other), method="defaults") == NO_STOCK


def test_a_drop_in_takes_nothing_out():
    hint = "remove it from /etc/default/grub first, or use method entry"
    text = stock("/k $vt_handoff mem=4G maxcpus=2")
    said = "left out of the stock arguments: mem=4G (the layout decides it): a drop-in cannot take "
    assert refused(facts(text), method="defaults", boot_once=False) == (
        f"{said}an argument out again", hint,
    )  # fmt: skip
    assert refused(facts(two("/k mem=4G", "x")), method="defaults")[1] == hint


def test_a_default_grub_that_is_more_than_assignments_is_refused():
    boot = facts(stock("/k"), default_grub="A=1\nif x; then\n")
    assert refused(boot, method="defaults", boot_once=False) == (
        "/etc/default/grub, line 2: 'if x; then' is not an assignment", None,
    )  # fmt: skip


def test_which_methods_there_are():
    assert refused(facts(), method="grubby") == (
        "unknown entry method 'grubby': write entry or defaults", None,
    )  # fmt: skip
    assert refused(facts(), method="defaults", kernel="/boot/k") == (
        "the defaults method changes arguments, it cannot name a kernel", None,
    )  # fmt: skip


def fitting(length, path="/k"):
    """A layout whose line has so many characters behind this path."""
    rest = len(f"BOOT_IMAGE={path} {OURS.token} x= panic=10")
    return layout("x=" + "y" * (length - rest))


def test_the_kernel_keeps_2047_characters():
    assert len(entry_plan(facts(stock("/k")), fitting(2047)).cmdline) == 2047
    said = "the command line would have 2048 characters; the kernel keeps 2047"
    assert refused(facts(stock("/k")), fitting(2048)) == (said, None)
    # Also on the line of the entry that a drop-in boots, which is not the stock one's.
    boot = facts(two("/longer", "").replace("/safe ", "/k"))
    planned = fitting(2047, "/longer")
    assert len(entry_plan(boot, planned, method="defaults").cmdline) == 2047
    assert refused(boot, fitting(2048, "/longer"), method="defaults") == (said, None)


PASSWORD_HINT = "add --unrestricted to the entries (CLASS in /etc/grub.d/10_linux)"


def asks(title):
    return f"GRUB asks for a password before it boots {title!r}, so no boot is unattended"


def test_a_trial_asks_for_no_password():
    users = "set superusers=root\n"
    assert refused(facts(users + stock("/k"))) == (asks("Stock"), PASSWORD_HINT)
    assert entry_plan(facts("set superusers=\n" + stock("/k")), OURS).entry_id == ID
    # Neither does the entry that a drop-in boots.
    text = users + two("/k", "").replace("--id safe", "--unrestricted --id safe")
    assert refused(facts(text), method="defaults") == (asks("Stock"), PASSWORD_HINT)
    assert entry_plan(facts(text), OURS).stock_id == "safe"


def test_a_trial_waits_for_no_key():
    said = (
        "GRUB waits for a key before it boots anything (GRUB_TIMEOUT=-1)",
        "set GRUB_TIMEOUT=5 in /etc/default/grub and run update-grub",
    )
    for text in ("set timeout=-1\n", "set timeout=-5\n"):
        assert refused(facts(text + stock("/k"))) == said
    for text in ("", "set timeout=0\n", "set timeout=5-1\n", "set timeout=\n"):
        assert entry_plan(facts(text + stock("/k")), OURS).entry_id == ID


def test_the_environment_block_is_read_before_the_menu():
    text = "load_env\nset default=$saved_entry\n" + stock("/k") + "menuentry b { linux /b }\n"
    block = base64.b64encode(render({"saved_entry": "1"})).decode()
    assert entry_plan(facts(text, grubenv=block), OURS).kernel == "/b"
    for none in (None, ""):
        assert entry_plan(facts(text, grubenv=none), OURS).kernel == "/k"
    other = base64.b64encode(b"no block").decode()
    assert refused(facts(text, grubenv=other))[0].startswith("grub.cfg: this is no GRUB environ")
    assert refused(facts(text, grubenv="x")) == (
        "GRUB's environment block in the facts is no base64", None,
    )  # fmt: skip


def test_an_id_that_grub_cfg_has_already_is_refused():
    said = (f"grub.cfg already has an entry named {ID}", None)
    for more in (f"menuentry x --id {ID} {{ y }}\n", f"submenu {ID} {{\nmenuentry x {{ y }}\n}}\n"):
        assert refused(facts(stock("/k") + more)) == said
    inside = f"submenu m {{\nmenuentry x --id {ID} {{ y }}\n}}\n"
    assert entry_plan(facts(stock("/k") + inside), OURS).entry_id == ID


AROUND = "look at what stands around hotkit's block: another entry of that name, or an open if or {"


@pytest.mark.parametrize(
    ("custom_cfg", "count"),
    [
        (f"menuentry {ID} {{ x }}\n", 2),
        (f"menuentry y --id {ID} {{ x }}\nmenuentry z --id {ID} {{ x }}\n", 3),
        (f"if [ -f /x ]; then\n{BEGIN}\nx\n{END}\nfi\n", 0),
        (f"submenu x {{\n{BEGIN}\nx\n{END}\n}}\n", 0),
        # A menu of that name goes before it.
        (f"submenu {ID} {{\nmenuentry a {{ x }}\n}}\n", 2),
    ],
)
def test_custom_cfg_shows_our_entry_once(custom_cfg, count):
    assert refused(facts(custom_cfg=custom_cfg)) == (
        f"custom.cfg would show {count} entries named {ID}, not one", AROUND,
    )  # fmt: skip


def test_custom_cfg_that_grub_would_not_read_is_refused():
    message, hint = refused(facts(custom_cfg="echo 'a"))
    assert (
        message.startswith("custom.cfg would not be read by GRUB: ") and "never closed" in message
    )
    assert hint == "its part outside hotkit's block is broken; run grub-script-check on it"


def test_a_prediction_is_what_was_meant_to_the_character():
    check_prediction("BOOT_IMAGE=/k a b=1", "BOOT_IMAGE=/k a b=1", ["b=1"])
    for predicted, arguments, said in (
        ("a b=", ["a", "b=1", "c"], "the kernel would not get b=1 but 'a b='"),
        ("a b=1 c", ["b=1"], "the kernel would get 'a b=1 c', not 'a b=1'"),
        ("b=1 a", ["b=1"], "the kernel would get 'b=1 a', not 'a b=1'"),
    ):
        with pytest.raises(HotkitError) as caught:
            check_prediction(predicted, "a b=1", arguments)
        assert caught.value.message == said


def test_what_no_loader_passes_on_is_refused():
    assert refused(facts(), layout('a="b"'))[0].startswith("'a=\"b\"' cannot be a kernel argument")
    assert refused(facts(), OURS, extra=["a\\b"])[0].startswith("'a\\\\b' cannot be a kernel arg")
    assert refused({"loader": "systemd-boot"})[0].startswith("this machine boots with systemd-boot")
