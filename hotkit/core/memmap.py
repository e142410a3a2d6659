"""What the x86 kernel makes of mem= and memmap=: the reference that every prediction runs through.

Source: arch/x86/kernel/e820.c parse_memopt(), parse_memmap_one(), e820__finish_early_params();
arch/x86/kernel/setup.c setup_arch() (Linux 6.1; unchanged in what matters here up to 6.12).

Not modelled, because the firmware map does not tell: setup_data blobs (a page or two of RAM that
stays System RAM inside a reserved range), MTRR trimming, CONFIG_EFI_SOFT_RESERVE.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from hotkit.core import cmdline
from hotkit.core.e820 import E820Entry, E820Type
from hotkit.core.e820map import E820Map, Panic, system_ram
from hotkit.core.memparse import U64, memparse, strtoull
from hotkit.core.ranges import Range, RangeSet
from hotkit.core.units import format_size

ADDED_TYPES = {
    "@": E820Type.RAM, "#": E820Type.ACPI, "$": E820Type.RESERVED, "!": E820Type.PRAM,
}  # fmt: skip


class Kind(Enum):
    """What one entry of memmap= (or a mem=) did."""

    ADD = "add"  # @ # $ !, and % with only +to
    CONVERT = "convert"  # %start-from+to
    FORGET = "forget"  # %start or %start-from
    CAP = "cap"  # no operator, or mem=: RAM ends at the size
    EXACTMAP = "exactmap"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry as the kernel understood it.

    `token` is its text (`256M$1G`; `mem=4G`). `range` is what it acted on, None when it acted on
    no range; for a cap it is everything above the limit. `malformed` says what the kernel could
    not read; it has then applied what it had read before (`1GM` caps at 1 GiB).
    """

    token: str
    kind: Kind
    operator: str = ""
    range: Range | None = None
    old_type: int | None = None
    new_type: int | None = None
    malformed: str | None = None

    @property
    def sentence(self) -> str:
        """What it did, in one sentence."""
        if self.kind is Kind.CAP and self.range:
            return f"{self.token}: no RAM above {format_size(self.range.start)}"
        if self.kind is Kind.EXACTMAP:
            return f"{self.token}: the firmware's map is thrown away"
        if self.kind is Kind.NOTHING or self.range is None:
            return f"{self.token}: does nothing"
        size = format_size(self.range.size_bytes)
        if self.kind is Kind.ADD:
            return f"{self.token}: {size} at {self.range} become {type_name(self.new_type)}"
        if self.kind is Kind.CONVERT:
            return (
                f"{self.token}: what is {type_name(self.old_type)} in {size} at {self.range} "
                f"becomes {type_name(self.new_type)}"
            )
        what = "everything" if self.old_type is None else type_name(self.old_type)
        return f"{self.token}: {what} in {size} at {self.range} is forgotten"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The map that a kernel ends up with; `panic` is set when it would not get that far."""

    entries: tuple[Entry, ...]
    table: tuple[E820Entry, ...]
    panic: str | None = None

    @property
    def system_ram(self) -> RangeSet:
        """The System RAM lines of /proc/iomem, touching ones merged, to the byte."""
        return system_ram(self.table)


def apply(
    firmware: Iterable[E820Entry], args: str | Iterable[str], *, kernel_image: Range | None = None
) -> Outcome:
    """Run the early parameters of a command line (or of a list of arguments) on a firmware map.

    `kernel_image` is where the kernel lies (_text to _end), if known: that is RAM in any case.
    """
    line = args if isinstance(args, str) else " ".join(args)
    table = E820Map(firmware)
    entries: list[Entry] = []
    try:
        for argument in cmdline.parse(line):
            if argument.named("mem"):
                entries.append(_mem(table, argument))
            elif argument.named("memmap") and argument.value is not None:
                entries.extend(_memmap_one(table, text) for text in argument.value.split(","))
        userdef = any(entry.kind is not Kind.NOTHING or entry.operator for entry in entries)
        if userdef and not table.sanitise():
            raise Panic("Invalid user supplied memory map: fewer than two entries, or one wraps")
    except Panic as panic:
        return Outcome(entries=tuple(entries), table=(), panic=str(panic))
    if kernel_image:
        table.add_kernel_image(kernel_image)
    table.trim_bios_range()
    return Outcome(entries=tuple(entries), table=table.entries())


def system_ram_under(firmware: Iterable[E820Entry], args: str | Iterable[str]) -> RangeSet:
    """The System RAM that /proc/iomem shows after a boot with `args`; empty if it cannot boot."""
    return apply(firmware, args).system_ram


def stock_ram(firmware: Iterable[E820Entry]) -> RangeSet:
    """The System RAM of a boot without any memmap=."""
    return system_ram_under(firmware, "")


def type_name(kind: int | None) -> str:
    """What a person calls an e820 type."""
    names = {
        E820Type.RAM: "RAM", E820Type.RESERVED: "reserved", E820Type.ACPI: "ACPI data",
        E820Type.NVS: "ACPI NVS", E820Type.UNUSABLE: "unusable",
        E820Type.PMEM: "persistent memory", E820Type.PRAM: "persistent memory (legacy)",
        E820Type.SOFT_RESERVED: "soft reserved",
    }  # fmt: skip
    return next((name for key, name in names.items() if key == kind), f"type {kind}")


def _mem(table: E820Map, argument: cmdline.Argument) -> Entry:
    size, rest = memparse(argument.value or "")
    if not size:
        return Entry(token=argument.text, kind=Kind.NOTHING, malformed="it names no size")
    entry = _cap(table, size, argument.text)
    if rest:  # the kernel does not look at what follows the size
        return Entry(
            token=entry.token, kind=entry.kind, range=entry.range, malformed=f"{rest!r} is ignored"
        )
    return entry


def _cap(table: E820Map, size: int, token: str, malformed: str | None = None) -> Entry:
    table.remove(size, U64 - 1 - size, E820Type.RAM)
    above = Range(size, U64 - 1) if size < U64 - 1 else None
    return Entry(token=token, kind=Kind.CAP, range=above, malformed=malformed)


def _memmap_one(table: E820Map, text: str) -> Entry:
    if text.startswith("exactmap"):
        table.clear()
        extra = text.removeprefix("exactmap")
        return Entry(
            token=text, kind=Kind.EXACTMAP, malformed=f"{extra!r} is ignored" if extra else None
        )
    size, rest = memparse(text)
    if rest == text:
        return Entry(token=text, kind=Kind.NOTHING, malformed="it does not start with a size")
    operator = rest[:1]
    if operator in ADDED_TYPES and operator:
        start, rest = memparse(rest[1:])
        kind = ADDED_TYPES[operator]
        table.add(start, size, kind)
        return Entry(
            token=text,
            kind=Kind.ADD,
            operator=operator,
            range=_range(start, size),
            new_type=kind,
            malformed=_trailing(rest),
        )
    if operator == "%":
        return _percent(table, text, size, rest[1:])
    return _cap(table, size, text, _trailing(rest))


def _percent(table: E820Map, text: str, size: int, rest: str) -> Entry:
    start, rest = memparse(rest)
    old = new = 0
    if rest.startswith("-"):
        old, rest = strtoull(rest[1:])
    if rest.startswith("+"):
        new, rest = strtoull(rest[1:])
    old, new = old % (1 << 32), new % (1 << 32)  # enum e820_type is 32 bits wide
    kind = Kind.NOTHING
    if not rest:  # here, and only here, the kernel looks before it acts
        if old and new:
            kind = Kind.CONVERT
            table.update(start, size, old, new)
        elif new:
            kind = Kind.ADD
            table.add(start, size, new)
        else:
            kind = Kind.FORGET
            table.remove(start, size, old or None)
    return Entry(
        token=text,
        kind=kind,
        operator="%",
        range=_range(start, size),
        old_type=old or None,
        new_type=new or None,
        malformed=_trailing(rest),
    )


def _trailing(rest: str) -> str | None:
    return f"the kernel cannot read {rest!r}" if rest else None


def _range(start: int, size: int) -> Range | None:
    """The range that an entry names, cut at the end of the address space."""
    end = min(start + size, U64)
    return Range(start, end) if start < end else None
