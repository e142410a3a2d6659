"""SWEEP.yml: each mistake with file:line:column and the offending token."""

import json
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
            'name: "off"',
            "called 'off'",
        ),
        ("blocks: 8", "blocks: 8\nblocks: 9", "blocks: 9", "duplicate key 'blocks'"),
        ("blocks: 8", "blocks: 8\ngates: {heat: 3}", "3", "there is no gate 'heat'"),
        (
            "blocks: 8",
            "blocks: 8\ngates: {steal_percent: much}",
            "much",
            "'much' is no number and not false",
        ),
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


BASE = """schema_version: 1
blocks: 6
workload: {kind: hotset, size: 8M, hot: 1M, updates: 1000}
"""


def read(folder, text):
    file = folder / "my.yml"
    file.write_text(text)
    return load_sweep_spec(file)


def test_listed_values_make_an_arm_for_each(tmp_path):
    arms = "{tracker: damon, settings: {sample_us: [5000, 20000], flush: [stock, primary]}}"
    found = read(tmp_path, f"{BASE}arms:\n  - {arms}\n  - {{tracker: none}}\n").named_arms()
    assert [arm.name for arm in found] == [
        "damon-5000-stock",
        "damon-5000-primary",
        "damon-20000-stock",
        "damon-20000-primary",
        "none",
    ]
    assert dict(found[1].settings) == {"sample_us": 5000, "flush": "primary"}


def test_an_arm_may_have_a_workload_of_its_own(tmp_path):
    arms = "arms: [{tracker: none, name: more, workload: {updates: 1010}}, {tracker: none}]\n"
    more, same = read(tmp_path, BASE + arms).named_arms()
    assert dict(more.workload) == {"updates": 1010} and not same.workload
    command = "workload: {work: [sleep, '1'], ready: {seconds: 0}, kind: command}\n"
    arms = "arms: [{tracker: none, workload: {work: [sleep, '2']}}]\n"
    (longer,) = read(tmp_path, f"schema_version: 1\nblocks: 6\n{command}{arms}").named_arms()
    assert dict(longer.workload) == {"work": ["sleep", "2"]}


def test_gates_are_those_that_the_agent_knows(tmp_path):
    gates = "gates: {steal_percent: 2, throttled: false, kernel_messages_ignore: [hotplug]}\n"
    found = read(tmp_path, f"{BASE}arms: [{{tracker: none}}]\n{gates}").gates
    assert found == {
        "steal_percent": 2,
        "throttled": False,
        "kernel_messages_ignore": ("hotplug",),
    }


def test_several_workloads(tmp_path):
    text = (
        "schema_version: 1\nblocks: 6\nworkloads:\n"
        "  small: {kind: hotset, size: 8M, hot: 1M, updates: 1000}\n"
        "  skewed: {kind: zipf, size: 8M, updates: 1000}\narms: [{tracker: none}]\n"
    )
    spec = read(tmp_path, text)
    assert list(spec.named_workloads) == ["small", "skewed"]
    assert spec.of_workload("skewed").only_workload.kind == "zipf"
    assert [arm.name for arm in spec.of_workload("small").named_arms()] == ["none"]


@pytest.mark.parametrize(
    ("text", "at", "words"),
    [
        ("arms: [{tracker: none}]\nuntil: {}\n", "5:", "name what to wait for"),
        ("until: {minutes: 5, most_blocks: 7}\nblocks: 8\n", "3:", "duplicate key"),
        ("until: {verdict: true, minuts: 5}\narms: []\n", "4:", "did you mean 'minutes'?"),
        ("quiesce: {turbos: off}\narms: [{tracker: none}]\n", "4:", "turbos"),
        ("quiesce: {aslr: maybe}\narms: [{tracker: none}]\n", "4:", "aslr"),
        ("boots: 2\narms: [{tracker: none}]\n", "1:", "boots: needs layouts"),
        ("layouts: [a, a]\narms: [{tracker: none}]\n", "1:", "one is named twice"),
        ("layouts: [4C16G]\narms: [{tracker: none}]\n", "4:", "4C16G"),
        ("layouts: [none.yml]\narms: [{tracker: none}]\n", "4:", "none.yml"),
        ("arms: [{tracker: damon, settings: {sample_us: []}}]\n", "4:", "the list is empty"),
        ("arms: [{tracker: damon, settings: {sample_us: [9, 9]}}]\n", "4:", "listed twice"),
        ("arms: [{tracker: damon, settings: {sample_us: [9, x]}}]\n", "4:", "sample_us"),
        ("arms: [{tracker: none}, {tracker: none}]\n", "4:", "two arms are called 'none'"),
        ("arms: [{tracker: none, workload: {hot: 9M}}]\n", "4:", "hot (9 MiB) is not"),
        ("arms: [{tracker: none, workload: {hott: 1M}}]\n", "4:", "did you mean 'hot'?"),
        (
            "arms: [{tracker: none, workload: {seconds: 1, updates: null}}]\n",
            "4:",
            "name updates instead",
        ),
        ("workloads: {a: {size: 8M}}\narms: [{tracker: none}]\n", "4:", "hot"),
        ("workloads: {A b: {size: 8M}}\narms: [{tracker: none}]\n", "4:", "is no name"),
    ],
)  # fmt: skip
def test_mistakes_of_the_matrix(tmp_path, text, at, words):
    text = BASE.replace("blocks: 6", "blocks: 8") + text
    if "workloads:" in text:
        text = text.replace("workload: {kind: hotset, size: 8M, hot: 1M, updates: 1000}", "# none")
    with pytest.raises(HotkitError) as caught:
        read(tmp_path, text)
    assert words in caught.value.message
    where = caught.value.message.removeprefix(str(tmp_path / "my.yml")).lstrip(":")
    assert where.startswith(at) or "duplicate" in words, caught.value.message


@pytest.mark.parametrize("several", [False, True])
def test_what_a_sweep_keeps_of_its_description_is_the_same_description(tmp_path, several):
    """The report's commands write it out as JSON: it must say the same thing again."""
    text = data("sweep-default.yml").read_text()
    if several:
        head, _, tail = text.partition("workload:")
        text = f"{head}workloads:\n  one: {{kind: hotset, size: 32M, hot: 4M, seconds: 2}}\n"
        text += "  two: {kind: zipf, size: 32M, updates: 1000}\nlayouts: [4C16G-remote]\nboots: 3\n"
        text += tail[tail.index("arms:") :]
    (tmp_path / "first.yml").write_text(text)
    spec = load_sweep_spec(tmp_path / "first.yml")
    (tmp_path / "again.yml").write_text(json.dumps(spec.model_dump(mode="json"), indent=1))
    assert load_sweep_spec(tmp_path / "again.yml") == spec
    assert len(spec.named_workloads) == 1 + several
