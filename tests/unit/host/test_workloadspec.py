"""`workload:` of a description: every kind becomes what the agent's program is started with."""

import json
import re
from pathlib import Path

import pytest

from hotkit.agent.workloads.command import Command
from hotkit.agent.workloads.hotset import Hotset
from hotkit.errors import HotkitError
from hotkit.host.workloadspec import CommandSpec, read_workload, recipes
from hotkit.host.yamlsrc import parse_yaml

# The line of docs/workloads.md that is the published command line's equivalent.
PUBLISHED = (
    "workload: {kind: hotset, threads: 36, updates: 7200000000, size: 126G, granularity: 8,"
    " hot: 9G, weight: 9, reverse: true}"
)
ROOT = Path(__file__).resolve().parents[3]


def spec_of(text):
    return read_workload(parse_yaml(text, Path("my.yml")))


def argv_of(text):
    """What is started, as {option: value}; a flag has the value True."""
    words = Hotset("hotset", spec_of(text).parameters()).argv[1:]
    found = {}
    for word, after in zip(words, [*words[1:], "--"], strict=True):
        if word.startswith("--"):
            found[word] = True if after.startswith("--") else after
    return found


def test_the_published_command_line_is_one_line():
    """--thread=36 --update=7200000000 --len=126G --granularity=8
    hotset --hot=9G --weight=9 --reverse"""
    argv = argv_of(PUBLISHED)
    assert argv["--threads"] == "36"
    assert argv["--updates"] == "7200000000"
    assert argv["--size"] == str(126 << 30)
    assert argv["--granularity"] == "8"
    assert argv["--hot"] == str(9 << 30)
    assert argv["--weight"] == "9"
    assert argv["--reverse"] is True
    assert (argv["--phases"], argv["--write-share"], argv["--memory"]) == ("1", "100", "4k")
    assert PUBLISHED in (ROOT / "docs/workloads.md").read_text()


def test_zipf():
    argv = argv_of(
        "workload: {kind: zipf, size: 8M, theta: 1.2, updates: 9, write_share: 0, memory: thp,"
        " numa: 'interleave:0,1'}"
    )
    assert (argv["--distribution"], argv["--theta"]) == ("zipf", "1.2")
    assert (argv["--write-share"], argv["--memory"]) == ("0", "thp")
    assert argv["--numa"] == "interleave:0,1"
    assert not argv.keys() & {"--hot", "--hot-offset", "--weight", "--phases"}


@pytest.mark.parametrize(
    ("text", "at", "words"),
    [
        ("{kind: hotsett, size: 4M}", "hotsett", "known are command, hotset, zipf"),
        ("{kind: zipf, size: 8M, updates: 1, hot: 4K}", "hot:", "unknown key 'hot'"),
        ("{kind: zipf, size: 8M, updates: 1, theta: 0}", "0}", "greater than 0"),
        ("{kind: zipf, size: 12288, updates: 1, granularity: 24}", "{kind", "divides 4096"),
        ("{size: 8M, hot: 1M, updates: 1, numa: 'bind'}", "'bind'", "pattern"),
        ("{size: 8M, hot: 1M, updates: 1, memory: 2m}", "2m", "'4k', 'thp' or 'hugetlb'"),
        ("{size: 7M, hot: 1M, updates: 1, memory: hugetlb}", "{size", "multiple of 2M"),
        ("{size: 8M, hot: 1M, updates: 1, write_share: 101}", "101", "less than or equal to 100"),
        ("{size: 8M, hot: 1M, updates: 9, phases: 10}", "{size", "every one of the phases"),
        ("{size: 8M, hot: 1M, updates: 1, hot_offset: 8M}", "{size", "hot_offset (8 MiB)"),
        ("{recipe: rediss}", "rediss", "known are gapbs, redis, stress-ng, xsbench, ycsb"),
        ("{recipe: redis, values: {prot: 1}}", "prot", "did you mean 'port'?"),
        ("{recipe: redis, ready: {port: 70000}}", "70000", "less than or equal to 65535"),
        ("{kind: command, ready: {seconds: 0}}", "{kind", "work: Field required"),
        ("{kind: command, ready: {seconds: 0, port: 1}, work: [x]}", "{seconds", "one of port"),
        ("{kind: command, ready: {output: '('}, work: [x]}", "'('", "not a regular expression"),
        ("{kind: command, ready: {port: 1}, work: [x]}", "{kind", "for a server (start)"),
        ("{kind: command, ready: {seconds: 0}, work: ['{n}']}", "{kind", "no 'n' in values"),
        ("{kind: command, ready: {second: 0}, work: [x]}", "second", "did you mean 'seconds'?"),
        ("[1]", "[1]", "a workload is a mapping"),
    ],
)
def test_mistakes_have_a_place(text, at, words):
    text = f"workload: {text}"
    with pytest.raises(HotkitError) as caught:
        spec_of(text)
    message = caught.value.message
    assert words in message
    where = re.match(r"my\.yml:1:(\d+): ", message)
    assert where and text[int(where[1]) - 1 :].startswith(at), message


@pytest.mark.parametrize("name", recipes())
def test_every_recipe_is_complete(name):
    """It validates, no value is left to fill in, it says how to install, the agent takes it."""
    spec = spec_of(f"workload: {{recipe: {name}}}")
    assert isinstance(spec, CommandSpec)
    parameters = json.loads(json.dumps(spec.parameters()))
    words = [w for key in ("start", "load", "work") for w in parameters.get(key, ())]
    assert not re.search(r"\{[a-z_]+\}", " ".join(words))
    assert parameters["needs"]
    Command("hotset", parameters)
    unused = [key for key in spec.values if f"{{{key}}}" not in spec.model_dump_json()]
    assert not [key for key in unused if key != "port"]


def test_a_recipe_is_changed_from_outside():
    spec = spec_of("workload: {recipe: redis, values: {port: 9000, keys: 5}, most_s: 7}")
    parameters = spec.parameters()
    assert parameters["ready"] == {"port": 9000}
    assert parameters["start"][:3] == ["redis-server", "--port", "9000"]
    assert parameters["load"][parameters["load"].index("-r") + 1] == "5"
    assert parameters["most_s"] == 7
    assert spec.seconds is None
