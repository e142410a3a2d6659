"""A review's finding as JSON, which scripts read."""

from __future__ import annotations

import pytest

from hotkit.core.finding import Finding, Severity
from hotkit.core.ranges import Range


@pytest.mark.parametrize(
    ("severity", "word"),
    [(Severity.INFO, "info"), (Severity.WARNING, "warning"), (Severity.ERROR, "error")],
)
def test_a_finding_as_json(severity, word):
    bare = Finding(severity=severity, code="c", sentence="It is.")
    assert bare.to_dict() == {
        "severity": word, "code": "c", "sentence": "It is.", "token": None, "range": None,
    }  # fmt: skip
    full = Finding(severity=severity, code="c", sentence="Is.", token="t", range=Range(4, 9))
    assert full.to_dict() == {
        "severity": word, "code": "c", "sentence": "Is.", "token": "t", "range": [4, 9],
    }  # fmt: skip
