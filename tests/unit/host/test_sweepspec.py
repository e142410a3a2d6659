"""SWEEP.yml: each mistake with file:line:column and the offending token."""

import re

import pytest

from hotkit.assets import data
from hotkit.errors import HotkitError
from hotkit.host.sweepspec import load_sweep_spec

SHIPPED = data("sweep-default.yml").read_text()


def test_shipped_description():
    spec = load_sweep_spec(None)
    assert spec.blocks >= 6
    assert [arm.tracker for arm in spec.named_arms()] == ["softdirty"]
    assert spec.workload.parameters()["hot_bytes"] == 4 << 20


@pytest.mark.parametrize(
    ("old", "new", "at", "words"),
    [
        ("blocks: 8", "blocks: 5", "5", "greater than or equal to 6"),
        ("seed: 1", "sead: 1", "sead", "did you mean 'seed'?"),
        ("size: 32M", "size: 32MB", "32MB", "unknown unit 'MB'"),
        ("size: 32M", "size: -4096", "-4096", "greater than 0"),
        ("threads: 1", "threads: two", "two", "integer"),
        ("weight: 9", "weigth: 9", "weigth", "did you mean 'weight'?"),
        ("hot: 4M", "hot: 64M", "kind", "hot (64 MiB) is not whole granules inside size (32 MiB)"),
        ("seconds: 2", "seconds: 2\n  updates: 9", "kind", "either updates or seconds"),
        ("interval_ms: 250", "interval: 2", "tracker", "no setting 'interval'"),
        ("interval_ms: 250", "interval_ms: 0", "tracker", "at least 1"),
        ("tracker: softdirty", "tracker: pebs", "tracker", "no tracker 'pebs': known are "),
        (
            "- tracker: softdirty",
            '- name: "off"\n    tracker: softdirty',
            "schema_version",
            "called 'off'",
        ),
        ("blocks: 8", "blocks: 8\nblocks: 9", "blocks: 9", "duplicate key 'blocks'"),
    ],
)
def test_mistakes(tmp_path, old, new, at, words):
    file = tmp_path / "my.yml"
    text = SHIPPED.replace(old, new)
    assert text != SHIPPED
    file.write_text(text)
    with pytest.raises(HotkitError) as caught:
        load_sweep_spec(file)
    message = caught.value.message
    assert words in message
    where = re.match(rf"{re.escape(str(file))}:(\d+):(\d+): ", message)
    assert where, message
    line, column = int(where[1]), int(where[2])
    assert text.splitlines()[line - 1][column - 1 :].startswith(at)
    assert caught.value.exit_code == 2
