"""What boots and hosts say together, by hand; how often that is true: test_group_simulated.py."""

from dataclasses import replace

import pytest
from scipy import stats as sps

from hotkit.core.group import combine
from hotkit.core.groupparts import alike
from hotkit.core.labels import Platform
from hotkit.core.stats_compare import Answer
from hotkit.core.stats_session import over
from tests.unit.groupparts import part
from tests.unit.sweepfolders import MACHINE


def only(parts):
    (column,) = combine(parts)
    return column


def boots(*values, **given):
    return [part(boot, {"soft": value}, **given) for boot, value in enumerate(values)]


def reasons(column):
    return {one.part: one.reason for one in column.left_out}


def test_boots_of_a_host_one_estimate_each():
    column = only(boots(0.04, 0.05, 0.06))
    (arm,) = column.arms
    assert arm.slowdown == over("boot", [0.04, 0.05, 0.06])
    assert arm.slowdown.interval.high - 0.05 == pytest.approx(0.02484138, abs=1e-7)
    assert arm.per_examined == over("boot", [4e-7, 5e-7, 6e-7])
    assert (arm.hosts, arm.left_out, column.left_out) == ((), (), ())
    assert [one.cell.slowdown.estimate for one in arm.each] == [0.04, 0.05, 0.06]
    assert (column.label.platform, column.margin) == (Platform.EMULATED, 0.01)
    # t = 0.05 / (0.01 / sqrt 3), two degrees of freedom.
    assert arm.p_holm == pytest.approx(2 * sps.t.sf(0.05 / (0.01 / 3**0.5), 2))
    assert arm.equivalence.answer is Answer.DIFFERENT


def test_a_host_counts_once_however_often_it_booted():
    parts = [
        *boots(0.02, 0.04, host="a"), *boots(0.06, host="b"), *boots(0.05, 0.06, 0.07, host="c")
    ]  # fmt: skip
    (arm,) = only(parts).arms
    assert arm.slowdown.level == "host"
    assert arm.slowdown.mean == pytest.approx((0.03 + 0.06 + 0.06) / 3)
    assert arm.slowdown.interval.low == over("host", [0.03, 0.06, 0.06]).interval.low
    assert arm.per_examined.n == 3
    # Beside them what each host says about itself.
    assert [(one.host, one.slowdown.n) for one in arm.hosts] == [("a", 2), ("b", 1), ("c", 3)]
    assert arm.hosts[2].slowdown == over("boot", [0.05, 0.06, 0.07])
    assert "2 boot(s)" in arm.hosts[0].slowdown.undefined


def test_two_hosts_are_too_few_and_each_speaks_for_itself():
    parts = [*boots(0.02, 0.03, 0.04, host="a"), *boots(0.06, 0.07, 0.09, host="b")]
    (arm,) = only(parts).arms
    assert arm.slowdown.interval is None and "2 host(s)" in arm.slowdown.undefined
    assert (arm.p_holm, arm.equivalence) == (None, None)
    assert [one.slowdown.mean for one in arm.hosts] == pytest.approx([0.03, 0.22 / 3])
    assert all(one.slowdown.interval for one in arm.hosts)


def test_the_only_boot_keeps_its_own_words():
    (arm,) = only(boots(0.05)).arms
    assert arm.only.cell.slowdown.estimate == 0.05 and arm.p_holm == 0.04
    assert arm.slowdown.interval is None and "1 boot(s)" in arm.slowdown.undefined
    assert only(boots(0.05, 0.06)).arms[0].p_holm is None


def test_holm_over_the_arms_and_the_word_against_the_margin():
    values = {"a": (0.02, 0.021, 0.019), "b": (0.001, 0.002, 0.0015), "c": (0.0, 0.03, -0.01)}
    parts = [part(boot, {name: found[boot] for name, found in values.items()}) for boot in range(3)]
    arms = {arm.arm: arm for arm in only(parts).arms}
    raw = {name: sps.ttest_1samp(found, 0.0).pvalue for name, found in values.items()}
    assert arms["a"].p_holm == pytest.approx(3 * raw["a"])
    assert arms["b"].p_holm == pytest.approx(2 * raw["b"])
    assert arms["c"].p_holm == pytest.approx(raw["c"])
    words = {name: arm.equivalence.answer for name, arm in arms.items()}
    # Below 1 %, and surely so, is equivalent although it is surely there.
    assert words == {
        "a": Answer.DIFFERENT, "b": Answer.EQUIVALENT, "c": Answer.INCONCLUSIVE
    }  # fmt: skip
    assert arms["b"].equivalence.p == pytest.approx(
        sps.ttest_1samp(values["b"], 0.01, alternative="less").pvalue
    )


def test_layouts_and_workloads_are_never_put_together():
    parts = [
        part(boot, {"soft": 0.01 * number}, layout=layout, workload=workload)
        for boot in range(3)
        for number, (layout, workload) in enumerate(
            [(None, "hotset"), ("4C16G", "hotset"), ("4C16G", "zipf")], start=1
        )
    ]
    columns = combine(parts)
    assert [(column.layout, column.workload) for column in columns] == [
        (None, "hotset"), ("4C16G", "hotset"), ("4C16G", "zipf")
    ]  # fmt: skip
    assert [column.arms[0].slowdown.mean for column in columns] == pytest.approx([0.01, 0.02, 0.03])
    assert [len(column.counted) for column in columns] == [3, 3, 3]


def test_only_sessions_that_can_be_trusted_count():
    parts = boots(0.04, 0.05, 0.06, 0.07)
    parts[1] = part(1, {"soft": 0.5}, doubts=("the clock stood still",))
    parts[2] = replace(parts[2], session=None, missing="not begun")
    column = only(parts)
    assert reasons(column) == {
        "tier1-4C16G-hotset-boot1": "not trustworthy: the clock stood still",
        "tier1-4C16G-hotset-boot2": "not begun",
    }
    assert column.arms[0].slowdown.n == 2 and len(column.parts) == 4


def test_nothing_counts():
    parts = [replace(one, session=None, missing="not begun") for one in boots(0.1, 0.2)]
    column = only(parts)
    assert (column.arms, column.counted, column.label, column.margin) == ((), (), None, None)
    assert set(reasons(column).values()) == {"not begun"}


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"kernel_release": "6.12"}, "kernel differs (6.12, not 6.1.0-test)"),
        ({"platform": "metal"}, "platform differs (metal, not emulated)"),
        ({"nested": True}, "nested differs (true, not false)"),
        ({"cpus": [0, 1, 2]}, "CPUs differs"),
        ({"memory_bytes": 2 << 30}, "memory (bytes) differs"),
        ({"knobs": MACHINE["knobs"] | {"thp": "never"}}, "knob thp differs (never, not always"),
        ({"sha": "d" * 64}, "agent SHA-256 differs"),
        ({"cmdline": "quiet"}, "command line differs"),
        ({"clocksource": None}, "clocksource was not recorded everywhere"),
    ],
)
def test_what_does_not_agree_is_left_out_by_name(other, said):
    """Also when it came first: the others are more."""
    column = only([part(9, {"soft": 0.5}, **other), *boots(0.04, 0.05, 0.06)])
    (reason,) = reasons(column).values()
    assert said in reason
    assert column.arms[0].slowdown == over("boot", [0.04, 0.05, 0.06])
    assert column.label.platform is Platform.EMULATED


def test_of_many_differences_a_few_are_told():
    knobs = {f"k{number}": "1" for number in range(9)}
    column = only([*boots(0.1, 0.2), part(5, {"soft": 0.3}, knobs=knobs)])
    (reason,) = reasons(column).values()
    assert reason.endswith("; and 8 more")


def test_a_boot_counts_once():
    parts = boots(0.04, 0.05, 0.06)
    again = [
        *parts,
        part(3, {"soft": 0.9}, boot_id="tier1-0"),
        part(4, {"soft": 0.9}, boot_id=None),
    ]
    column = only(again)
    assert reasons(column) == {
        "tier1-4C16G-hotset-boot3": "the same boot as tier1-4C16G-hotset-boot0: a boot counts once",
        "tier1-4C16G-hotset-boot4": "boot id was not recorded: it may be no other boot",
    }
    assert column.arms[0].slowdown.n == 3
    assert reasons(only(boots(0.04, boot_id=None))) == {}


def test_over_hosts_what_a_host_has_of_its_own_may_differ():
    def host(name, layout="4C16G", **machine):
        return part(0, {"soft": 0.05}, host=name, layout=layout, **machine)

    own = {"cpus": [4, 5], "cmdline": "memmap=2G$4G", "memory_bytes": (1 << 30) - 8192}
    assert reasons(only([host("a"), host("b", **own)])) == {}
    for other in ({"cpus": [4, 5, 6]}, {"memory_bytes": 2 << 30}, {"kernel_release": "6.12"}):
        assert list(reasons(only([host("a"), host("b", **other)]))) == ["b-4C16G-hotset-boot0"]
    # Without a layout nothing says that another command line is the host's own affair.
    plain = only([host("a", layout=None), host("b", layout=None, cmdline="quiet")])
    assert "command line differs" in reasons(plain)["b-None-hotset-boot0"]


def test_a_host_that_is_another_kind_is_left_out_with_all_of_its_boots():
    parts = [
        *boots(0.5, 0.6, 0.7, host="odd", kernel_release="6.12"),
        *boots(0.04, host="a"), *boots(0.05, host="b"), *boots(0.07, host="c"),
    ]  # fmt: skip
    column = only(parts)
    assert len(column.left_out) == 3
    assert all(one.part.startswith("odd-") for one in column.left_out)
    assert column.arms[0].slowdown == over("host", [0.04, 0.05, 0.07])


def test_an_arm_is_combined_where_it_is_the_same_and_has_figures():
    parts = boots(0.04, 0.05, 0.06)
    parts += [
        part(3, {"soft": None}),
        part(4, {"soft": 0.9}, unit="huge PTE examined"),
        part(5, {"soft": 0.9}, settings={"interval_ms": 20}),
        part(6, {"other": 0.9}),
    ]
    column = only(parts)
    arms = {arm.arm: arm for arm in column.arms}
    assert arms["soft"].slowdown == over("boot", [0.04, 0.05, 0.06])
    assert {one.part[-1]: one.reason for one in arms["soft"].left_out} == {
        "3": "no samples",
        "4": "unit huge PTE examined, not PTE examined",
        "5": "settings interval_ms=20, not interval_ms=50",
        "6": "no such arm",
    }
    assert all(one.arm == "soft" for one in arms["soft"].left_out)
    assert arms["other"].only is not None and column.left_out == ()


def test_an_arm_without_samples_keeps_its_slow_down():
    (arm,) = only(boots(0.04, 0.05, 0.06, per_sample=None)).arms
    assert arm.slowdown.interval and arm.per_examined.n == 0
    assert arm.per_examined.mean is None


def test_the_largest_set_that_agrees_and_of_equal_ones_the_first():
    def differs(one, other):
        return None if one[0] == other[0] else f"{one[0]} is not {other[0]}"

    assert alike(["a1", "b1", "b2", "c1"], differs) == (
        ["b1", "b2"], [("a1", "a is not b"), ("c1", "c is not b")]
    )  # fmt: skip
    assert alike(["a1", "b1"], differs)[0] == ["a1"]
    assert alike([], differs) == ([], [])
