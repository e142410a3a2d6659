"""What is shipped to a host is built from content alone: same sources, same bytes."""

import subprocess
import sys
import zipfile

import pytest

from hotkit.host import zipapp
from hotkit.host.workload import build_hotset


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_zipapp_is_deterministic_and_needs_no_hotkit(tmp_path):
    first = zipapp.build_agent()
    blob = first.path.read_bytes()
    first.path.unlink()
    assert zipapp.build_agent() == first
    assert first.path.read_bytes() == blob
    assert all(info.date_time[0] == 1980 for info in zipfile.ZipFile(first.path).infolist())
    done = subprocess.run(
        [sys.executable, "-I", "-S", first.path, "hello"],
        cwd=tmp_path, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    assert f'"agent_sha256":"{first.sha256}"' in done.stdout


def test_hotset_is_static_and_does_the_same_work():
    built = build_hotset()
    assert build_hotset() == built
    assert b"/lib64/ld-linux" not in built.path.read_bytes()
    argv = [built.path, "--size", "65536", "--hot", "8192", "--updates", "1000", "--threads", "2"]
    sums = {
        subprocess.run(argv, input="gg", capture_output=True, text=True, check=True)
        .stdout.split('"checksum": ')[1]
        .split(",")[0]
        for _ in range(3)
    }
    assert len(sums) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--size", "5000"], "multiple of 4096"),
        (["--hot", "0"], "hot range"),
        (["--size", "4096", "--hot", "8192"], "hot range"),
        (["--threads", "0"], "--threads"),
        (["--granularity", "12"], "--granularity"),
        (["--updates", "-5"], "whole number"),
    ],
)
def test_hotset_refuses(options, words):
    done = subprocess.run(
        [build_hotset().path, *options], capture_output=True, text=True, input="", check=False
    )
    assert done.returncode == 2
    assert words in done.stderr
