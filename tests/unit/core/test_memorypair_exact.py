"""A forecast beside what came, to the last figure: the record of a pair, and errors over pairs."""

import pytest

from hotkit.core.memorypair import MemoryPair, ModelError, model_error, pair_of
from hotkit.core.units import MIB

WHERE = {
    "host": "m1", "boot_id": "b", "layout_id": "l", "profile": "p", "kernel_release": "6.1",
    "cmdline": "maxcpus=2", "platform": "emulated", "nested": True, "uptime_s": 60.0,
}  # fmt: skip
RECORD = {
    "schema_version": 1,
    **WHERE,
    "fit": "fits",
    "memtotal_bytes": {"2": [110, 100], "0": [45, 50]},
    "used_bytes": [20, 25],
    "cache_bytes": [7, 3],
    "memtotal_error": 0.1,
    "used_error_bytes": -5,
    "within": False,
}


def pair(**changes):
    fields = {
        **WHERE, "fit": "fits", "memtotal": {2: (110, 100), 0: (45, 50)}, "used": (20, 25),
        "cache": (7, 3),
    }  # fmt: skip
    return MemoryPair(**fields | changes)


def test_a_pair_and_its_record():
    assert pair().to_dict() == RECORD
    assert MemoryPair.from_dict(RECORD) == pair()
    older = {key: value for key, value in RECORD.items() if key != "cache_bytes"}
    assert MemoryPair.from_dict(older) == pair(cache=(0, 0))


def test_a_record_of_another_version_is_refused():
    with pytest.raises(ValueError, match="^memory pair schema_version 2 is not known$"):
        MemoryPair.from_dict(RECORD | {"schema_version": 2})
    with pytest.raises(KeyError):
        MemoryPair.from_dict({})


def said(**changes):
    forecast = {
        "fit": "tight", "used_bytes": {"least": 1, "likely": 5, "most": 9}, "cache_bytes": 4,
        "nodes": [{"node": 1, "memtotal_bytes": 20}, {"node": 0, "memtotal_bytes": 10}],
    }  # fmt: skip
    return forecast | changes


FOUND = {"memtotal": {0: 11, 1: 22, 2: 99}, "memfree": {0: 4, 1: 19, 2: 50}}


@pytest.mark.parametrize(
    ("changes", "given", "cache"),
    [
        ({}, {"cache_bytes": 3}, (4, 3)),
        ({}, {}, (4, 0)),
        ({"cache_bytes": None}, {"cache_bytes": 3}, (0, 3)),
        ({"cache_bytes": 0}, {"cache_bytes": 3}, (0, 3)),
    ],
)
def test_the_pair_of_a_forecast(changes, given, cache):
    """A node that the forecast does not have is not counted: it is of PMEM."""
    assert pair_of(said(**changes), **FOUND, facts=WHERE, **given) == pair(
        fit="tight", memtotal={1: (20, 22), 0: (10, 11)}, used=(5, 10), cache=cache
    )


def test_a_forecast_of_an_older_version_has_no_cache():
    forecast = said()
    del forecast["cache_bytes"]
    assert pair_of(forecast, **FOUND, facts=WHERE).cache == (0, 0)


@pytest.mark.parametrize("missing", ["memtotal", "memfree"])
def test_a_node_that_is_not_there_makes_no_pair(missing):
    for node in (0, 1):
        fields = {name: dict(of) for name, of in FOUND.items()}
        del fields[missing][node]
        assert pair_of(said(), **fields, facts=WHERE) is None


def test_errors_are_over_fresh_boots_and_without_their_sign():
    of = [
        pair(memtotal={0: (1000 + off, 1000)}, used=(100 * MIB + use, 100 * MIB))
        for off, use in ((1, -6), (-2, 4), (-4, 7), (3, -200 * MIB))
    ]
    old = pair(uptime_s=1e6, memtotal={0: (9, 1)}, used=(0, 10**12))
    assert model_error(iter([old, *of])) == ModelError(
        pairs=4, within=3, memtotal_median=0.0025, memtotal_most=0.004, used_median_bytes=6,
        used_most_bytes=200 * MIB,
    )  # fmt: skip
    # The median of 6 and 7 is no whole number of bytes.
    assert model_error([of[0], of[2]]).used_median_bytes == 6
    assert model_error([old]) is model_error([]) is None
