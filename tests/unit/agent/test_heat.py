"""Heat per page: counting at C speed, and how counts become bytes."""

import base64
import json
import zlib
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.agent.heat import Heat, HeatRange, scaled


@pytest.mark.parametrize("rounds", [1, 254, 255, 256, 600])
def test_heat_counts_beyond_a_byte(rounds):
    heat = Heat(3)
    for number in range(rounds):
        heat.add(bytes([1, 0, number % 2]))
    found = heat.as_range(4096, 4096)
    # Beyond 255 rounds the counts are scaled: 255 is every round, 0 is none.
    scale = min(1, 255 / rounds)
    assert list(found.heat) == [
        min(rounds, 255), 0, pytest.approx(rounds // 2 * scale, abs=1)
    ]  # fmt: skip
    assert found.possible == min(rounds, 255)


@given(
    pages=st.integers(1, 40),
    rounds=st.integers(0, 254) | st.sampled_from([255, 256, 510, 511, 700]),
    seed=st.randoms(use_true_random=False),
)
def test_heat_is_the_sum_of_its_rounds(pages, rounds, seed):
    """Also of the last page, whose byte the others' carry would reach first."""
    heat = Heat(pages)
    sums = [0] * pages
    for _ in range(rounds):
        flags = bytes(seed.randint(0, 1) for _ in range(pages - 1)) + b"\1"
        heat.add(flags)
        sums = [total + flag for total, flag in zip(sums, flags, strict=True)]
    found = heat.as_range(8192, 4096)
    assert (found.start, found.page_bytes) == (8192, 4096)
    assert found.heat == scaled(sums, rounds)
    assert len(found.heat) == pages


def test_heat_can_be_asked_while_it_counts():
    heat = Heat(2)
    for number in range(1, 601):
        heat.add(b"\1\0")
        if number % 100 == 0:
            assert heat.as_range(0, 4096).heat == bytes([min(number, 255), 0])


counts_and_most = st.integers(1, 1 << 20).flatmap(
    lambda most: st.tuples(st.lists(st.integers(0, most)), st.just(most))
)


@given(counts_and_most)
def test_scaled(case):
    counts, most = case
    found = scaled(counts, most)
    assert len(found) == len(counts)
    for count, byte in zip(counts, found, strict=True):
        assert (byte == 0) == (count == 0)
        # Never less than its share, never a whole step more.
        assert count * min(most, 255) <= byte * most < count * min(most, 255) + most
    in_order = [byte for _, byte in sorted(zip(counts, found, strict=True))]
    assert in_order == sorted(in_order)
    assert scaled([most], most) == bytes([min(most, 255)])


@given(counts_and_most)
@pytest.mark.parametrize("code", ["H", "L", "Q"])
def test_scaled_takes_an_array_s_numbers_not_its_bytes(code, case):
    counts, most = case
    if code == "H":
        counts, most = [count & 0xFFFF for count in counts], min(most, 0xFFFF)
    assert scaled(array(code, counts), most) == scaled(counts, most)


@given(st.lists(st.integers(0, 1 << 40)), st.integers(1, 1 << 20))
def test_scaled_of_more_than_possible_is_all_that_is_possible(counts, most):
    """Where the number of rounds is only known about: DAMON checks by a clock of its own."""
    assert scaled(counts, most) == scaled([min(count, most) for count in counts], most)


def test_scaled_of_nothing():
    assert scaled([], 0) == scaled([], 1000) == b""
    assert scaled([0, 0], 0) == b"\0\0"


@given(st.binary(max_size=5000), st.integers(0, 255))
def test_a_range_packs_all_of_its_heat(heat, possible):
    packed = json.loads(json.dumps(HeatRange(1 << 47, 4096, heat, possible).as_json()))
    assert zlib.decompress(base64.b64decode(packed.pop("heat_zlib_base64"))) == heat
    assert packed == {
        "start": 1 << 47, "page_bytes": 4096, "pages": len(heat), "possible": possible
    }  # fmt: skip
