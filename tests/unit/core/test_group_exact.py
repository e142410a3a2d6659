"""What boots and hosts say together, whole: every figure of a column, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats as sps

from hotkit.core.comparison import arm_cell
from hotkit.core.group import ArmOver, BootFigure, Column, HostFigure, combine
from hotkit.core.groupparts import LeftOut
from hotkit.core.labels import machine_label
from hotkit.core.stats_compare import equivalence
from hotkit.core.stats_session import over
from tests.unit.groupparts import part
from tests.unit.sweepfolders import MACHINE


def boots(*values, host="h", **more):
    return [part(boot, {"soft": value}, host=host, **more) for boot, value in enumerate(values)]


def figures(parts, arm="soft"):
    return tuple(BootFigure(part=one, cell=arm_cell(arm, one.session)) for one in parts)


def per(parts):
    return [one.cell.per_examined.estimate for one in figures(parts)]


def test_a_column_of_three_boots():
    parts = [*boots(0.04, 0.05, 0.06), *boots(0.9, host="x", doubts=("d",))]
    p = 2 * sps.t.sf(0.05 / (0.01 / 3**0.5), 2)
    (column,) = combine(parts)
    (arm,) = column.arms
    assert arm.p_holm == pytest.approx(p)
    assert column == Column(
        layout="4C16G",
        workload="hotset",
        label=machine_label(MACHINE),
        margin=0.01,
        parts=tuple(parts),
        counted=tuple(parts[:3]),
        arms=(
            ArmOver(
                arm="soft",
                tracker="softdirty",
                unit="PTE examined",
                each=figures(parts[:3]),
                scope="",
                slowdown=over("boot", [0.04, 0.05, 0.06]),
                per_examined=over("boot", per(parts[:3])),
                hosts=(),
                left_out=(),
                p_holm=arm.p_holm,
                equivalence=equivalence(
                    [0.04, 0.05, 0.06], [1.0] * 3, margin=0.01, p_different=arm.p_holm
                ),
            ),
        ),
        left_out=(LeftOut(part=parts[3].name, reason="not trustworthy: d"),),
    )
    assert (arm.only, arm.per_host) == (None, {"h": [0.04, 0.05, 0.06]})


def test_an_arm_over_three_hosts():
    a, b, c = boots(0.02, 0.04, host="a"), boots(0.06, host="b"), boots(0.05, 0.07, host="c")
    (arm,) = combine([*a, *b, *c])[0].arms
    means = [float(np.mean(values)) for values in ((0.02, 0.04), (0.06,), (0.05, 0.07))]
    assert arm.slowdown == over("host", means)
    assert arm.per_examined == over("host", [float(np.mean(per(one))) for one in (a, b, c)])
    assert arm.hosts == tuple(
        HostFigure(host=host, slowdown=over("boot", values), per_examined=over("boot", per(one)))
        for host, values, one in (
            ("a", [0.02, 0.04], a), ("b", [0.06], b), ("c", [0.05, 0.07], c),
        )
    )  # fmt: skip
    assert arm.p_holm == pytest.approx(sps.ttest_1samp(means, 0.0).pvalue)
    assert arm.equivalence == equivalence(means, [1.0] * 3, margin=0.01, p_different=arm.p_holm)


def test_two_hosts_that_booted_once_each_are_hosts():
    parts = [*boots(0.02, host="a"), *boots(0.04, host="b")]
    (arm,) = combine(parts)[0].arms
    assert arm.slowdown == over("host", [0.02, 0.04])
    assert [one.host for one in arm.hosts] == ["a", "b"]
    assert (arm.only, arm.p_holm, arm.equivalence) == (None, None, None)


def test_an_arm_without_a_figure_anywhere():
    parts = boots(None, None)
    (arm,) = combine(parts)[0].arms
    assert arm == ArmOver(
        arm="soft",
        tracker=None,
        unit=None,
        each=(),
        scope="",
        slowdown=over("boot", []),
        per_examined=over("boot", []),
        hosts=(),
        left_out=tuple(LeftOut(part=one.name, arm="soft", reason="no samples") for one in parts),
    )


def test_an_arm_that_is_another_one_says_all_that_differs():
    parts = boots(0.04, 0.05)
    other = part(2, {"soft": 0.9}, unit="page", settings={"interval_ms": 20})
    (soft,) = other.session.analysis.arms
    analysis = replace(other.session.analysis, arms=(replace(soft, tracker="damon"),))
    other = replace(other, host="h", session=replace(other.session, analysis=analysis))
    machine = other.session.manifest | {"host": "h"}
    other = replace(other, session=replace(other.session, manifest=machine))
    (arm,) = combine([*parts, other])[0].arms
    assert arm.left_out == (
        LeftOut(
            part=other.name,
            arm="soft",
            reason="tracker damon, not softdirty; settings interval_ms=20, not interval_ms=50;"
            " unit page, not PTE examined",
        ),
    )
    assert arm.per_host == {"h": [0.04, 0.05]}


def test_the_only_boot_keeps_the_words_of_its_own_arm():
    (one,) = boots(0.05)
    (soft,) = one.session.analysis.arms
    word = equivalence([0.05, 0.06, 0.05], [1.0] * 3, margin=0.02, p_different=0.5)
    arms = (
        replace(soft, arm="first", p_holm=0.7),
        replace(soft, p_holm=0.2, equivalence=word, scope="host"),
    )
    analysis = replace(one.session.analysis, arms=arms, sesoi_fraction=0.02)
    runs = [{"arm": arm, "settings": {}} for arm in ("first", "soft")]
    manifest = one.session.manifest | {"schedule": {"runs": runs}}
    one = replace(one, session=replace(one.session, analysis=analysis, manifest=manifest))
    (column,) = combine([one])
    first, arm = column.arms
    assert (first.p_holm, first.equivalence, first.scope) == (0.7, None, "")
    assert (arm.p_holm, arm.equivalence, arm.scope) == (0.2, word, "host")
    assert arm.only == BootFigure(part=one, cell=arm_cell("soft", one.session))
    assert column.margin == 0.02


def test_arms_keep_the_order_of_the_first_session_that_has_them():
    parts = [
        part(0, {"b": 0.1, "a": 0.2}, layout="x"),
        part(1, {"a": 0.2, "c": 0.3, "b": 0.1}, layout="y"),
        part(2, {"c": 0.2, "a": 0.2}, layout="y", workload="zipf"),
        replace(part(3, {"z": 0.1}, layout="x"), session=None),
    ]
    columns = combine(parts)
    assert [[arm.arm for arm in column.arms] for column in columns] == [
        ["b", "a"], ["b", "a", "c"], ["a", "c"],
    ]  # fmt: skip
    assert columns[0].parts == (parts[0], parts[3])


def test_arms_of_too_few_boots_are_no_members_of_the_family_of_the_others():
    """A p-value over boots is corrected for the arms that have one over boots."""
    parts = [part(boot, {"soft": value}) for boot, value in enumerate((0.04, 0.05, 0.06))]
    parts += [part(3, {"lone": 0.05}), part(4, {"pair": 0.05}), part(5, {"pair": 0.06})]
    soft, lone, pair = combine(parts)[0].arms
    assert (pair.p_holm, pair.equivalence) == (None, None)
    assert soft.p_holm == pytest.approx(2 * sps.t.sf(0.05 / (0.01 / 3**0.5), 2))
    assert (lone.p_holm, lone.equivalence) == (0.04, None)
