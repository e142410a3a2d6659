"""Survivors that alter nothing that can be seen: (line before, line after) -> why, by module."""

from __future__ import annotations

from tests.mutation.explained_grub import GRUB

_ONCE = "each letter is there once, so that it is the first and the last"
_CARVED = "the other branch leaves the same addresses, and perhaps an entry of no size"
_FLOAT = "numpy makes floats of what it computes here, of whole numbers too"
_BRACKET = "any two numbers that the answer lies between will do"
_HALVED = "the root lies between, and is halved down to the last bit of a float"
_SAME_LENGTH = "both are made as long as each other"
_RATIO = "only how they stand to each other counts"
_TIES = "pages of the same rate: whichever are hot, as many are"
_FIRST_BYTE = "the node with the first byte must keep it, and address 0 is no RAM"
_PART = "no part of a page is more than a page"

EXPLAINED: dict[str, dict[tuple[str, str], str]] = {
    **GRUB,
    "memparse": {
        (
            "digit = _DIGITS.find(rest[0].lower())",
            "digit = _DIGITS.rfind(rest[0].lower())",
        ): _ONCE,
        (
            "power = _SUFFIXES.find(rest[0].upper()) if rest else -1",
            "power = _SUFFIXES.rfind(rest[0].upper()) if rest else -1",
        ): _ONCE,
        (
            "power = _SUFFIXES.find(rest[0].upper()) if rest else -1",
            "power = _SUFFIXES.find(rest[0].upper()) if rest else -2",
        ): "below 0 all numbers mean the same",
    },
    "cmdline": {("maxcpus = 0", "maxcpus = 1"): "the limit is one CPU at least, also of 0"},
    "design": {
        (
            "members: list[tuple[Arm, int | None]] = []",
            "members: list[tuple[Arm, int | None]] = None",
        ): "the first block is an even one, and makes the list",
    },
    "e820map": {
        (
            "start, end = addr, addr + min(size, _ULLONG_MAX - addr)",
            "start, end = addr, addr + min(size, _ULLONG_MAX + addr)",
        ): "no entry ends beyond 64 bits, where a larger end would differ",
        (
            "if entry.addr >= start and entry.end <= end:",
            "if entry.addr > start and entry.end <= end:",
        ): _CARVED,
        (
            "if entry.addr >= start and entry.end <= end:",
            "if entry.addr >= start and entry.end < end:",
        ): _CARVED,
        (
            "elif entry.addr < start and entry.end > end:",
            "elif entry.addr <= start and entry.end > end:",
        ): _CARVED,
        (
            "elif entry.addr < start and entry.end > end:",
            "elif entry.addr < start and entry.end >= end:",
        ): _CARVED,
        ("if first >= last:", "if first > last:"): "an entry of no size is added, and left out",
        (
            "+ [(e.end, 1, index) for index, e in enumerate(self._entries) if e.size]",
            "+ [(e.end, 2, index) for index, e in enumerate(self._entries) if e.size]",
        ): "ends come behind begins with either number",
        (
            "last_type, last_addr = 0, 0",
            "last_type, last_addr = 0, 1",
        ): "the address is looked at only behind a type, which brings its own",
        (
            "kind = max((self._entries[i].type for i in inside), default=0)",
            "kind = max((self._entries[i].type for i in inside), default=None)",
        ): "no type at all is false either way",
    },
    "memmap": {
        (
            "table.remove(size, U64 - 1 - size, E820Type.RAM)",
            "table.remove(size, U64 - 1 + size, E820Type.RAM)",
        ): "remove() cuts a range at the end of the address space",
        (
            "table.remove(size, U64 - 1 - size, E820Type.RAM)",
            "table.remove(size, U64 + 1 - size, E820Type.RAM)",
        ): "remove() cuts a range at the end of the address space",
    },
    "sh_lexer": {
        (
            'line = text.count("\\n", 0, at) + 1',
            'line = text.count("\\n", None, at) + 1',
        ): "from the beginning, either way",
        (
            "return len(text) if end < 0 else end",
            "return len(text) if end <= 0 else end",
        ): "a line that is asked for has something in it, and ends behind it",
        (
            "return len(text) if end < 0 else end",
            "return len(text) if end < 1 else end",
        ): "a line that is asked for has something in it, and ends behind it",
        ("if end < 0:", "if end <= 0:"): "a name and a = stand before the quote",
        ("if end < 0:", "if end < 1:"): "a name and a = stand before the quote",
        (
            "number = int(variable[:9])  # no script has as many",
            "number = int(variable[:10])  # no script has as many",
        ): "either is more than there are",
    },
    "ranges": {
        (
            "if hole.end <= item.start or item.end <= hole.start:",
            "if hole.end < item.start or item.end <= hole.start:",
        ): "what a hole only touches comes out whole below, too",
        (
            "if hole.end <= item.start or item.end <= hole.start:",
            "if hole.end <= item.start or item.end < hole.start:",
        ): "what a hole only touches comes out whole below, too",
    },
    "stats": {
        **{
            (
                "error: Array = rest.std(axis=1, ddof=1) / (math.sqrt(n) * np.abs(x.mean(axis=1)))",
                f"error: Array = rest.std(axis=1, {other}) /"
                " (math.sqrt(n) * np.abs(x.mean(axis=1)))",
            ): "a factor of all errors cancels: each draw is divided by its own, then times ours"
            for other in ("", "ddof=2")
        },
        (
            "y, x = np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float)",
            "y, x = np.asarray(numerator, dtype=None), np.asarray(denominator, dtype=float)",
        ): _FLOAT,
        (
            "y, x = np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float)",
            "y, x = np.asarray(numerator, ), np.asarray(denominator, dtype=float)",
        ): _FLOAT,
        (
            "y, x = np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float)",
            "y, x = np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=None)",
        ): _FLOAT,
        (
            "y, x = np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float)",
            "y, x = np.asarray(numerator, dtype=float), np.asarray(denominator, )",
        ): _FLOAT,
        (
            "if np.all(y == y[0]):",
            "if np.all(y == y[1]):",
        ): "all are equal to the first, or all to the second: the same",
        (
            "t2 = t_quantile(0.5 + confidence / 2, n - 1) ** 2",
            "t2 = t_quantile(0.5 - confidence / 2, n - 1) ** 2",
        ): "the other quantile has the other sign, and is squared",
        (
            "bad = ~(g < 1.0)",
            "bad = ~(g <= 1.0)",
        ): "no g is exactly 1; ratio(), which names it, is tested there",
        (
            "low[bad] = high[bad] = np.nan",
            "low[bad] = high[bad] = None",
        ): "numpy writes None into an array of floats as NaN",
        (
            "picks = np.random.default_rng(seed).integers(0, n, size=(draws, n))",
            "picks = np.random.default_rng(seed).integers(n, size=(draws, n))",
        ): "one bound is the upper one, and the lower is 0",
        (
            "d = np.asarray(values, dtype=float)",
            "d = np.asarray(values, dtype=None)",
        ): _FLOAT,
        (
            "d = np.asarray(values, dtype=float)",
            "d = np.asarray(values, )",
        ): _FLOAT,
        (
            "if n < 2 or np.all(d == d[0]):",
            "if n < 2 or np.all(d == d[1]):",
        ): "all are equal to the first, or all to the second: the same",
        (
            "if n == 0 or not d.any():",
            "if n == 1 or not d.any():",
        ): "of one block both patterns are as far; none has no value that is not 0",
        (
            "sums: Array = np.zeros(1)",
            "sums: Array = np.zeros(2)",
        ): "every pattern twice: the same share",
        (
            "signs = source.integers(0, 2, size=(1 << 10, n)) * 2 - 1",
            "signs = source.integers(2, size=(1 << 10, n)) * 2 - 1",
        ): "one bound is the upper one, and the lower is 0",
        (
            "low, high = 2, 4",
            "low, high = 2, 5",
        ): _BRACKET,
        (
            "low, high = high, high * 2",
            "low, high = high, high * 3",
        ): _BRACKET,
        (
            "while smallest_effect(sd, high) > effect:",
            "while smallest_effect(sd, high) >= effect:",
        ): _BRACKET,
        (
            "low, high = (middle, high) if smallest_effect(sd, middle) > effect else (low, middle)",
            "low, high = (middle, high) if smallest_effect(sd, middle) >= effect"
            " else (low, middle)",
        ): "the last line asks for the lower one again",
        (
            "if low > _MOST_BLOCKS:",
            "if low >= _MOST_BLOCKS:",
        ): "no power of two is 100,000",
    },
    "stopping": {
        (
            "low, high = 1.5, 10.0  # what errs too much, and what certainly does not",
            "low, high = 2.5, 10.0  # what errs too much, and what certainly does not",
        ): _HALVED,
        (
            "low, high = 1.5, 10.0  # what errs too much, and what certainly does not",
            "low, high = 1.5, 11.0  # what errs too much, and what certainly does not",
        ): _HALVED,
        (
            "for _ in range(60):",
            "for _ in range(61):",
        ): _HALVED,
        (
            "low, high = (b, high) if errs > INTERIM_ERROR else (low, b)",
            "low, high = (b, high) if errs >= INTERIM_ERROR else (low, b)",
        ): _HALVED,
    },
    "accuracy": {
        (
            "for phase, until in zip(phases, ends, strict=True)",
            "for phase, until in zip(phases, ends, strict=None)",
        ): _SAME_LENGTH,
        (
            "for phase, until in zip(phases, ends, strict=True)",
            "for phase, until in zip(phases, ends, )",
        ): _SAME_LENGTH,
        (
            "for phase, until in zip(phases, ends, strict=True)",
            "for phase, until in zip(phases, ends, strict=False)",
        ): _SAME_LENGTH,
        (
            'order = np.argsort(-rate, kind="stable")',
            "order = np.argsort(-rate, kind=None)",
        ): _TIES,
        (
            'order = np.argsort(-rate, kind="stable")',
            "order = np.argsort(-rate, )",
        ): _TIES,
        (
            'order = np.argsort(-rate, kind="stable")',
            'order = np.argsort(-rate, kind="STABLE")',
        ): "numpy reads its first letter, in either case",
        (
            "per = max(1, rank_bytes // PAGE_BYTES)",
            "per = max(1, rank_bytes / PAGE_BYTES)",
        ): "numpy takes the whole part of a count",
        (
            "ranks = np.arange(1, -(-pages // per) + 1, dtype=np.float64)",
            "ranks = np.arange(1, -(-pages // per) + 1, dtype=None)",
        ): _FLOAT,
        (
            "ranks = np.arange(1, -(-pages // per) + 1, dtype=np.float64)",
            "ranks = np.arange(1, -(-pages // per) + 1, )",
        ): _FLOAT,
        (
            "ranks = np.arange(1, -(-pages // per) + 1, dtype=np.float64)",
            "ranks = np.arange(1, -(-pages / per) + 1, dtype=np.float64)",
        ): "numbers below a limit that is not whole are as many as below the next",
        (
            "ranks = np.arange(1, -(-pages // per) + 1, dtype=np.float64)",
            "ranks = np.arange(1, -(-pages // per) + 2, dtype=np.float64)",
        ): "a rank more is cut off with the pages that do not exist",
        (
            "rate = np.repeat(share / per, per)[:pages]",
            "rate = np.repeat(share * per, per)[:pages]",
        ): "all are divided by their sum",
        (
            "return np.asarray(rate / rate.sum(), dtype=np.float64)",
            "return np.asarray(rate / rate.sum(), dtype=None)",
        ): _FLOAT,
        (
            "return np.asarray(rate / rate.sum(), dtype=np.float64)",
            "return np.asarray(rate / rate.sum(), )",
        ): _FLOAT,
        (
            "low = np.arange(pages, dtype=np.float64) * PAGE_BYTES",
            "low = np.arange(pages, dtype=None) * PAGE_BYTES",
        ): _FLOAT,
        (
            "low = np.arange(pages, dtype=np.float64) * PAGE_BYTES",
            "low = np.arange(pages, ) * PAGE_BYTES",
        ): _FLOAT,
        (
            "return np.clip(part / PAGE_BYTES, 0, 1)",
            "return np.clip(part / PAGE_BYTES, 0, None)",
        ): _PART,
        (
            "return np.clip(part / PAGE_BYTES, 0, 1)",
            "return np.clip(part / PAGE_BYTES, 0, 2)",
        ): _PART,
        (
            "values = np.frombuffer(part.heat, dtype=np.uint8).astype(np.float64)",
            "values = np.frombuffer(part.heat, dtype=np.uint8).astype(None)",
        ): "None is numpy's name for a float of 64 bits",
        (
            "values = np.repeat(values, part.page_bytes // PAGE_BYTES)",
            "values = np.repeat(values, part.page_bytes / PAGE_BYTES)",
        ): "numpy takes the whole part of a count",
        (
            "if low < high:",
            "if low <= high:",
        ): "no page of none is no change",
        (
            "above, level = heat > threshold, heat == threshold",
            "above, level = heat >= threshold, heat == threshold",
        ): "what counts twice is taken off by the share that is drawn",
        (
            "if np.ptp(heat) == 0 or np.ptp(rate) < 1e-15:",
            "if np.ptp(heat) == 0 or np.ptp(rate) <= 1e-15:",
        ): "no rates differ by exactly that",
    },
    "memtree": {
        (
            "inside = vmapped and 0 < stacks <= used_vmalloc",
            "inside = vmapped and 1 < stacks <= used_vmalloc",
        ): "a stack is larger than a byte",
        (
            'used = facts.meminfo.get("VmallocUsed", 0) / MIB',
            'used = facts.meminfo.get("VmallocUsed", 1) / MIB',
        ): "a byte is 0.0 MiB",
    },
    "bootmemory": {
        (
            "each = max(0, reference.percpu_bytes // max(1, known) - reference.percpu_first_bytes)",
            "each = max(0, reference.percpu_bytes // max(2, known) - reference.percpu_first_bytes)",
        ): "of one CPU none can be left out",
        (
            '"used_bytes": dict(zip(("least", "likely", "most"), self.used, strict=True)),',
            '"used_bytes": dict(zip(("least", "likely", "most"), self.used, strict=None)),',
        ): _SAME_LENGTH,
        (
            '"used_bytes": dict(zip(("least", "likely", "most"), self.used, strict=True)),',
            '"used_bytes": dict(zip(("least", "likely", "most"), self.used, )),',
        ): _SAME_LENGTH,
        (
            '"used_bytes": dict(zip(("least", "likely", "most"), self.used, strict=True)),',
            '"used_bytes": dict(zip(("least", "likely", "most"), self.used, strict=False)),',
        ): _SAME_LENGTH,
        (
            '"need_bytes": dict(zip(("least", "likely", "most"), self.need, strict=True)),',
            '"need_bytes": dict(zip(("least", "likely", "most"), self.need, strict=None)),',
        ): _SAME_LENGTH,
        (
            '"need_bytes": dict(zip(("least", "likely", "most"), self.need, strict=True)),',
            '"need_bytes": dict(zip(("least", "likely", "most"), self.need, )),',
        ): _SAME_LENGTH,
        (
            '"need_bytes": dict(zip(("least", "likely", "most"), self.need, strict=True)),',
            '"need_bytes": dict(zip(("least", "likely", "most"), self.need, strict=False)),',
        ): _SAME_LENGTH,
        (
            "int(share * size + more) for (share, more), size in zip(_NEED, held, strict=True)",
            "int(share * size + more) for (share, more), size in zip(_NEED, held, strict=None)",
        ): _SAME_LENGTH,
        (
            "int(share * size + more) for (share, more), size in zip(_NEED, held, strict=True)",
            "int(share * size + more) for (share, more), size in zip(_NEED, held, )",
        ): _SAME_LENGTH,
        (
            "int(share * size + more) for (share, more), size in zip(_NEED, held, strict=True)",
            "int(share * size + more) for (share, more), size in zip(_NEED, held, strict=False)",
        ): _SAME_LENGTH,
        (
            "held = (max(0, certain), services, services)",
            "held = (max(1, certain), services, services)",
        ): "0.8 of a byte is none",
        (
            "counts[node] += 1",
            "counts[node] -= 1",
        ): _RATIO,
        (
            "counts[node] += 1",
            "counts[node] += 2",
        ): _RATIO,
        (
            "counts = dict.fromkeys(memtotal, 1)",
            "counts = dict.fromkeys(memtotal, 2)",
        ): _RATIO,
    },
    "stats_dose": {
        (
            "clear = g * scheffe / (t * t) < 1.0",
            "clear = g * scheffe / (t * t) <= 1.0",
        ): "no row is exactly at the bound",
        (
            "per_sample = ratio(times @ away, samples @ away, cross_check=False)",
            "per_sample = ratio(times @ away, samples @ away, cross_check=None)",
        ): "None is no wish either",
    },
    "plan": {
        (
            "lowest = RangeSet(memmap.stock_ram(topology.firmware).ranges[:1])",
            "lowest = RangeSet(memmap.stock_ram(topology.firmware).ranges[:2])",
        ): "the BIOS area divides the first MiB of RAM: both parts are of one node",
        ("continue", "break"): "the slow tier, which may be none, is the last one",
        (
            "there = len(topology.node_cpus(fast)) if fast is not None else 0",
            "there = len(topology.node_cpus(fast)) if (fast is not None) or True else 0",
        ): "the fast tier is always in DRAM, and has a node",
        (
            "there = len(topology.node_cpus(fast)) if fast is not None else 0",
            "there = len(topology.node_cpus(fast)) if fast is not None else 1",
        ): "the fast tier is always in DRAM, and has a node",
        (
            "reserved=_reserve(topology, profile, ram, span, 0), wanted_bytes=None, role=role",
            "reserved=_reserve(topology, profile, ram, span, 1), wanted_bytes=None, role=role",
        ): _FIRST_BYTE,
        (
            "nothing = _reserve(topology, profile, ram, span, 0)",
            "nothing = _reserve(topology, profile, ram, span, 1)",
        ): _FIRST_BYTE,
        (
            "behind = RangeSet((Range(edge, 1 << 64),))",
            "behind = RangeSet((Range(edge, 2 << 64),))",
        ): "no memory lies above 64 bits",
        (
            "behind = RangeSet((Range(edge, 1 << 64),))",
            "behind = RangeSet((Range(edge, 1 << 65),))",
        ): "no memory lies above 64 bits",
    },
}
