"""mask_units on the real systemd: its generators read the layout's arguments and an fstab, and its
own transaction says what would start. This is what docs/layouts.md says of mounts, and why
core/unit_preflight.py refuses."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hotkit.core.savings import save_arguments

SYSTEMD = Path("/lib/systemd/systemd")
GENERATORS = Path("/usr/lib/systemd/system-generators")
NOBODY = 65534

pytestmark = pytest.mark.skipif(
    not SYSTEMD.exists() or not (GENERATORS / "systemd-debug-generator").exists(),
    reason="no systemd is installed here",
)

Started = Callable[[str, tuple[str, ...]], set[str]]


@pytest.fixture
def started() -> Iterator[Started]:
    """What sysinit.target starts with this fstab and these units masked on the command line."""
    # Not tmp_path: systemd tests nothing as root, and nobody may not look into that.
    folder = Path(tempfile.mkdtemp(prefix="hotkit-units-"))
    folder.chmod(0o755)

    def run(fstab: str, mask: tuple[str, ...]) -> set[str]:
        places = [folder / name for name in ("normal", "early", "late")]
        for place in places:
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
        (folder / "fstab").write_text(fstab)
        line = " ".join(("root=/dev/vda1 ro", *save_arguments([], mask, 1 << 30)))
        env = {"SYSTEMD_FSTAB": str(folder / "fstab"), "SYSTEMD_PROC_CMDLINE": line,
               "PATH": os.environ["PATH"]}  # fmt: skip
        for name in ("systemd-debug-generator", "systemd-fstab-generator"):
            subprocess.run([GENERATORS / name, *places], env=env, check=True)
        normal, early, late = places
        units = f"{early}:{normal}:/lib/systemd/system:{late}"
        done = subprocess.run(
            [SYSTEMD, "--test", "--system", "--no-pager", "--unit=sysinit.target"],
            env=env | {"SYSTEMD_UNIT_PATH": units, "HOME": str(folder)},
            user=NOBODY if os.geteuid() == 0 else None, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return set(re.findall(r"Action: (\S+) -> start", done.stdout))

    yield run
    shutil.rmtree(folder)


FSTAB = "/dev/vda1 / ext4 defaults 0 1\n/dev/vdb1 /data f2fs {} 0 0\n/dev/vdc1 /other ext4 {} 0 0\n"
OTHERS = {"other.mount", "systemd-remount-fs.service"}


def test_without_a_mask_everything_is_mounted(started: Started) -> None:
    for options in ("defaults", "nofail"):
        assert started(FSTAB.format(options, "defaults"), ()) >= {"data.mount", *OTHERS}


def test_an_optional_mount_stays_away_alone(started: Started) -> None:
    found = started(FSTAB.format("nofail", "defaults"), ("data.mount",))
    assert "data.mount" not in found and found >= OTHERS


def test_a_required_mount_takes_others_with_it(started: Started) -> None:
    found = started(FSTAB.format("defaults", "defaults"), ("data.mount",))
    assert "data.mount" not in found
    assert not found >= OTHERS


def test_a_service_stays_away_alone(started: Started) -> None:
    every = started(FSTAB.format("nofail", "nofail"), ())
    masked = started(FSTAB.format("nofail", "nofail"), ("kmod-static-nodes.service",))
    assert every - masked == {"kmod-static-nodes.service"}
