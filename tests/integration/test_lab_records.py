"""Records that the real damo and perf made of a real DAMON in the lab (tools/lab_records.py).

What was written to is known, so what is read out of each form is held against that, and against
damo's own answer for the same file.
"""

import json

import numpy as np
import pytest
from test_damo_peer import DATA, working_sets

from hotkit.cli import main
from hotkit.core.regions import Intervals, accessed_bytes
from hotkit.host.foreignrecord import read_foreign

FORMS = {
    "json_compressed": "damo record, json_compressed",
    "perf_script": "text of DAMON's tracepoints",
    "perf_data": "perf.data of DAMON's tracepoints",
}


@pytest.fixture(params=FORMS)
def kind(request):
    return request.param


def the_target(kind):
    found = read_foreign(DATA / f"lab.{kind}")
    assert found.form == FORMS[kind]
    assert found.tracker == "damon" and found.skipped == 0
    return found.targets[found.main]


def test_what_was_written_to_is_what_was_accessed(kind):
    truth = json.loads((DATA / f"lab-truth-{kind}.json").read_text())
    one = the_target(kind)
    assert one.intervals == Intervals(sample_us=20_000, aggr_us=200_000, update_us=2_000_000)
    hot = truth["hot_start"], truth["hot_start"] + truth["hot_bytes"]
    below, above = np.maximum(one.start, hot[0]), np.minimum(one.end, hot[1])
    inside = np.where(above > below, above - np.minimum(below, above), 0)
    # Of all accesses that were found, by bytes: a region at the edge of the hot part holds some of
    # what lies beside it. Read at wrong addresses it would be 0.1 or so, the hot part's share.
    found = (one.accesses * one.sizes).sum()
    assert (one.accesses * inside).sum() >= 0.7 * found
    accessed = np.where(one.accesses > 0, inside, 0)
    recalls = [
        accessed[one.snapshot_of == n].sum() / truth["hot_bytes"] for n in range(one.snapshots)
    ]
    assert np.median(recalls) >= 0.9


def test_damo_says_the_same_of_the_same_file(kind):
    theirs = working_sets(DATA / f"lab.{kind}")
    assert len(theirs) >= 5
    assert accessed_bytes(the_target(kind)).tolist() == theirs


def test_it_is_imported_and_told(kind, tmp_path, capsys):
    assert main(["record", "import", str(DATA / f"lab.{kind}"), "--out", str(tmp_path / "r")]) == 0
    capsys.readouterr()
    assert main(["record", "report", str(tmp_path / "r"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["steps"] >= 5
