"""A patched kernel is known by its build id and its switches, not by its name alone."""

from hotkit.core.check import Verdict
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
