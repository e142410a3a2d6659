"""Tracing the page allocator from boot: what is asked for, what it takes."""

from __future__ import annotations

import pytest

from hotkit.core.tracewish import trace_wish
from hotkit.core.units import GIB, MIB
from hotkit.errors import HotkitError


def wish(memory, cpus=4, tasks=""):
    return trace_wish({"hotkit_trace_memory": memory, "hotkit_trace_tasks": tasks}, cpus)


@pytest.mark.parametrize("said", ["", "no", "False", "0", "none", False])
def test_nothing_is_traced(said):
    assert wish(said) is None
    assert trace_wish({}, 4) is None


@pytest.mark.parametrize(
    ("cpus", "tasks", "each_mib"),
    [
        (1, "", 128),  # never more
        (4, "", 128),
        (8, "", 64),  # 512 MiB for all
        (12, "", 42),  # whole MiB
        (100, "", 16),  # never less
        (4, "true", 64),
        (100, "yes", 8),
        (100, "1", 8),
    ],
)
def test_all_cpus_share_half_a_gibibyte(cpus, tasks, each_mib):
    found = wish("true", cpus, tasks)
    assert (found.buffer_bytes, found.cpus) == (each_mib * MIB, cpus)
    assert found.cost_bytes == each_mib * MIB * cpus
    assert f"trace_buf_size={each_mib}M" in found.arguments
    assert ("trace_options=stacktrace" in found.arguments) is not bool(tasks)
    assert found.arguments[0] == "trace_event=kmem:mm_page_free,kmem:mm_page_alloc"


def test_a_size_is_taken_as_it_is():
    assert wish("3M").buffer_bytes == 3 * MIB
    assert wish("1M").buffer_bytes == MIB
    assert wish("4G").buffer_bytes == 4 * GIB
    assert "12 MiB of RAM for it (3 MiB for each of 4 CPUs)" in wish("3M").sentence


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("much", "hotkit_trace_memory: "),
        ("1023K", "hotkit_trace_memory: 1023 KiB for each CPU is not between"),
        ("4097M", "is not between 1 MiB and 4 GiB"),
    ],
)
def test_what_cannot_be(said, words):
    with pytest.raises(HotkitError, match=words):
        wish(said)
