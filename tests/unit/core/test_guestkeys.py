"""One mapping of an inventory, key by key: what each kind of value may be."""

import pytest

from hotkit.core.guestkeys import GuestError, Keys
from hotkit.core.units import MIB


def keys(**data):
    return Keys((3, "nodes"), data, ("a", "b"))


def refused(method, *args):
    with pytest.raises(GuestError) as caught:
        method(*args)
    assert caught.value.path == (3, "nodes", "a")
    return caught.value.problem


def test_a_key_without_a_value_says_nothing():
    for given in (keys(), keys(a=None)):
        assert not given.has("a")
        assert given.below("a", ("x",)).data == {}
        assert given.size("a", 7) == 7
        assert given.whole("a", 5, 9) == 5 and given.whole("a", None, 9) is None
        assert given.yes_or_no("a") is None
        assert given.text("a", "x") == "x" and given.text("a", None) is None
        assert given.one_of("a", ("x", "y")) == "x"
        assert refused(given.size, "a") == "is missing: how much, like 1G"
        assert refused(given.path, "a") == "'' is no path on the host: /..., without quotes"


def test_a_mapping_below_has_the_whole_way_to_it():
    below = keys(a={"x": 1}).below("a", ("x",))
    assert (below.at, below.data) == ((3, "nodes", "a"), {"x": 1})
    with pytest.raises(GuestError) as caught:
        keys(a={"y": 1}).below("a", ("x", "z"))
    assert str(caught.value) == "hotkit_guests.3.nodes.a.y: unknown key; known here: x, z"


@pytest.mark.parametrize("data", [7, None, ["a"], "a"])
def test_what_is_no_mapping(data):
    with pytest.raises(GuestError) as caught:
        Keys((3, "ssh"), data, ("a",))
    assert (caught.value.path, caught.value.problem) == ((3, "ssh"), f"{data!r} is not a mapping")


def test_a_key_that_is_a_number_is_named_as_text():
    with pytest.raises(GuestError) as caught:
        Keys((), {7: 1}, ("a", "b"))
    assert (caught.value.path, caught.value.problem) == (("7",), "unknown key; known here: a, b")


def test_a_whole_number_may_be_both_ends():
    assert [keys(a=number).whole("a", 0, 3, 5) for number in (3, 4, 5)] == [3, 4, 5]
    for number in (2, 6):
        said = f"{number} is not a whole number, 3 to 5"
        assert refused(keys(a=number).whole, "a", 0, 3, 5) == said
    # Nothing is no limit, 0 is one.
    assert keys(a=10**9).whole("a", 0, 3) == 10**9
    assert refused(keys(a=2).whole, "a", 0, 3) == "2 is not a whole number, 3 or more"
    assert refused(keys(a=1).whole, "a", 0, 0, 0) == "1 is not a whole number, 0 to 0"


@pytest.mark.parametrize(
    ("value", "size"), [("2M", 2 * MIB), ("4m", 4 * MIB), ("0.5G", 512 * MIB), ("2048K", 2 * MIB)]
)
def test_a_size_in_steps_of_2m(value, size):
    assert keys(a=value).size("a") == size


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (2**30, "1073741824 has no unit: write it like 384M or 16G"),
        (" 4 ", "' 4 ' has no unit: write it like 384M or 16G"),
        ("0G", "0 is no memory"),
        ("1M", "1M is not a multiple of 2M"),
        ("3M", "3M is not a multiple of 2M"),
        ("4MB", "'4MB': unknown unit 'MB'; use K, M, G, T (powers of 1024)"),
    ],
)
def test_a_size_that_is_none(value, said):
    assert refused(keys(a=value).size, "a") == said


def test_other_values_are_taken_as_they_stand():
    assert keys(a=True).yes_or_no("a") is True and keys(a=False).yes_or_no("a") is False
    assert keys(a=" b ").text("a", "x") == " b " and keys(a="").text("a", "x") == ""
    assert keys(a="/b c").path("a") == "/b c"
    assert keys(a="y").one_of("a", ("x", "y")) == "y"


@pytest.mark.parametrize(
    ("method", "value", "said"),
    [
        ("yes_or_no", "yes", "'yes' is neither true nor false"),
        ("yes_or_no", 0, "0 is neither true nor false"),
        ("text", 7, "7 is not text"),
        ("path", 7, "7 is not text"),
        ("path", "b", "'b' is no path on the host: /..., without quotes"),
        ("path", '/b"', "'/b\"' is no path on the host: /..., without quotes"),
        ("path", "/b\nc", r"'/b\nc' is no path on the host: /..., without quotes"),
        ("one_of", "z", "'z' is none of x, y"),
        ("one_of", ["x"], "['x'] is not text"),
    ],
)
def test_other_values_that_are_refused(method, value, said):
    more = {"text": ("x",), "one_of": (("x", "y"),)}.get(method, ())
    assert refused(getattr(keys(a=value), method), "a", *more) == said
