"""What a start of hotkit imports: a quick command must not pay for a slow one's libraries.

The modules are the test, not the time: `make bench` measures that (docs/benchmarks.md, startup).
"""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from hotkit.cli import cli

CAPTURE = Path(__file__).parents[2] / "data/captures/lab-2s-256g"
HEAVY = {
    "ansible", "ansible_runner", "jinja2", "jsonschema", "matplotlib", "numpy", "orjson", "pandas",
    "pydantic", "pyarrow", "pytest", "scipy", "testinfra",
}  # fmt: skip
# Of a new process: this one has imported everything for other tests.
SAY = """
import contextlib, io, json, sys
from hotkit.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    code = main(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]))
"""


def imported(*words):
    """The modules that `hotkit WORDS` had imported when it was done."""
    done = subprocess.run(
        [sys.executable, "-c", SAY, *map(str, words)], capture_output=True, text=True, check=True
    )
    code, modules = json.loads(done.stdout)
    assert code == 0, done.stderr
    return set(modules)


@pytest.mark.parametrize("words", [["--help"], ["--version"]])
def test_help_imports_no_command(words):
    found = imported(*words)
    ours = {name for name in found if name.startswith("hotkit.")}
    assert ours == {"hotkit.cli", "hotkit.cli.lazygroup", "hotkit.errors"}
    assert found.isdisjoint(HEAVY | {"rich", "yaml"})


@pytest.mark.parametrize(
    "words",
    [
        ["layout", "--help"],
        ["memory", "--help"],
        ["layout", "plan", "4C16G-remote", "--topology", CAPTURE],
        ["layout", "check", "maxcpus=4", "--topology", CAPTURE],
    ],
    ids=lambda words: " ".join(map(str, words[:2])),
)
def test_a_layout_imports_no_library_that_it_does_not_use(words):
    assert imported(*words).isdisjoint(HEAVY)


# Prints by group what its list says of each command, at several widths, and whether it is hidden;
# then what the commands say themselves. In a new process, whose modules pytest does not rewrite.
COMPARE = """
import json, click
from hotkit.cli import cli
from hotkit.cli.lazygroup import LazyGroup

def said(commands):
    return {name: [c.hidden, *map(c.get_short_help_str, (20, 45, 60, 80, 200))]
            for name, c in commands}

waiting, listed, own = [(cli, click.Context(cli))], {}, {}
for group, ctx in waiting:
    lines = list(group._listed(ctx))
    assert group is not cli or all(type(command) is click.Command for _, command in lines)
    listed[group.name] = said(lines)
    commands = [(name, group.get_command(ctx, name)) for name in group.list_commands(ctx)]
    own[group.name] = said(commands)
    waiting += [(c, click.Context(c, ctx)) for _, c in commands if isinstance(c, LazyGroup)]
print(json.dumps([listed, own]))
"""


def test_the_list_says_of_each_command_what_the_command_says_of_itself():
    """Without an import the list reads docstrings, and knows of no short help and no hiding."""
    done = subprocess.run(
        [sys.executable, "-c", COMPARE], capture_output=True, text=True, check=True
    )
    listed, own = json.loads(done.stdout)
    assert listed == own and {"cli", "layout", "memory", "sweep"} <= set(listed)
    assert all(all(words[1:]) for group in own.values() for words in group.values())


def test_completion_offers_every_command_with_its_help():
    ctx = click.Context(cli, info_name="hotkit")
    offered = {item.value: item.help for item in cli.shell_complete(ctx, "")}
    assert list(offered) == cli.list_commands(ctx)
    assert offered["verify"] == cli.get_command(ctx, "verify").get_short_help_str()
    assert [item.value for item in cli.shell_complete(ctx, "--vers")] == ["--version"]
    assert [item.value for item in cli.shell_complete(ctx, "lay")] == ["layout"]
