"""Causes to the letter, and the figures on which each of them begins."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hotkit.core.diagnosis import Cause, diagnose
from hotkit.core.layout import SlowPmem
from hotkit.core.ranges import Range, RangeSet
from hotkit.core.units import GIB, MIB
from tests.unit.core.test_verdicts import BOOT, GOOD_LINE, LAYOUT, MEMMAP, PMEM_2, TOPOLOGY, running

GOOD = running(GOOD_LINE)
# What each size of memmap= becomes when $ and digits behind it are taken for a variable.
EATEN = ",".join(f"{part.partition('$')[0]}M" for part in MEMMAP.split(","))
RIGHT = r'Write \$ without quotes in a menuentry, or the % spelling (hotkit_style: "%"), which'
RIGHT += " nothing eats."
EDITED = "Look at the entry on the host: something has edited it since it was written."
OPERATORS = "memmap= needs $, %, @, # or ! behind the size."


def causes(line=None, layout=LAYOUT, **seen):
    observed = GOOD if line is None else running(line)
    return list(diagnose(layout, replace(observed, **seen)))


def only(kind, *arguments, **named):
    return [cause for cause in causes(*arguments, **named) if cause.kind == kind]


def test_a_cause_as_json():
    cause = Cause(kind="capped", sentence="It is.", advice="Mend it.")
    assert cause.to_dict() == {"kind": "capped", "sentence": "It is.", "advice": "Mend it."}


def test_another_layout_runs_and_nothing_is_said_of_its_arguments():
    line = f"{BOOT} maxcpus=4 memmap=1G$5G nokaslr hotkit.id=0123456789ab hotkit.id=00"
    assert causes(line) == [
        Cause(
            kind="other-layout",
            sentence=f"The layout 0123456789ab runs, not {LAYOUT.id}.",
            advice="Its profile or the machine's topology has changed since: provision again.",
        )
    ]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("armed", "the entry was armed: it did not boot, or it fell back"),
        ("trial", "the trial boot did not hold, and the machine fell back"),
        ("fell-back", "the trial boot fell back"),
        ("staged", "the entry is there, but was never armed"),
        ("planned", "nothing was written to the host yet"),
        ("verified", "the layout was booted once, and the machine has been rebooted since"),
        ("committed", "the layout is the default entry, and yet another one was booted"),
        (None, "hotkit has no record on this host"),
        ("odd", "hotkit has no record on this host"),
    ],
)
def test_the_stock_entry_by_what_hotkit_noted(state, said):
    assert causes(BOOT, state=state) == [
        Cause(
            kind="stock-entry",
            sentence=f"The stock entry (or somebody's own) runs: {said}.",
            advice="Run hotkit provision; its log holds the console of a boot that fell back.",
        )
    ]


def test_somebody_elses_entry_with_our_memory_is_not_the_stock_one():
    """Its arguments are looked at, as of ours."""
    assert causes(f"{BOOT} {MEMMAP}") == [
        Cause(
            kind="changed-arguments",
            sentence="The kernel did not get maxcpus=4 nokaslr.",
            advice=EDITED,
        )
    ]
    # maxcpus= alone says nothing of whose it is.
    assert [cause.kind for cause in causes(f"{BOOT} maxcpus=4 nokaslr")] == ["stock-entry"]
    # An escape that was lost does: only our entry had it.
    lost = causes(f"{BOOT} maxcpus=4 {EATEN} nokaslr")
    assert [cause.kind for cause in lost] == ["lost-escape", "capped"]


def lost_escape(got, why, evidence, advice=RIGHT):
    sentence = f"{MEMMAP} did not arrive as meant: the kernel got {got}, because {why}. {evidence}"
    return Cause(kind="lost-escape", sentence=sentence, advice=advice)


NAME = "GRUB reads the $ and the digits or letters behind it as a variable"
ANY_FILE = (
    'What gives this text: $ or "$" in custom.cfg (or any menuentry of grub.cfg); "\\$" or \'$\' in'
    " /etc/default/grub or grub.d/*.cfg."
)


def test_an_escape_that_was_lost_and_the_cap_that_it_makes():
    lowest = min(part.removeprefix("memmap=") for part in EATEN.split(","))
    assert causes(GOOD_LINE.replace(MEMMAP, EATEN)) == [
        lost_escape(EATEN, NAME, ANY_FILE),
        Cause(
            kind="capped",
            sentence=f"All RAM is capped at 117964 MiB: {lowest} has no operator that the kernel"
            " can read, so it works as mem= does (113.2 GiB of System RAM are left).",
            advice=OPERATORS,
        ),
    ]


# One size with an address that GRUB reads as `$1`, the entry's title.
TITLED = replace(LAYOUT, args=("maxcpus=4", "memmap=1G$1G", "nokaslr"))
IN_CUSTOM_CFG = "custom.cfg (or any menuentry of grub.cfg)"
IN_DEFAULT_GRUB = "/etc/default/grub or grub.d/*.cfg"


def lost(got, **seen):
    """The lost escape of `TITLED`, of which `got` arrived."""
    line = f"{BOOT} maxcpus=4 {got} nokaslr {TITLED.token}"
    (cause,) = only("lost-escape", line, TITLED, **seen)
    return cause


def told(got, why, evidence, right):
    return Cause(
        kind="lost-escape",
        sentence=f"memmap=1G$1G did not arrive as meant: the kernel got {got}, because {why}."
        f" What gives this text: {evidence}.",
        advice=f'{right}, or the % spelling (hotkit_style: "%"), which nothing eats.',
    )


@pytest.mark.parametrize(
    ("got", "found"),
    [
        ("memmap=1GDebianG", told(
            "memmap=1GDebianG", f"{NAME} ($1 is the entry's title, here 'Debian')",
            f"""$ or "$" in {IN_CUSTOM_CFG}; "\\$" or '$' in {IN_DEFAULT_GRUB}""",
            r"Write \$ without quotes in a menuentry")),
        ("memmap=1GG", told(
            "memmap=1GG", "the shell that reads the file takes $ and one digit for its own"
            " parameter", rf'"$" or "\\$" in {IN_DEFAULT_GRUB}',
            r"Write \$ inside single quotes in /etc/default/grub")),
        (r"memmap=1G\$1G", told(
            r"memmap=1G\$1G", "nothing takes the backslash away",
            r"\$ in a loader that expands nothing (kexec, systemd-boot)",
            "Write a plain $ for this loader")),
    ],
)  # fmt: skip
def test_which_spelling_gives_what_arrived_and_which_would_be_right(got, found):
    assert lost(got) == found


def test_a_loader_that_glues_two_arguments():
    line = f"{BOOT} maxcpus=4 memmap=1Gnokaslr {TITLED.token}"
    (cause, rest, _) = causes(line, TITLED)
    assert cause == told(
        "memmap=1Gnokaslr", "blscfg reads the $ as a variable and swallows the space behind it",
        r"$ or \$ in a BLS entry (loader/entries/*.conf)",
        "A BLS entry cannot carry a $ here: use an entry in custom.cfg",
    )  # fmt: skip
    # What was glued to it is not explained by itself.
    assert rest.sentence == "The kernel did not get nokaslr."
    # Behind the last argument stands the token.
    last = replace(LAYOUT, args=("maxcpus=4", "memmap=1G$1G"))
    (found, *_) = causes(f"{BOOT} maxcpus=4 memmap=1G{last.token}", last)
    assert f"got memmap=1G{last.token}, because blscfg" in found.sentence


DOLLAR, ESCAPED = "memmap=1G$1G", r"memmap=1G\$1G"
TWICE = r"memmap=1G\\$1G"  # what arrives of \\\$, of "\\\$" and of '\$'


@pytest.mark.parametrize(
    ("text", "evidence"),
    [
        (f"linux /k {DOLLAR} x", f"Line 1 of the host's custom.cfg has {DOLLAR}."),
        (f"# a\n\n\tlinux /k\t{DOLLAR}", f"Line 3 of the host's custom.cfg has {DOLLAR}."),
        (DOLLAR, f"Line 1 of the host's custom.cfg has {DOLLAR}."),
        # The first line that has it, and of one line any place.
        (f"linux {DOLLAR}\nlinux {DOLLAR}\n",
         f"Line 1 of the host's custom.cfg has {DOLLAR}."),
        (f"linux x{DOLLAR} {DOLLAR}", f"Line 1 of the host's custom.cfg has {DOLLAR}."),
        (f"linux {DOLLAR} x{DOLLAR}", f"Line 1 of the host's custom.cfg has {DOLLAR}."),
        (f"x{DOLLAR} {DOLLAR} x{DOLLAR}", f"Line 1 of the host's custom.cfg has {DOLLAR}."),
        (f"{DOLLAR}{DOLLAR}", f"Line 1 of the host's custom.cfg has {DOLLAR}."),
        # Inside single quotes the text would have arrived, and inside a word it is another.
        (f"linux '{DOLLAR}'", None),
        (f"linux x{DOLLAR} -{DOLLAR}", None),
        ("linux /k", None),
        ("", None),
        (None, None),
    ],
)  # fmt: skip
def test_the_line_of_the_hosts_file_that_has_it(text, evidence):
    otherwise = f"""What gives this text: $ or "$" in {IN_CUSTOM_CFG}; "\\$" or '$' in"""
    cause = lost("memmap=1GDebianG", entry_text=text)
    assert (evidence or otherwise) in cause.sentence
    assert cause.sentence.count("What gives this text") == (evidence is None)


@pytest.mark.parametrize(
    ("text", "spelling", "why"),
    [
        (r"linux memmap=1G\\\$1G", r"memmap=1G\\\$1G", "it is escaped once too often"),
        (r'linux "memmap=1G\\\$1G"', r"memmap=1G\\\$1G", "it is escaped once too often"),
        (f"linux '{ESCAPED}'", ESCAPED, "inside single quotes the backslash stays"),
    ],
)
def test_of_several_spellings_the_one_that_stands_there(text, spelling, why):
    sentence = lost(TWICE, entry_text=text).sentence
    assert f"because {why}" in sentence
    assert sentence.endswith(f"Line 1 of the host's custom.cfg has {spelling}.")


def test_the_title_is_told_where_the_line_is_too():
    sentence = lost("memmap=1GDebianG", entry_text=f"linux {DOLLAR}").sentence
    assert "(the entry's title" not in sentence and "here 'Debian'). Line 1 of" in sentence


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (GOOD_LINE.replace("nokaslr", "quiet"), "The kernel did not get nokaslr."),
        (GOOD_LINE.replace("maxcpus=4", "maxcpus=2 nr_cpus=3"),
         "The kernel did not get maxcpus=4; instead there is maxcpus=2."),
        (GOOD_LINE.replace("maxcpus=4", "maxcpus=2 maxcpus=3").replace("nokaslr", ""),
         "The kernel did not get maxcpus=4 nokaslr; instead there is maxcpus=2 maxcpus=3."),
        (GOOD_LINE.replace("nokaslr", "nokaslr=1 quiet"),
         "The kernel did not get nokaslr; instead there is nokaslr=1."),
        # What another argument of the layout says is not there instead of it.
        (GOOD_LINE.replace(MEMMAP, "memmap=1G$5G"),
         f"The kernel did not get {MEMMAP}; instead there is memmap=1G$5G."),
    ],
)  # fmt: skip
def test_arguments_that_did_not_arrive(line, sentence):
    cause = Cause(kind="changed-arguments", sentence=sentence, advice=EDITED)
    assert causes(line, cpus_online=()) == [cause]


def test_what_the_layout_asks_for_itself_is_not_there_instead():
    two = replace(LAYOUT, args=("memmap=1G%1G", "memmap=1G%4G"))
    (cause,) = only("changed-arguments", f"{BOOT} memmap=1G%4G memmap=2G%4G {two.token}", two)
    assert cause.sentence == "The kernel did not get memmap=1G%1G; instead there is memmap=2G%4G."


def capped(size, token, left):
    said = f"All RAM is capped at {size}: {token} has no operator that the kernel can read, so it"
    return Cause(kind="capped", sentence=f"{said} works as mem= does{left}", advice=OPERATORS)


def mem(size, token, left):
    said = f"All RAM is capped at {size}: {token} is on the command line{left}"
    return Cause(
        kind="capped", sentence=said, advice="Take it out of the entry: the layout needs no mem=."
    )


GIB_LEFT = RangeSet((Range(0, GIB),))


@pytest.mark.parametrize(
    ("added", "ram", "found"),
    [
        ("memmap=3G", GIB_LEFT, [capped("3 GiB", "3G", " (1 GiB of System RAM are left).")]),
        ("memmap=3G memmap=2G,4G", GIB_LEFT,
         [capped("2 GiB", "2G", " (1 GiB of System RAM are left).")]),
        ("memmap=3G", None, [capped("3 GiB", "3G", ".")]),
        ("memmap=3G", RangeSet(), [capped("3 GiB", "3G", ".")]),
        # A limit beyond all addresses limits nothing.
        ("memmap=0xffffffffffffffff memmap=3G", None, [capped("3 GiB", "3G", ".")]),
        ("memmap=0xffffffffffffffff", None, []),
        ("memmap=1G%4G", None, []),
        ("mem=3G", GIB_LEFT, [mem("3 GiB", "mem=3G", " (1 GiB of System RAM are left).")]),
        ("mem=3G memmap=2G", None, [capped("2 GiB", "2G", ".")]),
        ("mem=2G memmap=3G", None, [mem("2 GiB", "mem=2G", ".")]),
    ],
)  # fmt: skip
def test_what_caps_all_ram(added, ram, found):
    assert only("capped", f"{GOOD_LINE} {added}", system_ram=ram) == found


def test_a_cap_that_the_layout_asks_for_is_none():
    wanted = replace(LAYOUT, args=(*LAYOUT.args, "mem=64G"))
    line = f"{BOOT} {wanted.cmdline} {wanted.token}"
    assert only("capped", line, wanted) == []
    assert only("capped", f"{line} memmap=1G", wanted) != []
    # Without the firmware's map the rest can be told.
    bare = causes(f"{GOOD_LINE} mem=3G".replace("nokaslr", ""), topology=None)
    assert [cause.kind for cause in bare] == ["changed-arguments"]


@pytest.mark.parametrize(
    ("added", "online", "late"),
    [
        ("", (0, 1, 2, 3), None),
        ("", (0, 1, 2, 3, 4), "CPU 4"),
        ("", (7, 6, 3, 2, 1, 0), "CPU 6-7"),
        # As many as may come up, if not those that should.
        ("", (0, 1, 2, 4), None),
        ("maxcpus=6", (0, 1, 2, 3, 4, 5), None),
    ],
)
def test_cpus_that_came_later(added, online, late):
    found = only("late-cpus", f"{GOOD_LINE} {added}", cpus_online=online)
    sentence = (
        f"{late} came online after the boot: the command line allows 4 at boot, and maxcpus= does"
        " not hold afterwards."
    )
    advice = (
        "A udev rule does that (40-redhat.rules sets online=1 for every CPU added), or an"
        " administrator: use cpu_limit: nr_cpus in the profile, which is a hard limit."
    )
    wanted = Cause(kind="late-cpus", sentence=sentence, advice=advice)
    assert found == ([wanted] if late else [])


def test_without_a_limit_no_cpu_is_late():
    line = GOOD_LINE.replace("maxcpus=4", "")
    assert only("late-cpus", line, cpus_online=tuple(range(8))) == []


def test_where_any_cpus_will_do_none_is_late():
    free = replace(LAYOUT, cpus=())
    line = GOOD_LINE.replace(LAYOUT.token, free.token)
    assert only("late-cpus", line, free, cpus_online=tuple(range(8))) == []


OTHER_FIRMWARE = Cause(
    kind="other-firmware",
    sentence="The command line did what it says, but the firmware's memory map is not the one that"
    " the layout was planned on.",
    advice="Memory, firmware or its settings have changed: plan and provision again.",
)
SMALLER = replace(TOPOLOGY, firmware=TOPOLOGY.firmware[:-1])


def test_another_firmware_is_told_only_where_it_explains_what_is_seen():
    there = running(GOOD_LINE, topology=SMALLER)
    assert list(diagnose(LAYOUT, there)) == [OTHER_FIRMWARE]
    assert list(diagnose(LAYOUT, replace(there, topology=None))) == []
    assert list(diagnose(LAYOUT, replace(there, system_ram=None))) == []
    assert list(diagnose(LAYOUT, replace(there, system_ram=GIB_LEFT))) == []
    # The map is the planned one, the RAM is not: nobody knows why.
    assert causes(system_ram=GIB_LEFT) == []


def test_another_cause_comes_before_the_firmware():
    there = running(GOOD_LINE.replace("nokaslr", ""), topology=SMALLER)
    assert [cause.kind for cause in diagnose(LAYOUT, there)] == ["changed-arguments"]


PMEM_3 = Range(PMEM_2.end, PMEM_2.end + 2 * GIB)
ATTACHED = replace(LAYOUT, slow_pmem=SlowPmem(node=2, range=PMEM_2, wanted_bytes=GIB))
PMEM_LINE = f"{BOOT} {ATTACHED.cmdline} {ATTACHED.token}"
NOT_ATTACHED = Cause(
    kind="pmem-not-attached",
    sentence=f"The PMEM at {PMEM_2} is not RAM of node 2 yet.",
    advice="It is made so after the boot: run hotkit provision (role pmem).",
)


def as_ram(size, at):
    return Cause(
        kind="pmem-as-ram",
        sentence=f"{size} at {at} were added as RAM by a driver (dax/kmem).",
        advice="daxctl reconfigure-device --mode=devdax takes it back; look for a udev rule.",
    )


def test_pmem_of_the_slow_tier():
    assert causes(PMEM_LINE, ATTACHED) == [NOT_ATTACHED]
    assert causes(PMEM_LINE, ATTACHED, system_ram=None) == []
    assert causes(PMEM_LINE, ATTACHED, hotplugged_ram=RangeSet((PMEM_2,))) == []
    stock = causes(BOOT, ATTACHED)
    assert [cause.kind for cause in stock] == ["stock-entry"]


def test_pmem_that_nobody_asked_to_be_ram():
    both = RangeSet((Range(PMEM_2.start, PMEM_2.start + MIB), PMEM_3))
    assert causes(hotplugged_ram=both) == [
        as_ram("2049 MiB", Range(PMEM_2.start, PMEM_2.start + MIB))
    ]
    assert causes(PMEM_LINE, ATTACHED, hotplugged_ram=both) == [as_ram("2 GiB", PMEM_3)]
