"""The modules that were mutated, chosen by what a mistake in them costs, and their own tests."""

from __future__ import annotations

_GRUB = (
    "tests/unit/core/test_grub_script.py",
    "tests/unit/core/test_grub_quote.py",
    "tests/unit/core/test_grub_cfg.py",
)


def _own(*names: str) -> tuple[str, ...]:
    return tuple(f"tests/unit/core/test_{name}.py" for name in names)


# Memory that is cut wrongly does not boot; an argument that is read or written wrongly boots
# something else; statistics that are wrong are believed.
MODULES: dict[str, tuple[str, ...]] = {
    "memparse": _own("memparse"),
    "ranges": _own("ranges"),
    "cmdline": _own("cmdline"),
    "e820map": _own("e820map", "memmap"),
    "memmap": _own("memmap"),
    "grub_quote": _own("grub_quote"),
    "sh_lexer": _own("sh_lexer", "grub_quote"),
    "design": _own("design"),
    "grubenv": _own("grubenv"),
    "grub_words": (*_own("grub_words"), *_GRUB),
    "grub_lexer": (*_own("grub_grammar"), *_GRUB),
    "grub_eval": (*_own("grub_eval_exact"), *_GRUB),
    "grub_block": _own("grub_block"),
    "grub_undo": _own("grub_undo"),
    "layout": _own("plan", "plan_exact", "plan_pmem"),
    "plan": _own("plan", "plan_exact", "plan_pmem"),
    "stats": _own("stats", "stats_exact"),
    "stats_dose": _own("stats_dose"),
    "stopping": _own("stopping"),
    "accuracy": _own("accuracy", "accuracy_exact"),
    "bootmemory": _own("bootmemory_exact", "bootmemory"),
    "memtree": _own("memtree_exact", "memtree", "memtree_truth"),
}
