"""The real hotset binary: what it touches is what it says, and the same seed does the same work."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
from pathlib import Path

import pytest

from hotkit.agent.protocol import AgentError
from hotkit.agent.workloads.hotset import Hotset
from hotkit.host.workload import build_hotset

SIZE, HOT = 4 << 20, 256 << 10
PAGE = 4096


def outcome(**parameters):
    """Ground truth, result, and the 64-bit words of its memory after the work, XORed per page."""
    given = {"size_bytes": SIZE, "updates": 200_000, **parameters}
    workload = Hotset(str(build_hotset().path), given)
    try:
        truth = workload.start()
        before = memory(truth)
        result = workload.run()
        after = memory(truth)
    finally:
        workload.stop()
    changed = [
        sum(a != b for a, b in zip(before[at : at + PAGE], after[at : at + PAGE], strict=True))
        for at in range(0, len(before), PAGE)
    ]
    return truth, result, changed


def memory(truth):
    with Path(f"/proc/{truth['pid']}/mem").open("rb", buffering=0) as stream:
        stream.seek(truth["start"])
        return stream.read(truth["bytes"])


def hot_pages(truth, phase):
    first = (phase["hot_start"] - truth["start"]) // PAGE
    return range(first, first + phase["hot_bytes"] // PAGE)


def test_same_seed_same_checksum_whatever_the_mix():
    sums = {
        (seed, outcome(seed=seed, threads=2, hot_bytes=HOT, write_share=share)[1]["checksum"])
        for seed in (1, 2)
        for share in (0, 50, 100)
    }
    assert len(sums) == 2


def test_the_hot_range_is_where_it_says():
    for reverse in (False, True):
        truth, result, changed = outcome(hot_bytes=HOT, weight=9, updates=20_000, reverse=reverse)
        expected = truth["start"] + (SIZE - HOT if reverse else 0)
        assert (truth["hot_start"], truth["hot_bytes"], truth["weight"]) == (expected, HOT, 9)
        assert result["phases"] == [
            {"at_ns": result["phases"][0]["at_ns"], "hot_start": expected, "hot_bytes": HOT}
        ]
        hot = hot_pages(truth, result["phases"][0])
        coldest = min(changed[page] for page in hot)
        assert coldest > max(n for page, n in enumerate(changed) if page not in hot)


def test_reads_write_nothing_and_a_half_writes_half():
    assert sum(outcome(hot_bytes=HOT, write_share=0)[2]) == 0
    # Few enough that hardly any word is written twice: a word that is has changed once.
    all_of_it, half = (
        sum(outcome(hot_bytes=SIZE, weight=0, updates=5000, write_share=share)[2])
        for share in (100, 50)
    )
    assert 0.45 < half / all_of_it < 0.55


@pytest.mark.parametrize("reverse", [False, True])
def test_phases_move_the_hot_range(reverse):
    truth, result, changed = outcome(
        hot_bytes=1 << 20, weight=1000, phases=3, threads=2, updates=30_000, reverse=reverse,
        hot_offset_bytes=1 << 20,
    )  # fmt: skip
    places = [(phase["hot_start"] - truth["start"]) >> 20 for phase in result["phases"]]
    assert places == ([2, 1, 0] if reverse else [1, 2, 3])
    times = [phase["at_ns"] for phase in result["phases"]]
    assert times == sorted(set(times))
    assert times[-1] - times[0] < result["duration_ns"]
    # The quarter that was never hot is hardly touched; the three that were are, alike.
    quarters = [sum(changed[at : at + 256]) for at in range(0, 1024, 256)]
    never = quarters.pop(3 if reverse else 0)
    assert never < 0.01 * min(quarters)
    assert max(quarters) < 1.1 * min(quarters)


def test_phases_wrap_around():
    truth, result, _ = outcome(hot_bytes=SIZE // 2, phases=5)
    places = [(phase["hot_start"] - truth["start"]) // (SIZE // 2) for phase in result["phases"]]
    assert places == [0, 1, 0, 1, 0]


@pytest.mark.parametrize("theta", [0.5, 0.99, 1.0, 1.5])
def test_zipf_is_the_formula(tmp_path, theta):
    """Counted pages against k^-theta / sum: a chi-square over ranks with enough expected."""
    updates, pages = 40_000, 64
    truth, result, _ = outcome(
        size_bytes=pages * PAGE, updates=updates, distribution="zipf", theta=theta,
        granularity_bytes=PAGE, write_share=100, seed=5,
    )  # fmt: skip
    assert (truth["distribution"], truth["order"], truth["rank_bytes"]) == (
        "zipf", "ascending", PAGE,
    )  # fmt: skip
    assert truth["theta"] == theta and "hot_start" not in truth and "phases" not in result
    counts = zipf_counts(tmp_path, updates, pages, theta, seed=5)
    weights = [k**-theta for k in range(1, pages + 1)]
    expected = [updates * weight / sum(weights) for weight in weights]
    kept = [(c, e) for c, e in zip(counts, expected, strict=True) if e >= 20]
    chi_square = sum((c - e) ** 2 / e for c, e in kept)
    # Mean n - 1, variance 2(n - 1): five deviations, and a seed that does not change.
    freedom = len(kept) - 1
    assert chi_square < freedom + 5 * (2 * freedom) ** 0.5


def zipf_counts(folder, updates, pages, theta, seed):
    """How often each page came: one run per prefix would be slow, so the header is compiled."""
    source, library = folder / "zipf_counts.c", folder / "zipf_counts.so"
    headers = Path(__file__).parents[2] / "hotkit/agent/workloads/src"
    source.write_text(
        '#include "common.h"\n#include "zipf.h"\n'
        "void count(uint64_t n, uint64_t pages, double theta, uint64_t seed, uint64_t *counts)\n"
        "{ struct zipf z = zipf_of(pages, theta); uint64_t rng = mix(mix(seed)) | 1;\n"
        "  while (n--) { counts[zipf_next(&z, &rng)]++; next(&rng); } }\n"
    )
    argv = ["gcc", "-O2", "-shared", "-fPIC", "-I", headers, "-o", library, source, "-lm"]
    subprocess.run(argv, check=True)
    counts = (ctypes.c_uint64 * pages)()
    ctypes.CDLL(str(library)).count(
        ctypes.c_uint64(updates), ctypes.c_uint64(pages), ctypes.c_double(theta),
        ctypes.c_uint64(seed), counts,
    )  # fmt: skip
    return list(counts)


def test_zipf_from_either_end():
    """The page of rank 1 is the most changed, at the beginning or (reverse) at the end."""
    for reverse, order in ((False, "ascending"), (True, "descending")):
        truth, _, changed = outcome(
            distribution="zipf", theta=0.99, updates=4000, reverse=reverse
        )  # fmt: skip
        assert truth["order"] == order
        assert changed.index(max(changed)) == (len(changed) - 1 if reverse else 0)


def test_memory_and_policy_are_in_force():
    parameters = {"size_bytes": 8 << 20, "hot_bytes": HOT, "updates": 1000, "numa": "bind:0"}
    workload = Hotset(str(build_hotset().path), {**parameters, "memory": "thp"})
    try:
        truth = workload.start()
        maps = Path(f"/proc/{truth['pid']}/numa_maps").read_text()
        smaps = Path(f"/proc/{truth['pid']}/smaps").read_text()
    finally:
        workload.stop()
    assert truth["memory"] == "thp" and truth["start"] % (2 << 20) == 0
    line = next(row for row in maps.splitlines() if row.startswith(f"{truth['start']:x} "))
    assert line.split()[1] == "bind:0"
    block = smaps[smaps.index(f"{truth['start']:x}-") :]
    flags = next(row for row in block.splitlines() if row.startswith("VmFlags"))
    assert "hg" in flags.split()
    enabled = Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text()
    huge = next(row for row in block.splitlines() if row.startswith("AnonHugePages"))
    assert (int(huge.split()[1]) > 0) == ("[never]" not in enabled)


def test_hugetlb_works_or_says_what_is_missing():
    free = int(Path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages").read_text())
    if free >= 2:
        truth, _, _ = outcome(hot_bytes=HOT, memory="hugetlb")
        assert truth["memory"] == "hugetlb"
    else:
        with pytest.raises(AgentError, match="vm.nr_hugepages"):
            outcome(hot_bytes=HOT, memory="hugetlb")


def test_pinned_threads_name_their_cpus():
    cpus = sorted(os.sched_getaffinity(0))
    truth, _, _ = outcome(hot_bytes=HOT, threads=len(cpus) + 1, pin=True, updates=1000)
    assert truth["cpus"] == cpus
    assert "cpus" not in outcome(hot_bytes=HOT, updates=1000)[0]


def test_the_footprint_stands_beside_the_cache():
    truth, _, _ = outcome(hot_bytes=HOT, updates=1000)
    assert truth["footprint_bytes"] == SIZE
    llc = truth["llc_bytes"]
    assert truth["footprint_vs_llc"] == (round(SIZE / llc, 3) if llc else None)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"numa": "bind:"}, "as in interleave:0,1"),
        ({"numa": "near:0"}, "as in interleave:0,1"),
        ({"numa": "bind:1023"}, "mbind"),
        ({"memory": "1g"}, "4k, thp or hugetlb"),
        ({"write_share": 101}, "percentage"),
        ({"phases": 10**6}, "--phases"),
        ({"distribution": "normal"}, "hotset or zipf"),
        ({"distribution": "zipf"}, "no hot range"),
        ({"theta": 1}, "belongs to"),
    ],
)
def test_it_refuses(options, words):
    with pytest.raises(AgentError, match=words):
        outcome(hot_bytes=HOT, **options)


def test_probe_measures_where_the_memory_is():
    argv = [build_hotset().path, "probe", "--cpu", str(min(os.sched_getaffinity(0))), "--node", "0"]
    done = subprocess.run(
        [*argv, "--size", str(8 << 20), "--repeats", "3", "--loads", "100000"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found["pages"] == found["pages_on_node"] == 2048
    assert len(found["latency_ns"]) == len(found["read_mib_s"]) == 3
    # A dependent load takes a cycle or more even from the first cache, and a read is not free.
    assert all(0.2 < value < 1e5 for value in found["latency_ns"])
    assert all(1 < value < 1e6 for value in found["read_mib_s"])
    small = subprocess.run(
        [*argv, "--size", "4096", "--repeats", "3", "--loads", "100000"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert min(json.loads(small.stdout)["latency_ns"]) < min(found["latency_ns"])


def test_probe_of_a_node_that_is_not_there():
    done = subprocess.run(
        [build_hotset().path, "probe", "--node", "900"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "mbind" in done.stderr
