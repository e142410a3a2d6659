"""The report of 100,000 runs, with the journal lines of a real run: complete, and below 500 MB.

How long it takes is in docs/benchmarks.md (`tools/bench.py big-report`): a busy machine is slow.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotkit.host.store import JOURNAL
from tests.integration.bigsweep import ARMS, measure_small, multiply

RUNS = 100_000
MOST_BYTES = 500e6
# The peak of this process's own memory: what wait4 says of a child begins with its parent's.
REPORT = """
import sys
from pathlib import Path
from hotkit.cli import main
code = main(["report", *sys.argv[2:]])
Path(sys.argv[1]).write_text(Path("/proc/self/status").read_text())
sys.exit(code)
"""


@pytest.fixture(scope="module")
def sweep(tmp_path_factory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("big")
    yield multiply(measure_small(folder / "small"), folder / "sweep", RUNS)
    shutil.rmtree(folder)  # pytest would keep three of them, of 350 MB


def report(sweep: Path, *words: object) -> tuple[str, float]:
    """What it printed, and the most memory that it had, in bytes."""
    status = sweep / "status"
    argv = [sys.executable, "-c", REPORT, status, sweep, *words]
    done = subprocess.run([*map(str, argv)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (kib,) = re.findall(r"^VmHWM:\s+(\d+) kB$", status.read_text(), re.M)
    return done.stdout, 1024 * int(kib)


def test_the_journal_is_what_a_real_sweep_writes(sweep):
    with (sweep / JOURNAL).open() as journal:
        lengths = [len(line) for line, _ in zip(journal, range(40_000), strict=False)]
    # Four lines a run, 2 to 4 kB of them: the counters of a machine.
    assert len(lengths) == 40_000 and 2_000 < 4 * sum(lengths) / len(lengths) < 8_000
    assert (sweep / JOURNAL).stat().st_size > 200e6


def test_on_the_terminal(sweep):
    said, most = report(sweep)
    assert "trustworthy" in said.splitlines()[0] and "NOT" not in said.splitlines()[0]
    assert f"{RUNS // (2 + len(ARMS))} runs each" in said
    for arm, percent in (("softdirty", "+5.00 %"), ("slow", "+2.00 %"), ("fast", "+6.00 %")):
        assert any(arm in line and percent in line for line in said.splitlines())
    assert most < MOST_BYTES, f"{most / 1e6:.0f} MB"


def test_as_html(sweep, tmp_path):
    file = tmp_path / "big.html"
    _, most = report(sweep, "--html", file)
    text = file.read_text()
    assert text.rstrip().endswith("</html>") and text.count("<svg ") >= 5
    # A figure has a thousand points at most: the page of many runs is no larger than of few.
    assert len(text) < 500_000
    assert most < MOST_BYTES, f"{most / 1e6:.0f} MB"
