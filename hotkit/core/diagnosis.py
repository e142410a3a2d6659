"""Why a machine does not show its layout: causes found by running models, not by guessing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from hotkit.core import cmdline, memmap
from hotkit.core.layout import Layout
from hotkit.core.observed import Observed
from hotkit.core.ranges import RangeSet
from hotkit.core.spellings import FILES, Match, derive
from hotkit.core.units import format_size
from hotkit.core.verdicts import cpu_list


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One cause: `kind` a stable word for scripts, `sentence` what happened, `advice` what to do.

    Kinds: stock-entry, other-layout, lost-escape, capped, changed-arguments, late-cpus,
    other-firmware, pmem-as-ram, pmem-not-attached.
    """

    kind: str
    sentence: str
    advice: str

    def to_dict(self) -> dict[str, str]:
        """JSON form."""
        return {"kind": self.kind, "sentence": self.sentence, "advice": self.advice}


def diagnose(layout: Layout, observed: Observed) -> tuple[Cause, ...]:
    """The causes that explain why `observed` is not `layout`; empty when nothing is known."""
    causes = [*_entry(layout, observed)]
    if not any(cause.kind in ("stock-entry", "other-layout") for cause in causes):
        causes += _arguments(layout, observed)
    causes += _caps(layout, observed)
    causes += _cpus(layout, observed)
    if not causes:
        causes += _firmware(layout, observed)
    causes += _pmem(layout, observed)
    return tuple(causes)


def _entry(layout: Layout, observed: Observed) -> Iterator[Cause]:
    tokens = cmdline.values(observed.cmdline, "hotkit.id")
    if layout.id in tokens:
        return
    if tokens:
        yield Cause(
            kind="other-layout",
            sentence=f"The layout {tokens[0]} runs, not {layout.id}.",
            advice="Its profile or the machine's topology has changed since: provision again.",
        )
        return
    given = {item.text for item in cmdline.parse(observed.cmdline)}
    if given.intersection(arg for arg in layout.args if arg.startswith("memmap=")):
        return  # booted by somebody else's entry, but with our memory: the entry check says so
    if any(_matches(layout, observed)):
        return
    states: dict[str | None, str] = {
        "armed": "the entry was armed: it did not boot, or it fell back",
        "trial": "the trial boot did not hold, and the machine fell back",
        "fell-back": "the trial boot fell back",
        "staged": "the entry is there, but was never armed",
        "planned": "nothing was written to the host yet",
        "verified": "the layout was booted once, and the machine has been rebooted since",
        "committed": "the layout is the default entry, and yet another one was booted",
    }
    recorded = states.get(observed.state, "hotkit has no record on this host")
    yield Cause(
        kind="stock-entry",
        sentence=f"The stock entry (or somebody's own) runs: {recorded}.",
        advice="Run hotkit provision; its log holds the console of a boot that fell back.",
    )


def _matches(layout: Layout, observed: Observed) -> Iterator[tuple[str, tuple[Match, ...]]]:
    for arg, following in pairwise((*layout.args, layout.token)):
        found = derive(arg, following, observed.cmdline)
        if found:
            yield arg, found


def _arguments(layout: Layout, observed: Observed) -> Iterator[Cause]:
    explained = set()
    for arg, matches in _matches(layout, observed):
        explained.add(arg)
        seen, evidence = _evidence(matches, observed)
        title = f" ($1 is the entry's title, here {seen.title!r})" if seen.title else ""
        yield Cause(
            kind="lost-escape",
            sentence=(
                f"{arg} did not arrive as meant: the kernel got {seen.found}, because "
                f"{seen.spelling.why}{title}. {evidence}"
            ),
            advice=_right_spelling(seen),
        )
    given = cmdline.parse(observed.cmdline)
    have = {item.text for item in given}
    missing = [arg for arg in layout.args if arg not in have and arg not in explained]
    if missing:
        same_name = [
            item.text
            for item in given
            for arg in missing
            if item.named(arg.partition("=")[0]) and item.text not in layout.args
        ]
        instead = f"; instead there is {' '.join(same_name)}" if same_name else ""
        yield Cause(
            kind="changed-arguments",
            sentence=f"The kernel did not get {' '.join(missing)}{instead}.",
            advice="Look at the entry on the host: something has edited it since it was written.",
        )


def _evidence(matches: tuple[Match, ...], observed: Observed) -> tuple[Match, str]:
    """The spelling that stands in the host's custom.cfg; else every one that gives this text."""
    for number, line in enumerate((observed.entry_text or "").splitlines(), start=1):
        for match in matches:
            spelt = match.spelling.spell(match.argument)
            # Inside quotes of another kind the same text is another spelling.
            before = {line[i - 1 : i].strip() for i in _places(line, spelt)}
            if match.spelling.where == "menuentry" and match.spelling.quote in before:
                return match, f"Line {number} of the host's custom.cfg has {spelt}."
    forms: dict[str, list[str]] = {}
    for match in matches:
        forms.setdefault(FILES[match.spelling.where], []).append(match.spelling.form)
    found = "; ".join(f"{' or '.join(items)} in {file}" for file, items in forms.items())
    return matches[0], f"What gives this text: {found}."


def _places(line: str, text: str) -> Iterator[int]:
    at = line.find(text)
    while at >= 0:
        yield at
        at = line.find(text, at + 1)


def _right_spelling(match: Match) -> str:
    where = match.spelling.where
    right = {
        "menuentry": r"Write \$ without quotes in a menuentry",
        "default_grub": r"Write \$ inside single quotes in /etc/default/grub",
        "bls": "A BLS entry cannot carry a $ here: use an entry in custom.cfg",
        "as-is": "Write a plain $ for this loader",
    }[where]
    return f'{right}, or the % spelling (hotkit_style: "%"), which nothing eats.'


def _caps(layout: Layout, observed: Observed) -> Iterator[Cause]:
    if observed.topology is None:
        return
    outcome = memmap.apply(observed.topology.firmware, observed.cmdline)
    wanted = {entry.token for entry in memmap.apply((), layout.args).entries}
    limits = {
        entry.token: entry.range.start
        for entry in outcome.entries
        if entry.kind is memmap.Kind.CAP and entry.range and entry.token not in wanted
    }
    if not limits:
        return
    lowest = min(limits, key=lambda token: limits[token])
    found = observed.system_ram
    left = f" ({format_size(found.size_bytes)} of System RAM are left)." if found else "."
    capped = f"All RAM is capped at {format_size(limits[lowest])}"
    if lowest.startswith("mem="):
        yield Cause(
            kind="capped",
            sentence=f"{capped}: {lowest} is on the command line{left}",
            advice="Take it out of the entry: the layout needs no mem=.",
        )
        return
    yield Cause(
        kind="capped",
        sentence=(
            f"{capped}: {lowest} has no operator that the kernel can read, so it works as mem= "
            f"does{left}"
        ),
        advice="memmap= needs $, %, @, # or ! behind the size.",
    )


def _cpus(layout: Layout, observed: Observed) -> Iterator[Cause]:
    if not layout.cpus:
        return  # any will do
    limit = cmdline.cpu_limit(observed.cmdline)
    late = sorted(set(observed.cpus_online) - set(layout.cpus))
    if limit is None or not late or len(observed.cpus_online) <= limit:
        return
    yield Cause(
        kind="late-cpus",
        sentence=(
            f"CPU {cpu_list(late)} came online after the boot: the command line allows {limit} at "
            "boot, and maxcpus= does not hold afterwards."
        ),
        advice=(
            "A udev rule does that (40-redhat.rules sets online=1 for every CPU added), or an "
            "administrator: use cpu_limit: nr_cpus in the profile, which is a hard limit."
        ),
    )


def _firmware(layout: Layout, observed: Observed) -> Iterator[Cause]:
    """The command line is right and the RAM is not: does the firmware's map of today explain it?"""
    if observed.topology is None or observed.system_ram is None:
        return
    today = memmap.system_ram_under(observed.topology.firmware, observed.cmdline)
    planned = RangeSet.of(item for plan in layout.nodes for item in plan.predicted)
    if today == planned or today != observed.system_ram:
        return
    yield Cause(
        kind="other-firmware",
        sentence=(
            "The command line did what it says, but the firmware's memory map is not the one that "
            "the layout was planned on."
        ),
        advice="Memory, firmware or its settings have changed: plan and provision again.",
    )


def _pmem(layout: Layout, observed: Observed) -> Iterator[Cause]:
    slow = layout.slow_pmem
    booted = layout.id in cmdline.values(observed.cmdline, "hotkit.id")
    if slow and booted and observed.system_ram is not None and not observed.hotplugged_ram:
        yield Cause(
            kind="pmem-not-attached",
            sentence=f"The PMEM at {slow.range} is not RAM of node {slow.node} yet.",
            advice="It is made so after the boot: run hotkit provision (role pmem).",
        )
    added = observed.hotplugged_ram.subtract(layout.pmem_as_ram)
    if added:
        yield Cause(
            kind="pmem-as-ram",
            sentence=(
                f"{format_size(added.size_bytes)} at {added.ranges[0]} were added as RAM by a "
                "driver (dax/kmem)."
            ),
            advice="daxctl reconfigure-device --mode=devdax takes it back; look for a udev rule.",
        )
