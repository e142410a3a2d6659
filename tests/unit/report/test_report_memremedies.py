"""What can be won, as it is shown: every figure and every step is there, whoever reads."""

import io

import pytest
from rich.console import Console

from hotkit.core.remedy import Remedy
from hotkit.core.units import MIB
from hotkit.report.memremedies import plain_lines, print_remedies

FOUND = (
    Remedy(name="no-pmem", sentence="Struct pages.", saves_bytes=4032 * MIB, basis="a guess",
           between=(0, 5077 * MIB), holds_bytes=5077 * MIB, settings=(("save", "no-pmem"),)),
    Remedy(name="program: [bold]x[/] (7)", sentence="x holds 8 MiB.", saves_bytes=8 * MIB,
           basis="RSS (ps)", holds_bytes=8 * MIB, step="find its unit"),
    Remedy(name="hashes", sentence="Tables.", saves_bytes=MIB, basis="computed",
           holds_bytes=MIB, settings=(("save", "hashes"), ("cpu_limit", "nr_cpus"))),
)  # fmt: skip


def shown(found, *, terminal, width=100):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=width, color_system=None)
    print_remedies(found, console)
    return console.file.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_everything_is_there(terminal):
    text = shown(FOUND, terminal=terminal)
    for part in ("4032.0 (0 to 5077)", "no-pmem: Struct pages.", "a guess", "8.0",
                 "program: [bold]x[/] (7)", "find its unit", "save: [no-pmem]",
                 "save: [no-pmem, hashes]", "cpu_limit: nr_cpus"):  # fmt: skip
        assert part in text
    assert text.index("Struct pages") < text.index("find its unit") < text.index("Tables.")
    assert ("│" in text) == terminal


def test_lines_for_a_pipe_are_never_wrapped():
    text = shown(FOUND, terminal=False, width=20)
    assert [line for line in text.splitlines() if not line.startswith("  ")][:3] == [
        "4032.0 (0 to 5077)  no-pmem: Struct pages.",
        "8.0  program: [bold]x[/] (7): x holds 8 MiB.",
        "1.0  hashes: Tables.",
    ]
    assert plain_lines(FOUND)[-1] == "    do: cpu_limit: nr_cpus; save: [hashes]"


def test_nothing_to_win():
    assert shown((), terminal=False) == "Nothing that would win a MiB is known.\n"


def test_no_profile_where_no_remedy_is_one():
    assert "profile" not in shown(FOUND[1:2], terminal=False)
