"""From runs to figures and doubts, on hand-made sessions."""

from dataclasses import replace

import pytest

from hotkit.core.accuracy import Accuracy
from hotkit.core.analysis import RunResult, analyse

UNITS = {"examined": "PTE examined", "positive": "soft-dirty page"}
# Noise of the three runs of each block, by hand: the off twins do not differ on average.
NOISE = [(1, -1, 0), (-2, 1, 1), (0, 2, -1), (2, -1, 1), (-1, 0, -2), (1, 0, 1)]
SEEN = Accuracy(
    pages=100, hot_pages=10, found=0.9, precision=0.5, recall=0.75, f1=0.6, top=0.8, rank=0.7
)


def session(*, effect=0.1, samples=1000, positive=100, blocks=6, twin_shift=0.0, errors=()):
    runs = []
    for block in range(blocks):
        a, b, x = (0.001 * value for value in NOISE[block])
        for arm, twin, time in (
            ("off", 0, 1 + a + twin_shift), ("off", 1, 1 + b), ("soft", None, 1 + x + effect),
        ):  # fmt: skip
            on = twin is None
            runs.append(
                RunResult(
                    name=f"b{block}-{arm}{twin}",
                    block=block,
                    arm=arm,
                    twin=twin,
                    duration=time,
                    tracker="softdirty" if on else "none",
                    checksum="c",
                    examined=(samples + block) * on,
                    positive=positive * on,
                    self_cpu=0.01 * on,
                    units=UNITS,
                    accuracy=SEEN if on else None,
                    errors=errors if on else (),
                )  # fmt: skip
            )
    return runs


def test_a_sound_session():
    found = analyse(session(), blocks=6, sesoi_fraction=0.01)
    assert found.trusted and found.defined
    (arm,) = found.arms
    assert arm.slowdown.estimate == pytest.approx(0.1, abs=0.002)
    assert arm.per_examined.unit == "PTE examined"
    assert arm.per_examined.differential.estimate == pytest.approx(0.1 / 1002.5, rel=0.02)
    assert arm.per_positive.differential.estimate == pytest.approx(0.1 / 100, rel=0.02)
    assert arm.per_examined.direct == pytest.approx(0.06 / 6015)
    assert arm.accuracy.to_dict() == pytest.approx(SEEN.to_dict())
    assert not arm.per_examined.differential.interval.holds_zero


def test_an_arm_that_is_not_what_it_is_called_has_no_figure():
    found = analyse(session(errors=("flush: primary, but ...",)), blocks=6, sesoi_fraction=0.01)
    (arm,) = found.arms
    assert arm.undefined == "no result: flush: primary, but ..."
    assert found.trusted and not found.defined


def test_off_runs_that_differ_are_told():
    found = analyse(session(twin_shift=0.05), blocks=6, sesoi_fraction=0.01)
    assert not found.trusted
    assert "two off runs" in found.untrusted[0]


def test_no_samples_is_undefined_and_not_infinite():
    found = analyse(session(samples=-1000, positive=0), blocks=6, sesoi_fraction=0.01)
    assert found.arms[0].per_positive.undefined.startswith("no samples")
    assert found.arms[0].per_positive.direct is None


def test_a_negative_overhead_stays_negative():
    (arm,) = analyse(session(effect=-0.02), blocks=6, sesoi_fraction=0.01).arms
    assert arm.slowdown.estimate < 0
    assert arm.per_examined.differential.estimate < 0


def test_a_block_that_misses_a_run_is_left_out_and_told():
    runs = [run for run in session() if run.name != "b2-off1"]
    found = analyse(runs, blocks=6, sesoi_fraction=0.01)
    assert (found.blocks, found.incomplete_blocks) == (5, (2,))
    assert any("only 5 complete blocks" in doubt for doubt in found.untrusted)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"checksum": "other"}, "same work"),
        ({"deltas": {"swap": 3}}, "swapped 3 pages"),
        ({"deltas": {"steal_ns": 10**10}}, "steal"),
        ({"lost": 10**6}, "samples were lost"),
    ],
)
def test_doubts(change, words):
    runs = session()
    runs[0] = replace(runs[0], **change)
    found = analyse(runs, blocks=6, sesoi_fraction=0.01)
    assert any(words in doubt for doubt in found.untrusted)


def test_constant_times_are_named():
    """A clock without resolution: no interval of width zero is printed."""
    runs = [replace(run, duration=1.0) for run in session()]
    found = analyse(runs, blocks=6, sesoi_fraction=0.01)
    assert not found.trusted and "constant times" in found.untrusted[0]
    assert "constant times" in found.arms[0].undefined


def test_nothing_complete():
    with pytest.raises(ValueError, match="no block is complete"):
        analyse(session()[:2], blocks=6, sesoi_fraction=0.01)
