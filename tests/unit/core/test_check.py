"""One check: its verdict, what counts as failed, and its JSON form."""

import pytest

from hotkit.core.check import Check, Verdict, failed, judged, unknown

WORDS = ("cpus", "0-3", "0-2", "CPU 3 did not come online.")


def checks():
    """One that passed, one that failed, one that could not be made."""
    name, expected, found, sentence = WORDS
    return (
        judged(name, expected, found, True, sentence),
        judged(name, expected, found, False, sentence),
        unknown(name, expected, found, sentence),
    )


def test_what_a_check_holds():
    assert [check.verdict for check in checks()] == [Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN]
    for check in checks():
        assert (check.name, check.expected, check.found, check.sentence) == WORDS


def test_what_did_not_pass_has_failed_also_when_nobody_knows():
    passed, wrong, mute = checks()
    assert failed(iter([wrong, passed, mute])) == (wrong, mute)
    assert failed([passed]) == ()


@pytest.mark.parametrize(("number", "verdict"), [(0, "pass"), (1, "fail"), (2, "unknown")])
def test_a_check_in_json(number, verdict):
    check = checks()[number]
    document = {
        "name": "cpus", "expected": "0-3", "found": "0-2", "verdict": verdict,
        "sentence": "CPU 3 did not come online.",
    }  # fmt: skip
    assert check.to_dict() == document
    assert type(check.to_dict()["verdict"]) is str
    assert Check.from_dict(document) == check
