"""What may be compared and merged, and what not; `hotkit compare` on real directories."""

from __future__ import annotations

import io
import json
import shutil

import pytest
from rich.console import Console

from hotkit.cli import main
from hotkit.core.comparison import compare
from hotkit.core.sessionfacts import Weight, facts_of
from hotkit.core.stats_session import over
from hotkit.errors import HotkitError
from hotkit.report.sweepcompare import letters, print_comparison, to_dict
from hotkit.sweep.compare import compare_sweeps
from tests.unit.sweepfolders import IDLE, MACHINE, SLOW, SOFTDIRTY, UNITS, WORKLOAD, make_sweep


@pytest.fixture
def sweeps(tmp_path):
    """Make sweeps by their differences, each of a seed and a boot of its own."""

    def make(*differences):
        folders = []
        for number, given in enumerate(differences):
            given = {"seed": number + 1, "boot_id": f"boot{number}"} | given
            folders.append(make_sweep(tmp_path / f"s{number}", **given))
        return folders

    return make


def printed(folders) -> str:
    out = io.StringIO()
    print_comparison(*compare_sweeps(folders), Console(file=out, width=140, highlight=False))
    return out.getvalue()


def test_three_boots_that_agree_are_merged_boot_by_boot(sweeps):
    found, results = compare_sweeps(sweeps({}, {}, {"blocks": 12}))
    assert (found.refused, found.blocked, found.level) == ((), (), "boot")
    for place, arm in enumerate(found.arms):
        estimates = [
            next(one for one in result.analysis.arms if one.arm == arm.arm) for result in results
        ]
        # One estimate per boot, however many blocks it had.
        assert arm.slowdown == over("boot", [one.slowdown.estimate for one in estimates])
        assert arm.per_examined == over(
            "boot", [one.per_examined.differential.estimate for one in estimates]
        )
        assert arm.slowdown.interval is not None and arm.marks == (), place
    said = printed([result.folder for result in results])
    assert "Over boots (emulated)" in said and "NOT MERGED" not in said
    assert "the same in all: platform, workload, nested, host, kernel" in said


def test_two_are_side_by_side_and_too_few(sweeps):
    folders = sweeps({}, {})
    found, _ = compare_sweeps(folders)
    assert all(arm.slowdown and arm.slowdown.interval is None for arm in found.arms)
    said = printed(folders)
    assert "no merged figure: 2 boot(s): a statement beyond them needs at least 3" in said
    assert "Over boots" not in said
    for arm in to_dict(*compare_sweeps(folders))["arms"]:
        assert arm["merged_slowdown"]["mean"] is None
        assert len(arm["sessions"]) == 2


def test_sessions_of_one_boot_say_nothing_about_the_next(sweeps):
    folders = sweeps(*[{"boot_id": "same"}] * 3)
    assert compare_sweeps(folders)[0].level == "session"
    assert "say nothing about the next boot" in " ".join(printed(folders).split())


@pytest.mark.parametrize(
    ("difference", "name"),
    [
        ({"kernel_release": "6.12.0"}, "kernel"),
        ({"cmdline": "root=UUID=1 memmap=2G$4G"}, "command line"),
        ({"cpus": [0]}, "CPUs"),
        ({"memory_bytes": 1}, "memory (bytes)"),
        ({"nested": True}, "nested"),
        ({"knobs": {"thp": "[always] madvise never", "aslr": "2"}}, "knob thp"),
        ({"clocksource": "hpet"}, "clocksource"),
    ],
)
def test_another_machine_is_shown_and_never_merged(sweeps, difference, name):
    folders = sweeps({}, {}, difference)
    found, _ = compare_sweeps(folders)
    assert found.refused == () and found.blocked == (f"{name} differs",)
    assert all(arm.slowdown is None and arm.per_examined is None for arm in found.arms)
    assert all(cell.slowdown for arm in found.arms for cell in arm.cells)
    said = printed(folders)
    assert "NOT MERGED" in said and f"- {name} differs" in said and "Over boots" not in said


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        ({"platform": "metal"}, "platform differs: emulated, virtual and metal costs are"),
        ({"workload": {"size": 16 << 20}}, "workload size differs: what a tracker costs one piece"),
        ({"workload": {"kind": "zipf"}}, "workload kind differs"),
        ({"shift": 0.2}, "1 of 2 sessions can be trusted: two are the least"),
        ({"arms": (SLOW,)}, "no arm has figures of one tracker and unit in two"),
    ],
)
def test_nothing_may_be_compared(sweeps, capsys, difference, said):
    folders = sweeps({}, difference)
    assert main(["compare", *map(str, folders)]) == 5
    out = " ".join(capsys.readouterr().out.split())
    assert "NOTHING MAY BE COMPARED" in out and said in out
    assert "Slow-down against off" not in out
    assert main(["compare", *map(str, folders), "--json"]) == 5
    found = json.loads(capsys.readouterr().out)
    assert found["arms"] == [] and found["refused"]


def test_an_untrusted_session_has_no_figure_and_is_not_merged(sweeps):
    folders = sweeps({}, {}, {"shift": 0.2}, {})
    found, _ = compare_sweeps(folders)
    for arm in found.arms:
        assert arm.cells[2].slowdown is None and arm.cells[2].reason == "withheld: not trustworthy"
        assert arm.slowdown.n == 3
    assert "withheld: not trustworthy" in printed(folders)


def test_an_untrusted_session_does_not_decide_about_boots(sweeps):
    found, _ = compare_sweeps(sweeps({}, {}, {"shift": 0.2, "boot_id": "boot0"}))
    assert found.level == "boot"


def test_an_arm_with_other_settings_is_marked_and_not_merged(sweeps):
    other = SOFTDIRTY | {"settings": {"interval_ms": 20}}
    folders = sweeps({}, {}, {"arms": (other, IDLE)})
    by_arm = {arm.arm: arm for arm in compare_sweeps(folders)[0].arms}
    assert by_arm["softdirty"].marks == ("settings differ",)
    assert by_arm["softdirty"].slowdown is None and by_arm["idle"].slowdown is not None
    assert "softdirty: not the same arm: settings differ" in printed(folders)


def test_other_units_never_share_a_row_and_are_not_merged(sweeps):
    other = {"softdirty": UNITS["softdirty"] | {"examined": "huge PTE examined"}}
    folders = sweeps({}, {}, {"units": other})
    by_arm = {arm.arm: arm for arm in compare_sweeps(folders)[0].arms}
    assert by_arm["softdirty"].marks == ("units differ",)
    assert by_arm["softdirty"].per_examined is None
    table = printed(folders).partition("Overhead, ns per sample")[2]
    (row,) = [line for line in table.splitlines() if "huge PTE examined" in line]
    cells = [cell.strip() for cell in row.split("│")[1:-1]]
    assert cells[2:4] == ["-", "-"] and cells[4] not in ("", "-")


def test_an_arm_that_only_one_session_has(sweeps):
    folders = sweeps({}, {"arms": (SOFTDIRTY, IDLE, SLOW)}, {})
    by_arm = {arm.arm: arm for arm in compare_sweeps(folders)[0].arms}
    assert [cell.reason for cell in by_arm["slow"].cells] == ["no such arm", None, "no such arm"]
    assert by_arm["slow"].slowdown is None and by_arm["idle"].slowdown is not None


def test_a_session_counts_once(sweeps, tmp_path, capsys):
    (folder,) = sweeps({})
    shutil.copytree(folder, tmp_path / "copy")
    for other in (folder, tmp_path / "copy"):
        assert main(["compare", str(folder), str(other)]) == 2
        assert "a session counts once" in capsys.readouterr().err


def test_bad_input(sweeps, tmp_path, capsys):
    (folder,) = sweeps({})
    assert main(["compare", str(folder)]) == 2
    assert "needs two sweep directories" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["compare", str(folder), str(tmp_path / "empty")]) == 2
    assert "empty/manifest.json: cannot be read" in capsys.readouterr().err
    with pytest.raises(ValueError, match="needs two"):
        compare([])
    with pytest.raises(HotkitError):
        compare_sweeps([])


def test_a_few_pages_more_of_the_same_memory_are_no_other_machine(sweeps):
    """What the kernel leaves of the same RAM is not the same to the page in every boot."""
    found, _ = compare_sweeps(sweeps({}, {"memory_bytes": (1 << 30) - 40960}, {}))
    assert found.blocked == () and found.arms[0].slowdown.interval
    facts = facts_of([manifest(), manifest(memory_bytes=63 << 24)], [None, None])
    assert not next(fact for fact in facts if fact.name == "memory (bytes)").agrees


def manifest(**changes):
    workload = WORKLOAD | changes.pop("workload", {})
    return {
        "machine": MACHINE | changes, "seed": 1, "host": "h",
        "description": {"workload": workload, "blocks": 6, "arms": []},
    }  # fmt: skip


def test_of_a_command_line_only_what_differs_is_shown():
    lines = ["BOOT_IMAGE=/a root=UUID=1 ro maxcpus=2 x", "BOOT_IMAGE=/b root=UUID=2 ro maxcpus=4 x"]
    facts = facts_of([manifest(cmdline=line) for line in lines], [None, None])
    (fact,) = [fact for fact in facts if fact.name == "command line"]
    assert fact.values == ("maxcpus=2", "maxcpus=4") and not fact.agrees
    same = facts_of([manifest(cmdline=line) for line in (lines[0], "ro maxcpus=2 x")], [None] * 2)
    (fact,) = [fact for fact in same if fact.name == "command line"]
    assert fact.agrees
    # The order of memmap= words decides: another order is another line.
    turned = facts_of([manifest(cmdline=line) for line in ("a b", "b a")], [None] * 2)
    assert not next(fact for fact in turned if fact.name == "command line").agrees


def test_a_key_that_was_not_recorded_is_no_other_work_and_is_not_merged():
    facts = facts_of([manifest(), manifest(workload={"unmovable": False})], ["c", "c"])
    (fact,) = [fact for fact in facts if fact.name == "workload unmovable"]
    assert fact.weight is Weight.BLOCKS and fact.values == (None, "false") and not fact.agrees


def test_letters_of_many():
    assert letters(28)[:2] == ["A", "B"] and letters(28)[-2:] == ["S27", "S28"]


def test_json_is_strict_and_carries_labels(sweeps):
    found = to_dict(*compare_sweeps(sweeps({}, {}, {})))
    json.dumps(found, allow_nan=False)
    assert {one["label"]["platform"] for one in found["sessions"]} == {"emulated"}
    idle = next(arm for arm in found["arms"] if arm["arm"] == "idle")
    assert idle["sessions"][0]["unit"] == "ns per page asked about"
    low, high = idle["merged_slowdown"]["interval"]
    assert low < 0.10 < high and idle["merged_slowdown"]["n"] == 3
