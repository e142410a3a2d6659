"""A layout as it is written down, key by key, and the name that it gives itself on a machine."""

import hashlib

import pytest

from hotkit.core.layout import Layout, NodePlan, SlowPmem
from hotkit.core.ranges import Range, RangeSet

SLOW = SlowPmem(node=2, range=Range(800, 900), wanted_bytes=64)
# Half of node 0 and nothing of node 1 is kept.
LAYOUT = Layout(
    profile="4C16G", topology="lab", style="$", size_means="present",
    args=("maxcpus=2", "memmap=50$50,100$200", "nokaslr"),
    nodes=(
        NodePlan(node=0, role="fast", wanted_bytes=55, present_bytes=100,
                 reserved=(Range(50, 60), Range(65, 100)),
                 predicted=RangeSet((Range(0, 50), Range(60, 65)))),
        NodePlan(node=1, role="off", wanted_bytes=None, present_bytes=100,
                 reserved=(Range(200, 300),), predicted=RangeSet()),
    ),
    cpus=(0, 1), pmem=((2, Range(800, 900)), (3, Range(900, 990))), slow_pmem=SLOW, tiers=(0, 2),
    distance=17,
)  # fmt: skip
RECORD = {
    "schema_version": 1,
    "profile": "4C16G",
    "topology": "lab",
    "style": "$",
    "size_means": "present",
    "args": ["maxcpus=2", "memmap=50$50,100$200", "nokaslr"],
    "cmdline": "maxcpus=2 memmap=50$50,100$200 nokaslr",
    "cpus": [0, 1],
    "nodes": [
        {"node": 0, "role": "fast", "wanted_bytes": 55, "present_bytes": 100, "kept_bytes": 55,
         "reserved": [[50, 60], [65, 100]], "predicted": [[0, 50], [60, 65]]},
        {"node": 1, "role": "off", "wanted_bytes": None, "present_bytes": 100, "kept_bytes": 0,
         "reserved": [[200, 300]], "predicted": []},
    ],
    "pmem": [{"node": 2, "range": [800, 900]}, {"node": 3, "range": [900, 990]}],
    "slow_pmem": {"node": 2, "range": [800, 900], "wanted_bytes": 64, "emulated": False},
    "tiers": [0, 2],
    "distance": 17,
}  # fmt: skip


def layout(**more):
    fields = {name: getattr(LAYOUT, name) for name in Layout.__dataclass_fields__}
    return Layout(**fields | more)


def hashed(*asked):
    return hashlib.sha256(b"\0".join(asked)).hexdigest()[:12]


def test_a_layout_is_named_by_what_it_asks_the_kernel_for():
    """Machines that run a layout carry this name: it must not change with a version of ours."""
    args = (b"maxcpus=2", b"memmap=50$50,100$200", b"nokaslr")
    slow = b'{"emulated": false, "node": 2, "range": [800, 900], "wanted_bytes": 64}'
    assert LAYOUT.id == hashed(*args, slow)
    plain = layout(slow_pmem=None, profile="other", topology="other", distance=0, nodes=())
    assert plain.id == hashed(*args)
    assert (plain.token, plain.cmdline) == (
        f"hotkit.id={hashed(*args)}", "maxcpus=2 memmap=50$50,100$200 nokaslr",
    )  # fmt: skip


def test_pmem_that_may_be_ram():
    assert LAYOUT.pmem_as_ram == RangeSet((Range(800, 900),))
    assert layout(slow_pmem=None).pmem_as_ram == RangeSet()


def test_a_layout_in_json_and_back():
    document = RECORD | {"id": LAYOUT.id}
    assert LAYOUT.to_dict() == document
    assert Layout.from_dict(document) == LAYOUT
    plain = layout(slow_pmem=None, pmem=())
    assert plain.to_dict() == RECORD | {"id": plain.id, "slow_pmem": None, "pmem": []}
    assert Layout.from_dict(plain.to_dict()) == plain


def test_slow_pmem_in_json_and_back():
    stands_in = SlowPmem(node=1, range=Range(4, 9), wanted_bytes=None, emulated=True)
    document = {"node": 1, "range": [4, 9], "wanted_bytes": None, "emulated": True}
    assert stands_in.to_dict() == document
    assert SlowPmem.from_dict(document) == stands_in
    del document["emulated"]
    assert SlowPmem.from_dict(document).emulated is False


def test_a_record_of_before_there_were_tiers():
    old = {key: RECORD[key] for key in RECORD if key not in ("slow_pmem", "tiers", "distance")}
    assert Layout.from_dict(old) == layout(slow_pmem=None, tiers=(), distance=0)


def test_a_record_of_another_form():
    with pytest.raises(ValueError, match="^layout schema_version 2 is not known here$"):
        Layout.from_dict(RECORD | {"schema_version": 2})
