"""/proc/vmallocinfo: the kernel's vmalloc address space, and which of it is RAM.

One area a line: range, size with guard page, caller, words (vmalloc_info_show(), mm/vmalloc.c,
Linux 3.10 to 6.18). Addresses are hashed or missing for most readers; nothing here needs them.
"""

from __future__ import annotations

import re

from hotkit.core.memfacts import VmallocArea
from hotkit.core.plaintext import plain_line
from hotkit.core.units import PAGE_BYTES
from hotkit.parse.doubts import NUMBER, Doubts, cut_at_the_end

_LINE = re.compile(
    # An address may be (ptrval), (____ptrval____) or (null); older kernels pad it.
    rf"0x\s*(?:[0-9a-f]+|\(\w+\))-0x\s*(?:[0-9a-f]+|\(\w+\))\s+(?P<size>{NUMBER})(?P<rest>\s.*)?",
    re.IGNORECASE,
)
_OFFSET = re.compile(r"\+0x[0-9a-f]+(?:/0x[0-9a-f]+)?\Z", re.IGNORECASE)
_BUILD_ID = re.compile(r"\[(\S+) [0-9a-f]+\]")  # [module id]: %pS on some kernels
_PAGES = re.compile(rf"pages=({NUMBER})")
_NODE = re.compile(rf"N([0-9]{{1,4}})=({NUMBER})")
_KINDS = frozenset({"ioremap", "vmalloc", "vmap", "user", "vpages", "dma-coherent", "sparse"})
# Words of lines that have no caller: address space that nobody's pages lie behind any more.
_NO_CALLER = ("vm_map_ram", "unpurged vm_area", "vmap_area")


def parse_vmallocinfo(
    text: str, source: str = "vmallocinfo"
) -> tuple[tuple[VmallocArea, ...], tuple[str, ...]]:
    """The areas, and what could not be read."""
    doubts = Doubts(source)
    areas = []
    lines = text.splitlines()
    for number, raw in enumerate(lines, 1):
        line = raw.strip()
        if not line:
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            doubts.line(number, line)
            continue
        area = _area(int(match["size"]), (match["rest"] or "").strip())
        if number == len(lines) and cut_at_the_end(text) and not _whole(area):
            doubts.line(number, line, "is cut short and left out")
        elif area.pages is not None and area.pages * PAGE_BYTES > area.size_bytes:
            doubts.line(number, line, "has more pages than its size holds and is left out")
        else:
            areas.append(area)
    return tuple(areas), doubts.sentences


def _area(size: int, rest: str) -> VmallocArea:
    for phrase in _NO_CALLER:
        if rest == phrase:
            return VmallocArea(size_bytes=size, caller=phrase, pages=None, kinds=())
    caller, pages = "", None
    kinds: list[str] = []
    nodes: dict[int, int] = {}
    for index, word in enumerate(_BUILD_ID.sub(r"[\1]", rest).split()):
        if match := _PAGES.fullmatch(word):
            pages = int(match[1])
        elif match := _NODE.fullmatch(word):
            nodes[int(match[1])] = int(match[2])
        elif word in _KINDS:
            kinds.append(word)
        elif index == 0:
            caller = _OFFSET.sub("", plain_line(word))
        elif index == 1 and word.startswith("["):
            caller += f" {plain_line(word)}"
        elif "=" not in word and not word.startswith("["):
            kinds.append(plain_line(word))  # a word of a newer kernel
    return VmallocArea(
        size_bytes=size, caller=caller or "(no name)", pages=pages, kinds=tuple(kinds), nodes=nodes
    )


def _whole(area: VmallocArea) -> bool:
    """Whether a last line can be complete: its pages are all on some node."""
    if area.pages is None:
        return bool(area.kinds) or area.caller in _NO_CALLER
    return bool(area.kinds) and sum(area.nodes.values()) == area.pages
