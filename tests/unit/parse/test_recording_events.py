"""Events of a recorded run, also damaged ones; what the agent sends is what is read."""

from __future__ import annotations

import base64
import zlib

import numpy as np
import pytest

from hotkit.agent.recording import PAGE_BYTES, BinRecorder
from hotkit.core.record import Phase
from hotkit.parse.recording import RecordingBuilder

BASE = 0x7F00_0000_0000
RUN = {"type": "run", "run": "r", "truth": {"pid": 1, "hot_start": BASE, "hot_bytes": PAGE_BYTES}}


def parts(*rounds, pages=5, bins=2):
    """What a recorder sends for these rounds: flags from the second page on, 100 ms apart."""
    sent = []

    def emit(kind, **fields):
        sent.append({"type": kind, "seq": len(sent), **fields})

    rec = BinRecorder(emit, "r", [[BASE, BASE + pages * PAGE_BYTES]], bins, 100, since_ns=7)
    for number, flags in enumerate(rounds, start=1):
        rec.pages(BASE + 3 * PAGE_BYTES, PAGE_BYTES, flags)
        rec.round_ended(7 + number * 100_000_000)
    return sent


def built(*events):
    builder = RecordingBuilder()
    for event in events:
        builder.add(event)
    return builder.recording()


def test_what_the_agent_sends_is_what_is_read():
    found = built(RUN, *parts(b"\1\0", b"\1\1"))
    middle = BASE + 3 * PAGE_BYTES
    assert found.bins == ((BASE, middle), (middle, BASE + 5 * PAGE_BYTES))
    assert list(found.since_ns) == [7, 100_000_007] and list(found.at_ns)[-1] == 200_000_007
    assert np.isnan(found.share[0]).all()
    assert found.share[1] == pytest.approx([128 / 255, 1])
    assert found.phases == (Phase(since_ns=0, hot_start=BASE, hot_bytes=PAGE_BYTES),)


def test_a_run_without_heat_is_no_recording():
    assert built(RUN, {"type": "sample", "run": "r", "examined": 0, "hot": []}) is None


def test_when_the_hot_range_moves_only_the_end_tells_where_it_was():
    moved = [
        {"at_ns": 9, "hot_start": BASE, "hot_bytes": 4096},
        {"at_ns": 99, "hot_start": BASE + 4096, "hot_bytes": 8192},
    ]
    run = {**RUN, "truth": {**RUN["truth"], "phases": 2}}
    assert built(run, *parts(b"\1")).phases == ()
    found = built(run, *parts(b"\1"), {"type": "end", "run": "r", "phases": moved})
    assert [(phase.since_ns, phase.hot_bytes) for phase in found.phases] == [(9, 4096), (99, 8192)]


def test_a_workload_without_ground_truth():
    assert built({"type": "run", "run": "r", "truth": {"pid": 1}}, *parts(b"\1")).phases == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"share_zlib_base64": "AAAA"}, "event 0: not a part of a recording"),
        ({"share_zlib_base64": None}, "event 0: not a part of a recording"),
        ({"bin_bytes": 0}, "event 0: not a part of a recording"),
        ({"bin_bytes": PAGE_BYTES}, "event 0: 2 shares for 5 bins of memory"),
        # Found by fuzzing: other kinds of values, and sizes that would have taken all memory.
        ({"bin_bytes": float("inf")}, "event 0: not a part of a recording"),
        ({"bin_bytes": -PAGE_BYTES}, "event 0: 2 shares for -5 bins of memory"),
        ({"bin_bytes": 1}, "event 0: 2 shares for 20480 bins of memory"),
        ({"ranges": [[0, 1 << 60]], "bin_bytes": 1}, "event 0: 2 shares for 1152921504606846976"),
        ({"ranges": [[9, 1]]}, "event 0: 2 shares for 0 bins of memory"),
        (
            {"ranges": [], "share_zlib_base64": " ", "looked_zlib_base64": " "},
            "event 0: a part without memory",
        ),
        ({"at_ns": 1 << 64}, "event 0: not a part of a recording"),
    ],
)
def test_a_damaged_part_names_its_event(change, words):
    with pytest.raises(ValueError, match=words):
        built({**parts(b"\1")[0], **change})


@pytest.mark.parametrize("truth", [3, {"hot_start": 1}, {"hot_start": {}, "hot_bytes": 1}])
def test_damaged_ground_truth_names_its_event(truth):
    with pytest.raises(ValueError, match="event 9: not a part of a recording"):
        built({"type": "run", "seq": 9, "truth": truth})
    with pytest.raises(ValueError, match="event 9: not a part of a recording"):
        built({"type": "end", "seq": 9, "phases": [truth]})


def test_a_column_is_never_unpacked_without_bound():
    bomb = base64.b64encode(zlib.compress(bytes(1 << 26))).decode()
    with pytest.raises(ValueError, match=f"event 0: {1 << 24} shares for 2 bins"):
        built({**parts(b"\1")[0], "share_zlib_base64": bomb})


def test_parts_of_two_recordings_do_not_mix():
    with pytest.raises(ValueError, match="a part of another recording"):
        built(*parts(b"\1"), *parts(b"\1", pages=9))


def test_a_missing_field_is_named():
    part = parts(b"\1")[0]
    del part["at_ns"]
    with pytest.raises(ValueError, match="at_ns"):
        built(part)
