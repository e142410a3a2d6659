"""What a person gets who has no clone: sdist and wheel, built, installed, and used from nowhere.

`tests/lab/test_provision.py` provisions a machine with it.
"""

from __future__ import annotations

import json
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

import hotkit
from tests.wheel import ROOT, Installed, build, install

CAPTURE = ROOT / "tests/data/captures/lab-2s-256g"
PLAYBOOKS = sorted(item.stem for item in (ROOT / "playbooks").glob("*.yml"))


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, and the wheel that was made of it."""
    out: Path = tmp_path_factory.mktemp("dist")
    build(ROOT, out)
    return out


@pytest.fixture(scope="module")
def installed(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    (wheel,) = dist.glob("*.whl")
    return install(wheel, tmp_path_factory.mktemp("clean"))


def _contents(wheel: Path) -> dict[str, int]:
    with zipfile.ZipFile(wheel) as archive:
        return {item.filename: item.CRC for item in archive.infolist()}


def test_wheel_of_the_sdist_is_that_of_the_clone(dist: Path, tmp_path: Path) -> None:
    build(ROOT, tmp_path, "--wheel")
    (ours,), (theirs,) = tmp_path.glob("*.whl"), dist.glob("*.whl")
    assert _contents(ours) == _contents(theirs)


def test_wheel_holds_all_that_is_shipped_beside_the_package(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    names = _contents(wheel).keys()
    tracked = subprocess.run(
        ["git", "ls-files", "hotkit", "playbooks", "roles", "inventories", "kernel", "docs", "man"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    data = f"hotkit-{hotkit.__version__}.data/data/share"
    homes = {"hotkit": "hotkit", "docs": f"{data}/doc/hotkit", "man": f"{data}/man"}
    for file in tracked:
        top, _, rest = file.partition("/")
        assert f"{homes.get(top, f'hotkit/_assets/{top}')}/{rest}" in names
    assert not [name for name in names if name.endswith(".pyc")]


def test_sdist_holds_the_tests_and_the_licence(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "CHANGELOG.md", "README.md", "ansible.cfg", "tests/conftest.py"} <= names


def test_metadata_says_version_and_licence_once(installed: Installed) -> None:
    said = installed.run(
        installed.bin / "python", "-P", "-c",
        "import importlib.metadata as m, hotkit, json;"
        "d = m.metadata('hotkit');"
        "print(json.dumps([hotkit.__file__, d['Version'], d['License-Expression'],"
        " m.files('hotkit') is not None]))",
    )  # fmt: skip
    where, version, licence, _ = json.loads(said.stdout)
    assert Path(where).is_relative_to(installed.bin.parent), "the clone was used, not the wheel"
    assert version == hotkit.__version__
    assert licence == "GPL-2.0-or-later AND GPL-2.0-only"
    assert f"## {version} " in (ROOT / "CHANGELOG.md").read_text()


def test_version_and_help(installed: Installed) -> None:
    assert hotkit.__version__ in installed.hotkit("--version").stdout
    done = installed.hotkit("--help")
    assert done.returncode == 0 and "provision" in done.stdout


def test_layout_is_planned_of_a_capture(installed: Installed) -> None:
    done = installed.hotkit("layout", "plan", "4C16G-remote", "--topology", CAPTURE, "--json")
    assert done.returncode == 0, done.stderr
    assert "memmap=" in json.dumps(json.loads(done.stdout))


def test_lab_of_the_wheel_is_not_up(installed: Installed) -> None:
    """From an empty folder: the shipped inventory is found, Ansible reads it, no host answers."""
    done = installed.hotkit("provision", "inventories/lab", "--limit", "lab-small", "--check")
    assert done.returncode == 3, (done.stdout, done.stderr)
    assert "hotkit lab up" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not list(installed.empty.iterdir())


def test_shipped_sources_compile(installed: Installed) -> None:
    """Agent, workloads and scanner are made of files of the wheel; patches are listed."""
    done = installed.run(
        installed.bin / "python", "-P", "-c",
        "from hotkit.host.workload import build_hotset, build_scan;"
        "from hotkit.host.zipapp import build_agent;"
        "print(*[item.path for item in (build_hotset(), build_scan(), build_agent())])",
    )  # fmt: skip
    assert len(done.stdout.split()) == 3, done.stderr
    done = installed.hotkit("kernel", "list")
    assert done.returncode == 0 and "6.12" in done.stdout, done.stderr


def test_sweep_is_described_from_what_is_shipped(installed: Installed, tmp_path: Path) -> None:
    done = installed.hotkit("sweep", "init", tmp_path / "my.yml")
    assert done.returncode == 0, done.stderr
    assert "arms:" in (tmp_path / "my.yml").read_text()


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_shipped_playbook_stands_alone(installed: Installed, playbook: str) -> None:
    """Syntax, roles, modules and filters, with the wheel's ansible.cfg."""
    found = installed.run(
        installed.bin / "python", "-P", "-c",
        "from hotkit.assets import asset; print(asset('playbooks'), asset('inventories'))",
    ).stdout.split()  # fmt: skip
    playbooks, inventories = map(Path, found)
    assert playbooks.is_relative_to(installed.bin.parent)
    done = installed.run(
        "env", f"ANSIBLE_CONFIG={playbooks}/ansible.cfg",
        installed.bin / "python", "-P", "-m", "ansible", "playbook", "--syntax-check",
        "-i", inventories / "lab", playbooks / f"{playbook}.yml",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_manual_lies_where_man_looks(installed: Installed) -> None:
    page = installed.bin.parent / "share" / "man" / "man1" / "hotkit-provision.1"
    assert page.read_text().startswith(".")
