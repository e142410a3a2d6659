"""A patched kernel is known by its build id and its switches, not by its name alone."""

import pytest

from hotkit.core.check import Check, Verdict
from hotkit.core.kernel_checks import SWITCHES, build_checks, check_kernel
from hotkit.core.labels import Platform, label_of
from hotkit.core.observed import Observed

BUILD = {"release": "6.1.192-hotkit-lab-0123456789ab", "build_id": "ab" * 20}
ALL = dict.fromkeys(SWITCHES, "0")


def observed(**changes):
    known = {"build_id": BUILD["build_id"], "switches": ALL} | changes
    return Observed(
        host="m1", cmdline="", kernel_release=BUILD["release"], topology=None, system_ram=None,
        label=label_of(str(Platform.EMULATED), nested=False, evidence=""), **known,
    )  # fmt: skip


def verdicts(**changes):
    return [str(check.verdict) for check in build_checks(BUILD, observed(**changes))]


def test_the_release():
    assert check_kernel(BUILD["release"], observed()).verdict is Verdict.PASS
    assert check_kernel("6.1.0-18-amd64", observed()).verdict is Verdict.FAIL


def test_the_very_build_with_its_switches():
    assert verdicts() == ["pass", "pass"]
    assert verdicts(switches=ALL | {"damon_mode": "1"}) == ["pass", "pass"]


def test_another_build_of_that_name():
    assert verdicts(build_id="cd" * 20) == ["fail", "pass"]


def test_no_build_id_and_no_switches():
    assert verdicts(build_id=None, switches=None) == ["unknown", "fail"]


def test_a_switch_is_missing():
    some = {name: "0" for name in SWITCHES if name != "page_idle_mode"}
    *_, check = build_checks(BUILD, observed(switches=some))
    assert check.verdict is Verdict.FAIL and "page_idle_mode" in check.sentence


PASS = {"verdict": Verdict.PASS}
FAIL = {"verdict": Verdict.FAIL}


def test_the_release_in_full():
    there = {"name": "kernel", "expected": BUILD["release"], "found": BUILD["release"]}
    assert check_kernel(BUILD["release"], observed()) == Check(
        **there, **PASS, sentence="The kernel asked for runs."
    )
    assert check_kernel("6.1.0", observed()) == Check(
        **(there | {"expected": "6.1.0"}), **FAIL, sentence="Another kernel runs."
    )


@pytest.mark.parametrize(
    ("build_id", "shown", "verdict", "sentence"),
    [
        ("ab" * 20, "ab" * 20, Verdict.PASS, "The very build runs."),
        ("cd", "cd", Verdict.FAIL, "A kernel of that name from another build."),
        (None, "?", Verdict.UNKNOWN, "The kernel does not show its build id."),
    ],
)
def test_the_build_in_full(build_id, shown, verdict, sentence):
    first, _ = build_checks(BUILD, observed(build_id=build_id))
    assert first == Check(
        name="kernel-build", expected="ab" * 20, found=shown, verdict=verdict, sentence=sentence
    )


@pytest.mark.parametrize(
    ("switches", "shown", "verdict", "sentence"),
    [
        (
            {"folio_referenced_mode": "2", "damon_mode": "1", "page_idle_mode": "0"},
            "damon_mode 1, page_idle_mode 0, folio_referenced_mode 2",
            Verdict.PASS,
            "All switches are there.",
        ),
        (
            {"page_idle_mode": "3"},
            "page_idle_mode 3",
            Verdict.FAIL,
            "Not in debugfs hotkit/: damon_mode, folio_referenced_mode.",
        ),
        (
            None,
            "none",
            Verdict.FAIL,
            "Not in debugfs hotkit/: damon_mode, page_idle_mode, folio_referenced_mode.",
        ),
    ],
)
def test_the_switches_in_full(switches, shown, verdict, sentence):
    _, second = build_checks(BUILD, observed(switches=switches))
    assert second == Check(
        name="kernel-switches",
        expected="damon_mode, page_idle_mode, folio_referenced_mode",
        found=shown,
        verdict=verdict,
        sentence=sentence,
    )
