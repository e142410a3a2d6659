"""Who asked for a page, by the stack of its allocation: the first that is no allocator itself.

It stops at slab: a page of a slab is of many (/proc/slabinfo tells the caches apart).
Names are those of Linux 4.19 to 6.18 (page_alloc.c, mempolicy.c, vmalloc.c, slab_common.c in mm/).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# One line of a stack: an arrow in a trace, spaces elsewhere; +0x1a/0x20 unless it is switched off.
_FRAME = re.compile(
    r"(?:=>)?\s*(?P<name>[A-Za-z_][\w.$]*)(?:\+0x[0-9a-f]+/0x[0-9a-f]+)?"
    r"(?: \[(?P<module>[\w-]+)[^\]]*\])?"
)
# What the compiler made of a function, and the name of one that allocation profiling wraps.
_SUFFIX = re.compile(r"(?:_noprof)?(?:\.(?:isra|constprop|part|cold|llvm)(?:\.\d+)*)*$")
_ALLOCATOR = re.compile(
    r"trace_event_raw_event_\w+|__traceiter_\w+|__bpf_trace_\w+|perf_trace_\w+"
    r"|_*(?:save_stack|set_page_owner|post_alloc_hook|prep_new_page|get_page_from_freelist)"
    r"|_*alloc_(?:frozen_)?pages?(?:_\w+)?|_*get_free_pages?(?:_\w+)?|get_zeroed_page"
    r"|_*(?:vma_|folio_)alloc(?:_\w+)?|vm_area_alloc_pages"
    r"|_*k?vmalloc(?:_\w+)?|_*k?v[zc]alloc(?:_\w+)?|_*kv(?:memdup|realloc)(?:_\w+)?"
    r"|_*(?:do_)?kmalloc(?:_\w+)?|_*k[zc]alloc(?:_\w+)?|_*krealloc(?:_\w+)?"
    r"|_*(?:iommu_)?dmam?_(?:direct_)?alloc(?:_\w+)?|_*page_pool_alloc(?:_\w+)?"
)


def asker(frames: Iterable[str]) -> str | None:
    """The function that a stack's pages are for, "name [module]"; None for an empty stack.

    A stack that is cut off inside the allocator is named by its outermost function.
    """
    found = None
    for frame in frames:
        match = _FRAME.fullmatch(frame.strip())
        if match is None:
            continue
        name = _SUFFIX.sub("", match["name"])
        found = f"{name} [{match['module']}]" if match["module"] else name
        if not _ALLOCATOR.fullmatch(name):
            break
    return found
