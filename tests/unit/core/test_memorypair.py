"""Forecast beside what came, and the file in which the pairs are kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hotkit.core.memorypair import MemoryPair, model_error, pair_of
from hotkit.core.units import MIB
from hotkit.errors import HotkitError
from hotkit.host.memorypairs import keep_pairs, kept_pairs, pairs_file


def pair(**changes: Any) -> MemoryPair:
    fields: dict[str, Any] = {
        "host": "m1", "boot_id": "b", "layout_id": "l", "profile": "p", "kernel_release": "6.1",
        "cmdline": "maxcpus=2", "platform": "emulated", "nested": False, "uptime_s": 60.0,
        "fit": "fits", "memtotal": {0: (1000 * MIB, 1000 * MIB)}, "used": (200 * MIB, 210 * MIB),
    }  # fmt: skip
    return MemoryPair(**fields | changes)


def test_within_the_stated_doubt() -> None:
    assert pair().within
    assert not pair(memtotal={0: (1000 * MIB, 1000 * MIB), 1: (98 * MIB, 100 * MIB)}).within
    assert pair(used=(200 * MIB, 263 * MIB)).within
    assert not pair(used=(200 * MIB, 265 * MIB)).within
    assert pair(used=(8000 * MIB, 7300 * MIB)).within  # a tenth
    # What is used a day after the boot is not held against the forecast.
    assert pair(used=(200 * MIB, 9000 * MIB), uptime_s=86400.0).within


def test_page_cache_that_the_reference_had_read_is_not_held_against_the_forecast() -> None:
    """CI, 26 November 2026: 184.5 MB foretold from a machine whose every file had been read."""
    much = pair(used=(176 * MIB, 105 * MIB), cache=(120 * MIB, 45 * MIB))
    assert much.within and "with 75 MiB more of page cache" in much.sentence
    assert MemoryPair.from_dict(json.loads(json.dumps(much.to_dict()))) == much
    assert not pair(used=(176 * MIB, 105 * MIB), cache=(120 * MIB, 115 * MIB)).within
    # It excuses nothing in the other direction.
    assert not pair(used=(105 * MIB, 176 * MIB), cache=(120 * MIB, 45 * MIB)).within


def test_a_pair_that_an_older_version_kept_is_read() -> None:
    known = {key: value for key, value in pair().to_dict().items() if key != "cache_bytes"}
    assert MemoryPair.from_dict(known) == pair()


def test_the_worst_node_counts() -> None:
    found = pair(memtotal={0: (101, 100), 1: (97, 100)})
    assert found.memtotal_error == pytest.approx(-0.03)
    assert "-3.00%" in found.sentence and "used 210 MiB, forecast 200 MiB" in found.sentence


def test_errors_over_fresh_pairs() -> None:
    pairs = [pair(), pair(used=(300 * MIB, 200 * MIB)), pair(uptime_s=1e6, used=(0, 9000 * MIB))]
    found = model_error(pairs)
    assert found is not None
    assert (found.pairs, found.within) == (2, 1)
    assert found.used_most_bytes == 100 * MIB and found.memtotal_most == 0
    assert model_error(pairs[2:]) is None


def test_a_node_that_did_not_come_up_is_no_pair() -> None:
    said = {
        "fit": "fits",
        "nodes": [{"node": 0, "memtotal_bytes": 10}, {"node": 1, "memtotal_bytes": 20}],
        "used_bytes": {"likely": 5},
    }
    facts = {key: value for key, value in pair().to_dict().items()
             if key in ("host", "boot_id", "layout_id", "profile", "kernel_release", "cmdline",
                        "platform", "nested", "uptime_s")}  # fmt: skip
    assert pair_of(said, memtotal={0: 11}, memfree={0: 4}, facts=facts) is None
    found = pair_of(said, memtotal={0: 11, 1: 20}, memfree={0: 4, 1: 19}, facts=facts)
    assert found is not None and found.used == (5, 8) and found.memtotal[0] == (10, 11)


def test_a_boot_is_kept_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert kept_pairs() == []
    keep_pairs([pair()])
    keep_pairs([pair(used=(1, 2)), pair(boot_id="c")])
    assert kept_pairs() == [pair(), pair(boot_id="c")]


def test_a_file_that_is_not_ours_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    keep_pairs([pair()])
    with pairs_file().open("a") as file:
        file.write(json.dumps({"schema_version": 9}) + "\n")
    with pytest.raises(HotkitError, match=r"pairs\.jsonl:2: no pair") as caught:
        kept_pairs()
    assert "remove the line" in (caught.value.hint or "")
    before = pairs_file().read_text()
    with pytest.raises(HotkitError):
        keep_pairs([pair(boot_id="d")])
    assert pairs_file().read_text() == before
