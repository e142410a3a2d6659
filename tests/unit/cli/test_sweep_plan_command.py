"""`hotkit sweep plan`: parts, schedule, duration and sight, from files alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hotkit.cli import main
from hotkit.core.design import schedule
from hotkit.host.sweepspec import load_sweep_spec
from tests.unit.sweepfolders import IDLE, SOFTDIRTY, make_group, make_sweep

# The workload and the arms of the sweeps that sweepfolders.py writes; runs of about 1 s.
SAME = """schema_version: 1
blocks: 8
seed: 7
workload: {kind: hotset, size: 8M, hot: 1M, updates: 1000000}
arms:
  - {tracker: softdirty, settings: {interval_ms: 50}}
  - {tracker: idlepage, name: idle, settings: {interval_ms: 50}}
"""
FULL = {"hot_offset": 0, "phases": 1, "write_share": 100, "reverse": False, "memory": "4k",
        "numa": None, "seed": 1, "pin": False, "unmovable": False, "seconds": None}  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my.yml"
    path.write_text(SAME)
    return path


def timed(folder: Path, *, harness_s: float = 0.5, between_s: float = 0.25) -> Path:
    """The sweep with what a real journal has beside: `harness_ns`, and when each event came."""
    path = folder / "journal.jsonl"
    at, lines = 1.8e9, []
    for line in path.read_text().splitlines():
        event = json.loads(line)
        if event["type"] == "end":
            event["harness_ns"] = event["duration_ns"] + round(1e9 * harness_s)
            at += event["harness_ns"] / 1e9 + between_s
        event["received"] = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
        lines.append(json.dumps(event))
    path.write_text("\n".join(lines) + "\n")
    return folder


def pilot_of(folder: Path, **more) -> Path:
    return timed(make_sweep(folder, workload=FULL, **more))


def plan(capsys, *arguments, code=0) -> dict:
    assert main(["sweep", "plan", *map(str, arguments), "--json"]) == code
    return json.loads(capsys.readouterr().out)


def text(capsys, *arguments, code=0) -> str:
    """What is printed, without its line breaks."""
    assert main(["sweep", "plan", *map(str, arguments)]) == code
    return " ".join(capsys.readouterr().out.split())


def test_the_shipped_description_on_this_machine(capsys):
    said = text(capsys, "--local")
    assert "Plan of sweep-default.yml (shipped): 1 part" in said
    assert "hosts localhost" in said and "softdirty; and off twice in each block" in said
    assert "a rough estimate: 2 s a run" in said
    assert "unknown without a pilot" in said
    # 3 runs a block and 3 to find the amount of work, each 2 s and 0.5 s and 32 MiB around it.
    found = plan(capsys, "--local")["duration_of_a_host_s"]
    assert found["likely_s"] == pytest.approx((24 + 3) * (2 + 0.5 + 1 / 32))


def test_no_host_is_asked(tmp_path, file, capsys):
    """Hosts that nobody can reach; without --local they are those of the inventory."""
    inventory = tmp_path / "hosts.yml"
    hosts = "".join(
        f"    far{n}:\n      ansible_host: 127.0.0.1\n      ansible_port: 1\n" for n in (1, 2, 3)
    )
    inventory.write_text(f"all:\n  hosts:\n{hosts}")
    assert plan(capsys, file, "-i", inventory)["hosts"] == ["far1", "far2", "far3"]
    assert plan(capsys, file, "-i", inventory, "--limit", "far2")["hosts"] == ["far2"]
    assert "3 parts: 3 hosts side by side, 1 part on each" in text(capsys, file, "-i", inventory)


def test_parts_are_those_that_the_sweep_carries_out(tmp_path, file, capsys):
    work = "{kind: hotset, size: 8M, hot: 1M, seconds: 1}"
    text_of = SAME.replace(
        "workload: {", "layouts: [4C16G-remote, 36C36G-pmem]\nboots: 2\nworkload: {"
    )
    file.write_text(text_of)
    file.write_text(
        text_of.replace(
            "workload: {kind: hotset, size: 8M, hot: 1M, updates: 1000000}",
            f"workloads:\n  b: {work}\n  a: {work}",
        )
    )
    found = plan(capsys, file, "--local")
    parts = [(part["boot"], part["layout"], part["workload"]) for part in found["parts"]]
    layouts = ("4C16G-remote", "36C36G-pmem")
    wanted = [(boot, layout, work) for boot in (0, 1) for layout in layouts for work in "ba"]
    assert parts == wanted
    assert found["boots_of_a_host"] == 4
    each = found["workloads"]["b"]["duration_s"]["likely_s"]
    assert found["duration_of_a_host_s"]["likely_s"] == pytest.approx(8 * each)
    said = text(capsys, file, "--local")
    assert (
        "8 parts" in said
        and "4C16G-remote, 36C36G-pmem, each booted 2 times: 4 boots of each host" in said
    )
    assert "not counted: 4 boots of each host" in said
    assert "Schedule of b, a, seed 7, the same in each of 8 parts" in said


def test_the_schedule_is_the_one_that_is_carried_out(file, capsys):
    spec = load_sweep_spec(file)
    runs = schedule(spec.named_arms(), 8, 7)
    found = plan(capsys, file, "--local")["workloads"]["hotset"]["schedule"]
    assert [name for block in found for name in block] == [run.arm.name for run in runs]
    first = ", ".join(found[0])
    said = text(capsys, file, "--local")
    assert f"│ 0 │ {first} │" in said and "the first 4 of 8" in said and "│ 7 │" not in said
    everything = text(capsys, file, "--local", "--full")
    assert "the one before, turned round" in everything and "│ 7 │" in everything


def test_unknown_durations(file, capsys):
    found = plan(capsys, file, "--local")
    assert found["duration_of_a_host_s"] is None
    said = text(capsys, file, "--local")
    assert "unknown: how long so many updates take depends on the machine" in said
    file.write_text(SAME.replace("kind: hotset, size: 8M, hot: 1M, updates: 1000000",
                                 "recipe: redis"))  # fmt: skip
    assert "how long a command takes is known once it has run" in text(capsys, file, "--local")


def test_a_pilot_tells_pace_and_noise(tmp_path, file, capsys):
    pilot = pilot_of(tmp_path / "pilot", noise=0.003)
    found = plan(capsys, file, "--local", "--pilot", pilot)
    (work,) = found["workloads"].values()
    # Two off runs of 1 s, softdirty at 1.05 s, idle at 1.1 s; 0.5 and 0.25 s around each.
    assert found["duration_of_a_host_s"]["likely_s"] == pytest.approx(8 * (4.15 + 3), rel=0.005)
    assert work["pilot"]["pace"]["between_s"] == pytest.approx(0.25, abs=0.002)
    assert work["pilot"]["label"]["platform"] == "emulated"
    seen = work["sight"]
    # sd of D is 0.003 sqrt(1.5); eight pairs know it to a factor of 0.66 to 2.04.
    noise = seen["noise_fraction"]
    assert noise["low"] < 0.003 * 1.5**0.5 < noise["high"]
    assert noise["high"] == pytest.approx(2.035 * noise["value"], rel=0.001)
    assert seen["blocks_needed"]["value"] < 8
    assert seen["until_half_width_blocks"] is None
    said = text(capsys, file, "--local", "--pilot", pilot)
    assert "on tier1 [emulated], 8 blocks" in said
    assert "8 blocks show a slow-down of" in said and "chi-square, 7 degrees of freedom" in said
    assert "neither pace nor noise says anything about hardware" in said
    assert "note: measured on tier1: another host" in said


def test_until_with_a_pilot(tmp_path, file, capsys):
    until = "until: {half_width_percent: 0.2, verdict: true, most_blocks: 60}\n"
    file.write_text(SAME + until)
    pilot = pilot_of(tmp_path / "pilot", noise=0.003)
    (work,) = plan(capsys, file, "--local", "--pilot", pilot)["workloads"].values()
    seen, lasting = work["sight"], work["duration_s"]
    assert work["most_blocks"] == 60 and len(work["schedule"]) == 60
    assert lasting["least_s"] < lasting["most_s"]
    assert lasting["likely_blocks"] == seen["until_equivalent_blocks"]["value"]
    assert 8 <= lasting["likely_blocks"] < seen["until_half_width_blocks"]["value"] < 40
    said = text(capsys, file, "--local", "--pilot", pilot)
    assert "with 60 blocks, the most" in said
    assert f"until: {lasting['likely_blocks']} blocks expected, as if no arm cost anything" in said
    assert "until waits for the noisiest arm" in said
    file.write_text(file.read_text().replace("updates: 1000000", "seconds: 1"))
    assert "it cannot be told without a pilot" in text(capsys, file, "--local")


def test_a_pilot_of_other_work_is_refused(tmp_path, file, capsys):
    pilot = timed(make_sweep(tmp_path / "pilot", workload=FULL | {"size": 16 << 20}))
    found = plan(capsys, file, "--local", "--pilot", pilot, code=5)
    (work,) = found["workloads"].values()
    assert work["pilot"]["refused"] == ["workload size is 8388608, in the pilot 16777216"]
    assert work["sight"] is None and work["duration_s"] is None
    assert "is no pilot for it: workload size is 8388608" in text(
        capsys, file, "--local", "--pilot", pilot, code=5
    )


def test_other_arms_are_marked(tmp_path, file, capsys):
    """An arm of the same name with another setting is another arm."""
    other = SOFTDIRTY | {"settings": {"interval_ms": 10}}
    pilot = pilot_of(tmp_path / "pilot", arms=(other, IDLE), scale=10)
    found = plan(capsys, file, "--local", "--pilot", pilot)
    (work,) = found["workloads"].values()
    assert any("had no arm softdirty with these" in mark for mark in work["pilot"]["marks"])
    assert list(work["sight"]["noise_of_arms_fraction"]) == ["idle", "off"]
    # Off at 1 s, idle at 2 s; softdirty is taken for as slow as idle.
    assert found["duration_of_a_host_s"]["likely_s"] == pytest.approx(8 * 9, rel=0.005)


def test_a_pilot_of_several_parts(tmp_path, file, capsys):
    """Of its parts the one that did this work, was trusted, and is on a host that is planned."""
    pilot = make_group(
        tmp_path / "pilot", hosts=("tier1", "tier2"), workloads=("hotset", "other"),
        workload=FULL | {"weight": 10},
        change={
            "tier1-hotset": None,
            "tier2-hotset": {"workload": FULL, "shift": 0.1},
            "tier2-other": {"workload": FULL},
        },
    )  # fmt: skip
    found = plan(capsys, file, "--local", "--pilot", pilot)
    (work,) = found["workloads"].values()
    assert work["pilot"]["name"].endswith("tier2-other")
    assert not any("not trustworthy" in mark for mark in work["pilot"]["marks"])


def test_a_pilot_that_is_not_trustworthy_says_so(tmp_path, file, capsys):
    pilot = pilot_of(tmp_path / "pilot", shift=0.1)
    said = text(capsys, file, "--local", "--pilot", pilot)
    assert "note: the pilot is not trustworthy: the two off runs" in said


def test_a_pilot_that_broke_off(tmp_path, file, capsys):
    """One block is a pace and no noise; none is no pilot."""
    one = pilot_of(tmp_path / "one", cut_after=4)
    (work,) = plan(capsys, file, "--local", "--pilot", one)["workloads"].values()
    assert work["sight"] is None and work["duration_s"]["likely_s"] > 50
    assert any("tell no noise" in mark for mark in work["pilot"]["marks"])
    none = pilot_of(tmp_path / "none", cut_after=2)
    assert main(["sweep", "plan", str(file), "--local", "--pilot", str(none)]) == 5
    assert "no block is complete" in capsys.readouterr().err


def test_a_connection_that_broke_is_no_pace(tmp_path, file, capsys):
    """Events that came together after an hour: what lies between runs is told by the others."""
    pilot = pilot_of(tmp_path / "pilot")
    path = pilot / "journal.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    late = datetime.fromtimestamp(1.8e9 + 3600, UTC).isoformat(timespec="milliseconds")
    for event in lines[-40:]:
        event["received"] = late
    path.write_text("".join(json.dumps(event) + "\n" for event in lines))
    (work,) = plan(capsys, file, "--local", "--pilot", pilot)["workloads"].values()
    assert work["pilot"]["pace"]["between_s"] == pytest.approx(0.25, abs=0.002)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--pilot", "{tmp}"], "manifest.json: cannot be read"),
        (["-i", "nowhere"], "no inventory 'nowhere'"),
        (["--limit", "nobody"], "no host of lab matches"),
    ],
)
def test_bad_input(tmp_path, file, arguments, words, capsys):
    argv = [word.replace("{tmp}", str(tmp_path)) for word in arguments]
    assert main(["sweep", "plan", str(file), *argv]) == 2
    assert words in capsys.readouterr().err


def test_a_mistake_in_the_description_is_told_with_its_place(file, capsys):
    file.write_text(SAME.replace("seed: 7", "sead: 7"))
    assert main(["sweep", "plan", str(file), "--local"]) == 2
    assert "my.yml:3:1: unknown key 'sead'" in capsys.readouterr().err
