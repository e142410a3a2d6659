"""Sizes of hash tables, worked out by hand as alloc_large_system_hash() does (mm/page_alloc.c)."""

from __future__ import annotations

import pytest

from hotkit.core.kernelhashes import HashTable, early_bytes, entries, table_bytes, used_bytes
from hotkit.core.units import GIB, KIB, MIB

PAGE = 4096
PLAIN = HashTable("plain", 8, 13)


def ram_of(pages):
    """The RAM of which that many pages are left beside struct pages (a page of 64)."""
    whole = pages * 64 // 63
    assert whole - whole // 64 == pages
    return whole * PAGE


@pytest.mark.parametrize(
    ("table", "pages", "count"),
    [
        # A page of buckets at least.
        (PLAIN, 256, 512),
        (HashTable("wide", 32, 21), 512, 128),
        (HashTable("wide", 32, 21, least=256), 512, 256),
        (HashTable("wide", 32, 21, least=200), 512, 256),
        # Whole MiB, then a power of two: 513 pages are 768.
        (HashTable("page", PAGE, 13), 512, 256),
        (HashTable("page", PAGE, 13), 513, 512),
        (HashTable("page", PAGE, 12), 513, 1024),
        (HashTable("page", PAGE, 14), 1024, 256),
        (HashTable("page", PAGE, 20), 5 * 256, 8),
        (HashTable("page", PAGE, 20), 8 * 256, 8),
        # Up to 64 GiB of pages, and up to four times as many each, buckets are one class of sizes.
        (PLAIN, 1 << 24, 1 << 23),
        (PLAIN, (1 << 24) + 256, 1 << 23),
        (PLAIN, 1 << 26, 1 << 24),
        (PLAIN, (1 << 26) + 256, 1 << 24),
        (PLAIN, (1 << 28) + 256, 1 << 25),
        # ... but not of a table that has a limit of its own.
        (HashTable("limited", 8, 13, most=1 << 30), (1 << 24) + 256, 1 << 24),
        (HashTable("limited", 8, 13, most=1 << 20), (1 << 24) + 256, 1 << 20),
    ],
)
def test_how_many_buckets(table, pages, count):
    assert entries(table, ram_of(pages)) == count
    assert table_bytes(table, ram_of(pages)) == count * table.bucket_bytes


def test_all_tables_of_4_gib():
    """1032192 pages: 4 MiB of dentries, 2 of inodes, 1 of TCP's bind; 256 KiB of TCP's established;
    twice 64 KiB of mounts and of UDP."""
    rest = MIB + 256 * KIB + 4 * 64 * KIB
    assert [early_bytes(4 * GIB, nodes) for nodes in (1, 2, 3)] == [6 * MIB, 0, 0]
    assert [used_bytes(4 * GIB, nodes) for nodes in (1, 2, 3)] == [rest, *[6 * MIB + rest] * 2]
