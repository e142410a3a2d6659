"""How large the kernel makes its hash tables: alloc_large_system_hash(), mm/page_alloc.c (6.1).

They scale with the RAM that is left after memmap=, so a layout shrinks them by itself. On a machine
whose RAM is on one node the tables of dentries and inodes are taken by boot code, before MemTotal
is counted (fixup_hashdist()); otherwise all tables are vmalloc memory, spread over the nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

from hotkit.core.units import GIB, MIB, PAGE_BYTES

# Above this each further factor of four halves what one page counts (ADAPT_SCALE_*).
_ADAPT_PAGES = 64 * GIB // PAGE_BYTES
_STRUCT_PAGE_SHARE = 64  # one page of struct pages for 64 pages


@dataclass(frozen=True, slots=True)
class HashTable:
    """One table: a bucket per 2^scale bytes of RAM, within these limits (0: no limit)."""

    name: str
    bucket_bytes: int
    scale: int
    most: int = 0
    least: int = 0
    early: bool = False  # taken by boot code where all RAM is on one node


# fs/dcache.c, fs/inode.c, fs/namespace.c, net/ipv4/tcp.c, net/ipv4/udp.c (6.1)
TABLES = (
    HashTable("Dentry cache", 8, 13, early=True),
    HashTable("Inode-cache", 8, 14, early=True),
    HashTable("Mount-cache", 8, 19),
    HashTable("Mountpoint-cache", 8, 19),
    HashTable("TCP established", 8, 17, most=1 << 19),
    HashTable("TCP bind", 32, 17, most=1 << 16),
    HashTable("UDP", 32, 21, most=1 << 16, least=256),
    HashTable("UDP-Lite", 32, 21, most=1 << 16, least=256),
)


def entries(table: HashTable, ram_bytes: int) -> int:
    """The number of buckets on a machine with `ram_bytes` of System RAM."""
    pages = ram_bytes // PAGE_BYTES
    # nr_kernel_pages: without what describes the pages themselves; then whole MiB.
    pages -= pages // _STRUCT_PAGE_SHARE
    pages = -(-pages // (MIB // PAGE_BYTES)) * (MIB // PAGE_BYTES)
    scale, adapt = table.scale, _ADAPT_PAGES
    if not table.most:
        while adapt < pages:
            scale, adapt = scale + 1, adapt << 2
    shift = scale - 12
    count = max(table.least, pages >> shift, PAGE_BYTES // table.bucket_bytes)
    count = 1 << (count - 1).bit_length()
    return min(count, table.most) if table.most else count


def table_bytes(table: HashTable, ram_bytes: int) -> int:
    """What it takes: whole pages, as buckets and their number are powers of two that fill one."""
    return entries(table, ram_bytes) * table.bucket_bytes


def early_bytes(ram_bytes: int, nodes_with_ram: int) -> int:
    """What the tables take outside MemTotal: nothing where several nodes have RAM."""
    if nodes_with_ram != 1:
        return 0
    return sum(table_bytes(table, ram_bytes) for table in TABLES if table.early)


def used_bytes(ram_bytes: int, nodes_with_ram: int) -> int:
    """What the tables take inside MemTotal, of all nodes together."""
    whole = sum(table_bytes(table, ram_bytes) for table in TABLES)
    return whole - early_bytes(ram_bytes, nodes_with_ram)
