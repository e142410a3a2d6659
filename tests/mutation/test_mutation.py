"""The short form of the campaign "mutation": the driver, and one small module, all of it."""

from __future__ import annotations

import pytest

from tests.mutation.modules import known, names
from tests.mutation.session import ROOT, mutate, why


def test_every_mutant_of_the_kernels_number_reader_is_noticed():
    found = mutate("memparse")
    assert found["ok"], found
    assert found["killed"] > 50 and found["killed"] + found["too_slow"] > 0.9 * found["mutants"]


def test_modules_and_their_tests_are_there():
    for module in names():
        assert (ROOT / "hotkit/core" / f"{module}.py").exists()
        assert known(module).tests and all((ROOT / test).exists() for test in known(module).tests)


@pytest.mark.parametrize(
    ("removed", "added", "said"),
    [
        ('raise ValueError("is empty")', 'raise ValueError("XXis emptyXX")', "words"),
        ('raise ValueError("is Empty")', 'raise ValueError("is empty")', "words"),
        ("a = f'x y'", "a = f'XXx yXX'", "words"),
        ('said = "a", "b c"', 'said = "a", "B C"', "words"),
        ("a = f'x'", "a = f'XXxXX'", None),  # a word that is compared is no sentence
        ('row["kept"] = "it is kept"', 'row["XXkeptXX"] = "it is kept"', None),
        ('", ".join(words)', '"XX, XX".join(words)', None),
        ("a < b", "a <= b", None),
        ('kind == "ram"', 'kind == "RAM"', None),
        ('kind == "ram"', 'kind != "ram"', None),
        ("x = 1", "x = 1", None),
        ('judged("a", ok, False)', 'judged("a", ok, None)', "no pass"),
        ('shown("a", ok, False)', 'shown("a", ok, None)', None),
        ("zip(a, b, strict=True)", "zip(a, b, strict=None)", "strict"),
        ("zip(a, b, strict=True)", "zip(a, b, )", "strict"),
        ("zip(a, b, strict=True)", "zip(a, None, strict=True)", None),
        ("zip(a, b, strict=True)", "zip(a, b, strict=True)", None),
    ],
)
def test_what_is_explained_by_itself(removed, added, said):
    found = why("memparse", removed, added)
    assert (said in found) if said and found else found is said
