"""What can be made quiet: each item's default, what it may be set to, how it is found."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotkit.agent.protocol import AgentError
from hotkit.agent.quiesce import cpu, memory, system
from hotkit.agent.quiesce.steps import Step

LEAVE = "leave"
_NUMBERS = {"off": "0", "on": "1"}


@dataclass(frozen=True)
class Item:
    """One line of the table. `look(root, wanted)` finds its steps, see steps.py.

    `look` raises Missing where a machine has not got it, AgentError where it must not be set.
    `words` maps what a person writes to what the knob takes.
    """

    name: str
    default: str
    accepts: str
    look: Callable[[Path, str], list[Step]]
    words: Mapping[str, str]


def _item(
    name: str, default: str, accepts: str, look: Callable[[Path, str], list[Step]], **words: str
) -> Item:
    return Item(name, default, accepts, look, words)


# In the order in which they are set and put back. Threads go first: what is then offline cannot be
# set. Turbo goes before the frequency both ways: the range that the driver takes depends on it.
# What changes the thing that is measured, and not its noise, is left alone unless asked for.
ITEMS: dict[str, Item] = {
    item.name: item
    for item in (
        _item("smt", LEAVE, "off", cpu.smt),
        _item("turbo", "off", "off|on", cpu.turbo),
        _item("governor", "performance", "[a-z_]+", cpu.governor),
        _item("frequency", "base", "base|[0-9]+", cpu.frequency),
        _item("uncore", "max", "max|[0-9]+", cpu.uncore),
        _item("cstates", "2", "[0-9]+", cpu.cstates),
        _item("prefetchers", LEAVE, "off|on", cpu.prefetchers),
        _item("aslr", "off", "off|on|[0-2]", system.aslr, off="0", on="2"),
        _item("thp", LEAVE, "always|madvise|never", memory.thp, off="never"),
        _item(
            "thp_defrag", LEAVE, "always|defer|defer[+]madvise|madvise|never", memory.thp_defrag,
            off="never",
        ),
        _item("numa_balancing", "off", "off|on|[0-3]", memory.numa_balancing, **_NUMBERS),
        _item("swap", "off", "off", memory.swap),
        _item("ksm", "off", "off|on|[0-2]", memory.ksm, **_NUMBERS),
        _item(
            "compaction_proactiveness", "0", "off|[0-9]|[1-9][0-9]|100",
            memory.compaction_proactiveness, off="0",
        ),
        _item("overcommit_memory", LEAVE, "[0-2]", memory.overcommit_memory),
        _item("timers", "off", "off", system.timers),
        _item("watchdog", "off", "off|on|[01]", system.watchdog, **_NUMBERS),
        _item("drop_caches", "3", "[1-3]", memory.drop_caches),
    )
}  # fmt: skip


def complete(settings: Mapping[str, Any]) -> dict[str, str]:
    """What is wanted of every item: `settings` over the defaults, as the knobs take it.

    YAML reads off and on as booleans, and a number is one; both are meant as written. Raises
    AgentError, a sentence, for an item or a value that there is not.
    """
    if not isinstance(settings, Mapping):
        raise AgentError("quiesce is not a mapping of items to what they are set to")
    unknown = sorted(str(name) for name in settings if name not in ITEMS)
    if unknown:
        raise AgentError(f"quiesce has no item {unknown[0]!r}", "it has " + ", ".join(ITEMS))
    return {name: _value(item, settings.get(name, item.default)) for name, item in ITEMS.items()}


def _value(item: Item, said: Any) -> str:
    text = {True: "on", False: "off"}[said] if isinstance(said, bool) else str(said).strip()
    if text != LEAVE and text not in item.words and not re.fullmatch(item.accepts, text):
        allowed = item.accepts.replace("[+]", "+").replace("|", ", ")
        raise AgentError(
            f"quiesce: {item.name} cannot be {text!r}", f"it may be {allowed}, or {LEAVE}"
        )
    return item.words.get(text, text)
