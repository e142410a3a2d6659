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
        ({"deltas": {"swap": 3}}, "swapped 3 page(s)"),
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


def several(*arms, blocks=8):
    """A session with arms (name, tracker, samples, unit), each run 0.01 s + 1e-5 s per sample."""
    runs = []
    for block in range(blocks):
        for name, tracker, samples, unit in (("off", "none", 0, ""), ("off", "none", 0, ""), *arms):
            on = tracker != "none"
            wobble = 1e-4 * ((7 * block + 3 * len(runs)) % 5 - 2)
            runs.append(
                RunResult(
                    name=f"{block}{name}{len(runs)}",
                    block=block,
                    arm=name,
                    twin=None if on else sum(r.block == block for r in runs),
                    tracker=tracker,
                    duration=1 + wobble + 0.01 * on + 1e-5 * samples,
                    checksum="c",
                    examined=samples + block * on,
                    units={"examined": unit} if on else {},
                )
            )
    return runs


def test_settings_of_one_tracker_give_fixed_and_per_sample_cost():
    runs = several(
        ("slow", "damon", 1000, "check"), ("fast", "damon", 4000, "check"),
        ("soft", "softdirty", 500, "page"),
    )  # fmt: skip
    (dose,) = analyse(runs, blocks=8, sesoi_fraction=0.01).doses
    assert (dose.tracker, dose.arms, dose.unit) == ("damon", ("slow", "fast"), "check")
    assert dose.response.fixed == pytest.approx(0.01, abs=3e-4)
    assert dose.response.per_sample.estimate == pytest.approx(1e-5, rel=0.01)


def test_settings_that_sample_alike_are_named_and_units_are_not_mixed():
    alike = several(("a", "damon", 1000, "check"), ("b", "damon", 1000, "check"))
    (dose,) = analyse(alike, blocks=8, sesoi_fraction=0.01).doses
    assert "constant samples" in dose.response.undefined
    mixed = several(("a", "damon", 1000, "check"), ("b", "damon", 4000, "page"))
    assert analyse(mixed, blocks=8, sesoi_fraction=0.01).doses == ()


def test_a_setting_that_is_a_word_is_no_dose():
    """Stock and flush are not two doses of one thing; stock at two intervals is."""
    runs = several(
        ("a", "damon", 1000, "check"), ("b", "damon", 4000, "check"), ("c", "damon", 2000, "check")
    )  # fmt: skip
    settings = {
        "a": {"sample_us": 5000, "flush": "stock"}, "b": {"sample_us": 1000, "flush": "stock"},
        "c": {"sample_us": 2000, "flush": "primary"},
    }  # fmt: skip
    (dose,) = analyse(runs, blocks=8, sesoi_fraction=0.01, settings=settings).doses
    assert dose.arms == ("a", "b")
    settings["b"]["kernel"] = True
    assert analyse(runs, blocks=8, sesoi_fraction=0.01, settings=settings).doses == ()


def test_an_arm_that_is_no_result_is_no_dose_and_no_member_of_the_family():
    runs = several(("a", "damon", 1000, "check"), ("b", "damon", 4000, "check"))
    runs = [replace(run, errors=("x",)) if run.arm == "b" else run for run in runs]
    found = analyse(runs, blocks=8, sesoi_fraction=0.01)
    assert found.doses == ()
    a, b = found.arms
    assert b.p_holm is None
    assert a.p_holm == a.overhead.p_t


def test_holm_and_the_word_per_arm():
    runs = several(("a", "x", 0, "page"), ("b", "y", 10_000, "page"))
    a, b = analyse(runs, blocks=8, sesoi_fraction=0.05).arms
    assert (a.equivalence.answer, b.equivalence.answer) == ("equivalent", "different")
    assert max(a.p_holm, b.p_holm) == max(a.overhead.p_t, b.overhead.p_t)
    assert min(a.p_holm, b.p_holm) == 2 * min(a.overhead.p_t, b.overhead.p_t)


def test_drift_of_the_off_runs_in_the_order_of_the_blocks():
    runs = [replace(run, duration=run.duration + 0.01 * run.block) for run in session()]
    found = analyse(list(reversed(runs)), blocks=6, sesoi_fraction=0.01).drift
    assert found.change == pytest.approx(0.05 / 1.025, rel=0.03)
    assert not found.change_interval.holds_zero


def test_a_far_block_is_named_and_stays_in_every_figure():
    runs = [
        replace(run, duration=run.duration + 1.0) if (run.block, run.arm) == (4, "soft") else run
        for run in session()
    ]
    (arm,) = analyse(runs, blocks=6, sesoi_fraction=0.01).arms
    assert arm.without_far.blocks == (4,)
    assert arm.slowdown.n == 6 and arm.slowdown.estimate == pytest.approx(0.1 + 1 / 6, abs=0.01)
    assert arm.without_far.slowdown.n == 5
    assert arm.without_far.slowdown.estimate == pytest.approx(0.1, abs=0.003)
    assert arm.without_far.per_examined.estimate == pytest.approx(1e-4, rel=0.03)
    (sound,) = analyse(session(), blocks=6, sesoi_fraction=0.01).arms
    assert sound.without_far is None
