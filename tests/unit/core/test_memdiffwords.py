"""The sentences on two captures, each whole, and when none is said."""

import pytest

from hotkit.core.memaccount import Kind, MemoryAccount, MemoryItem
from hotkit.core.memdiffwords import answers, totals_only
from hotkit.core.memfacts import MemoryFacts
from hotkit.core.units import MIB

SAME_RAM = "both have the same RAM: this pair does not show what follows its size"
PERCPU = (
    "per-CPU areas are for all possible CPUs: maxcpus= keeps those of CPUs that stay down, "
    "nr_cpus= does not"
)


def facts(name, used=100, total=1000, fields=("Slab",), **more):
    """Sizes in MiB; a field of 0 bytes makes it more than totals."""
    meminfo = {"MemTotal": total * MIB, "MemFree": (total - used) * MIB}
    return MemoryFacts(name=name, meminfo=meminfo | dict.fromkeys(fields, 0), **more)


def item(size, scales=None, *children):
    return MemoryItem(name="i", size_bytes=size * MIB, kind=Kind.RAM, source="s",
                      scales_with=scales, children=children)  # fmt: skip


def account(*items):
    return MemoryAccount(
        name="m", label=None, kernel_release=None, total_bytes=0, free_bytes=0,
        unavailable_bytes=None, items=items,
    )  # fmt: skip


def said(left, right, changes=None, accounts=None):
    """Changes per node in MiB."""
    sizes = {node: size * MIB for node, size in (changes or {}).items()}
    return list(answers(left, right, sizes, accounts or (account(), account())))


@pytest.mark.parametrize(
    ("fields", "only"),
    [
        ((), True), (("MemAvailable",), True), (("Slab",), False),
        (("MemAvailable", "Cached"), False),
    ],
)  # fmt: skip
def test_a_capture_of_totals(fields, only):
    assert totals_only(facts("a", fields=fields)) is only


@pytest.mark.parametrize(
    ("used", "changes", "total"),
    [
        (100, {}, "b uses 0 MiB more than a"),
        (130, {}, "b uses 30 MiB more than a"),
        (70, {0: -30}, "b uses 30 MiB less than a"),
        (70, {2: -31, 0: 1}, "b uses 30 MiB less than a: node 0 1 MiB more, node 2 31 MiB less"),
    ],
)
def test_how_much_more_is_used_and_where(used, changes, total):
    assert said(facts("a"), facts("b", used), changes) == [total, SAME_RAM]


POOR = (
    ": sizes and free memory only. Which allocations the difference is made of cannot be told from "
    "them; next: hotkit memory capture HOST --out DIR, in both boots"
)


@pytest.mark.parametrize(
    ("left", "right", "names"), [((), (), "a and b"), ((), ("Slab",), "a"), (("Slab",), (), "b")]
)
def test_totals_cannot_tell_which_allocations_differ(left, right, names):
    found = said(facts("a", fields=left), facts("b", fields=right))
    assert found == ["b uses 0 MiB more than a", SAME_RAM, names + POOR]


def cpus(left, right, used=100, left_fields=("Slab",), right_fields=("Slab",)):
    """What is said of CPUs: `used` by the second, 100 MiB by the first."""
    found = said(
        facts("a", cpus_online=left, fields=left_fields),
        facts("b", used, cpus_online=right, fields=right_fields),
    )
    assert found[-1] == SAME_RAM
    return found[1:-1]


@pytest.mark.parametrize(("left", "right"), [(None, 4), (4, None), (None, None), (4, 4)])
def test_nothing_is_said_of_cpus_that_are_the_same_or_unknown(left, right):
    assert cpus(left, right, 90) == []


EACH = (
    "if the CPUs alone make the difference, it is {} MiB for each of the {}: stacks and slabs of "
    "its threads, its list of free pages, buffers that drivers, tracing and perf have per CPU"
)


@pytest.mark.parametrize(
    ("left", "right", "used", "each"),
    [
        (8, 4, 90, [EACH.format("2.5", 4)]),
        (4, 8, 110, [EACH.format("2.5", 4)]),
        (8, 7, 90, [EACH.format("10.0", 1)]),
        (8, 4, 100, []),
        (8, 4, 110, []),
        (4, 8, 90, []),
    ],
)
def test_what_a_cpu_takes_where_fewer_use_less(left, right, used, each):
    online = f"{left} CPUs are online in a, {right} in b"
    assert cpus(left, right, used) == [online, *each, PERCPU]


def test_per_cpu_areas_are_the_same_or_differ_or_are_not_counted():
    online = "8 CPUs are online in a, 4 in b"
    with_field, without = ("Slab", "Percpu"), ("Slab",)
    same = (
        "the per-CPU areas are the same {} MiB in both: they are for all possible CPUs (maxcpus= "
        "keeps them, nr_cpus= does not)"
    )
    assert cpus(8, 4, 100, with_field, with_field) == [online, same.format("0.0")]
    assert cpus(8, 4, 100, without, with_field) == [online]
    assert cpus(8, 4, 100, with_field, without) == [online]
    left, right = (
        MemoryFacts(name=name, cpus_online=count, meminfo=facts(name).meminfo | {"Percpu": size})
        for name, count, size in (("a", 8, 9 * MIB), ("b", 4, 9 * MIB))
    )
    assert said(left, right)[1:-1] == [online, same.format("9.0")]
    less = MemoryFacts(name="b", cpus_online=4, meminfo=right.meminfo | {"Percpu": MIB})
    assert said(left, less)[1:-1] == [online]


def moved(left, right, changes):
    found = said(facts("a", node_cpus=left), facts("b", node_cpus=right), changes)
    assert found[-1] == SAME_RAM
    return found[1:-1]


def went(node, name, lost, back, gone):
    return (
        f"node {node} has no CPU online in {name}: what the kernel takes where it runs (page "
        "cache, slabs, stacks, buffers) it takes on other nodes there. Of the "
        f"{lost} MiB that node {node} has less, {back} MiB came back elsewhere, and {gone} MiB are "
        "in use no more"
    )


@pytest.mark.parametrize(
    ("left", "right", "changes", "sentences"),
    [
        ({0: 2, 1: 2}, {0: 4, 1: 0}, {0: 10, 1: -30}, [went(1, "b", 30, 10, 20)]),
        ({0: 4, 1: 0}, {0: 2, 1: 2}, {0: -10, 1: 30}, [went(1, "a", 30, 10, 20)]),
        # More came elsewhere than went.
        ({0: 2, 1: 2}, {0: 4, 1: 0}, {0: 40, 1: -30}, [went(1, "b", 30, 30, 0)]),
        # What grew, of all other nodes; what shrank there is no less of it.
        ({0: 2, 1: 2}, {0: 4, 1: 0}, {0: 4, 1: -30, 2: -9, 3: 5}, [went(1, "b", 30, 9, 21)]),
        ({0: 2, 1: 2}, {0: 4, 1: 0}, {0: -1, 1: -30}, []),
        ({0: 2, 1: 2}, {0: 4, 1: 0}, {0: 0, 1: -30}, []),
        ({0: 2, 1: 2}, {0: 4, 1: 0}, {0: 10, 1: 0}, []),
        ({0: 2, 1: 2}, {0: 4, 1: 0}, {0: 10, 1: 1}, []),
        # Nodes that have CPUs in both, in neither, or that are not in both.
        ({0: 2, 1: 2}, {0: 4, 1: 1}, {0: 10, 1: -30}, []),
        ({0: 2, 1: 0}, {0: 4, 1: 0}, {0: 10, 1: -30}, []),
        ({0: 2}, {0: 4, 1: 0}, {0: 10, 1: -30}, []),
        ({0: 2, 1: 2}, {0: 4, 1: 0}, {0: 10}, []),
        # One node without a sentence does not keep the next one from it.
        ({0: 2, 1: 2, 2: 2, 3: 2, 4: 2}, {4: 0, 3: 0, 2: 0, 1: 9, 0: 0},
         {0: 9, 1: 50, 2: 0, 3: -20, 4: -30},
         [went(3, "b", 20, 20, 0), went(4, "b", 30, 30, 0)]),
    ],
)  # fmt: skip
def test_where_a_node_without_cpus_has_its_memory(left, right, changes, sentences):
    assert moved(left, right, changes) == sentences


@pytest.mark.parametrize(
    ("lost", "grown", "told"),
    [(MIB, MIB, True), (MIB - 1, MIB, False), (MIB, MIB - 1, False), (2 * MIB, MIB, True)],
)
def test_less_than_a_mib_that_came_back_is_not_told(lost, grown, told):
    left, right = facts("a", node_cpus={0: 2, 1: 2}), facts("b", node_cpus={0: 4, 1: 0})
    found = list(answers(left, right, {0: grown, 1: -lost, 2: -5}, (account(), account())))
    sentence = went(1, "b", lost // MIB, 1, lost // MIB - 1)
    assert found[1:] == [*([sentence] if told else []), SAME_RAM]


def test_each_capture_may_have_a_node_without_cpus():
    """The second's stands first; what one loses the other gains."""
    found = moved({0: 0, 1: 4}, {0: 4, 1: 0}, {0: 20, 1: -30})
    assert found == [went(1, "b", 30, 20, 10), went(0, "a", 20, 20, 0)]


def totals(**nodes):
    return {int(name[1:]): {"MemTotal": size} for name, size in nodes.items()}


BEFORE = (
    ": boot code took that much on another node, before MemTotal was counted. It is not part of "
    "what is used"
)


@pytest.mark.parametrize(
    ("left", "right", "moves"),
    [
        (totals(n0=50 * MIB, n1=50 * MIB), totals(n0=45 * MIB, n1=55 * MIB),
         "node 0 5 MiB less, node 1 5 MiB more"),
        (totals(n1=50 * MIB, n0=50 * MIB), totals(n0=45 * MIB - 1, n1=55 * MIB, n2=1),
         "node 0 5 MiB less, node 1 5 MiB more"),
        # More than four MiB have moved; a MiB a node may have come or gone.
        (totals(n0=50 * MIB, n1=50 * MIB), totals(n0=46 * MIB, n1=54 * MIB), None),
        (totals(n0=50 * MIB, n1=50 * MIB), totals(n0=46 * MIB, n1=54 * MIB + 1),
         "node 0 4 MiB less, node 1 4 MiB more"),
        (totals(n0=50 * MIB, n1=50 * MIB), totals(n0=46 * MIB - 1, n1=54 * MIB),
         "node 0 4 MiB less, node 1 4 MiB more"),
        (totals(n0=50 * MIB, n1=50 * MIB), totals(n0=45 * MIB, n1=57 * MIB),
         "node 0 5 MiB less, node 1 7 MiB more"),
        (totals(n0=50 * MIB, n1=50 * MIB), totals(n0=45 * MIB, n1=57 * MIB + 1), None),
        (totals(n0=50 * MIB, n1=50 * MIB), totals(n0=43 * MIB, n1=55 * MIB),
         "node 0 7 MiB less, node 1 5 MiB more"),
        (totals(n0=50 * MIB, n1=50 * MIB), totals(n0=43 * MIB - 1, n1=55 * MIB), None),
        (totals(n0=50 * MIB), totals(n1=50 * MIB), None),
        ({}, {}, None),
    ],
)  # fmt: skip
def test_memtotal_that_boot_code_took_elsewhere(left, right, moves):
    found = said(facts("a", nodes=left), facts("b", nodes=right))
    sentence = [f"MemTotal is the same in all, but not per node ({moves}){BEFORE}"] if moves else []
    assert found[1:] == [*sentence, SAME_RAM]


FOLLOWS = (
    ". Large hash tables and the like follow the RAM ({} and {} MiB as far as listed)"
)  # fmt: skip


def ram(left, right, accounts=None):
    return said(left, right, accounts=accounts)[1:]


@pytest.mark.parametrize(
    ("total", "same"), [(981, True), (979, False), (1019, True), (1021, False)]
)
def test_totals_that_differ_by_two_percent_are_of_the_same_ram(total, same):
    (sentence,) = ram(facts("a", 10), facts("b", 10, total))
    assert (sentence == SAME_RAM) is same


@pytest.mark.parametrize(
    ("left", "right", "ratio", "uses"),
    [((100, 1000), (80, 500), "0.50", "0.80"), ((80, 500), (100, 1000), "2.00", "1.25"),
     ((0, 500), (100, 1000), "2.00", "0.00")],
)  # fmt: skip
def test_what_twice_the_ram_uses(left, right, ratio, uses):
    assert ram(facts("a", *left), facts("b", *right)) == [
        f"b has {ratio} times the RAM of a and uses {uses} times as much: struct pages of RAM are "
        "outside MemTotal, and services, drivers, file systems and CPUs take theirs whatever the "
        "RAM is"
    ]


def test_a_capture_without_ram_is_held_against_nothing():
    assert ram(facts("a", 0, 0), facts("b")) == ram(facts("a"), facts("b", 0, 0)) == []
    one = MemoryFacts(name="c", meminfo={"MemTotal": 1, "MemFree": 0, "Slab": 0})
    assert ram(one, one) == [SAME_RAM]


def test_what_follows_the_ram_is_summed_from_all_of_the_tree():
    tree = account(
        item(9, "services", item(1, "RAM"), item(2, "RAM, up to 16 MiB", item(4, "RAM"))),
        item(8, "PMEM, RAM"),
        item(16, "RAM"),
        item(32),
    )
    same = facts("a"), facts("b")
    assert ram(*same, (tree, account())) == [SAME_RAM + FOLLOWS.format("23.0", "0.0")]
    assert ram(*same, (account(), tree)) == [SAME_RAM + FOLLOWS.format("0.0", "23.0")]
    (more,) = ram(facts("a"), facts("b", total=2000), (tree, tree))
    assert more.endswith("take theirs whatever the RAM is" + FOLLOWS.format("23.0", "23.0"))


def test_sentences_in_their_order():
    left = facts("a", node_cpus={0: 1, 1: 1}, cpus_online=2, nodes=totals(n0=9 * MIB, n1=9 * MIB))
    right = facts("b", 90, node_cpus={0: 1, 1: 0}, cpus_online=1, fields=(),
                  nodes=totals(n0=4 * MIB, n1=14 * MIB))  # fmt: skip
    found = said(left, right, {0: 5, 1: -15})
    starts = (
        "b uses",
        "2 CPUs",
        "if the CPUs",
        "per-CPU",
        "node 1",
        "MemTotal",
        "both have",
        "b: ",
    )
    assert len(found) == len(starts)
    assert all(text.startswith(start) for text, start in zip(found, starts, strict=True))
