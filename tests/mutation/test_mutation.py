"""The short form of the campaign "mutation": the driver, and one small module, all of it."""

from __future__ import annotations

import pytest

from tests.mutation.explained import EXPLAINED
from tests.mutation.modules import MODULES
from tests.mutation.session import ROOT, mutate, why


def test_every_mutant_of_the_kernels_number_reader_is_noticed():
    found = mutate("memparse")
    assert found["ok"], found
    assert found["killed"] > 50 and found["killed"] + found["too_slow"] > 0.9 * found["mutants"]


def test_modules_and_their_tests_are_there():
    for module, tests in MODULES.items():
        assert (ROOT / "hotkit/core" / f"{module}.py").exists()
        assert all((ROOT / test).exists() for test in tests)
    assert set(EXPLAINED) <= set(MODULES)


@pytest.mark.parametrize(
    ("removed", "added", "said"),
    [
        ('raise ValueError("is empty")', 'raise ValueError("XXis emptyXX")', "words"),
        ('raise ValueError("is Empty")', 'raise ValueError("is empty")', "words"),
        ("a = f'x'", "a = f'XXxXX'", "words"),
        ("a < b", "a <= b", None),
        ('kind == "ram"', 'kind == "RAM"', None),  # a word that is compared is no sentence
        ('kind == "ram"', 'kind != "ram"', None),
        ("x = 1", "x = 1", None),
    ],
)
def test_only_words_are_explained_by_themselves(removed, added, said):
    assert why("memparse", removed, added) == said
