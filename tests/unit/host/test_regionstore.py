"""Regions on disk: what is written is read, what was edited is refused."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.imported import Imported
from hotkit.errors import HotkitError
from hotkit.host.regionstore import keep_regions, read_regions
from hotkit.host.store import create_sweep_folder
from tests.unit.damorecords import records, same


def imported(*targets):
    return Imported(
        form="damo record", tracker="damon", unit="checks", targets=targets, notes=("a note",),
        skipped=3,
    )  # fmt: skip


@given(targets=st.lists(records(), min_size=1, max_size=3))
def test_what_is_kept_is_read(targets):
    with tempfile.TemporaryDirectory() as scratch:
        folder = create_sweep_folder(Path(scratch) / "out")
        event = keep_regions(folder, imported(*targets))
        found = read_regions(folder, [{"type": "other"}, event])
    assert (found.form, found.notes, found.skipped) == ("damo record", ("a note",), 3)
    assert len(found.targets) == len(targets)
    for one, two in zip(found.targets, targets, strict=True):
        assert same(one, two) and (one.relative, one.lost) == (two.relative, two.lost)


@pytest.fixture
def kept(tmp_path):
    from tests.unit.core.test_regions import plain

    folder = create_sweep_folder(tmp_path / "out")
    return folder, keep_regions(folder, imported(plain([(0, 4096, 1)])))


def test_an_archive_that_was_edited(kept):
    folder, event = kept
    path = folder / "raw" / "regions.npz"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(HotkitError, match="regions.npz: not what was written") as caught:
        read_regions(folder, [event])
    assert caught.value.exit_code == 1
    path.unlink()
    with pytest.raises(HotkitError, match="cannot be read: No such file"):
        read_regions(folder, [event])


def test_an_archive_of_something_else(kept):
    import hashlib

    folder, event = kept
    path = folder / "raw" / "regions.npz"
    for write in (
        lambda file: np.savez(file, nothing=np.zeros(1)),
        lambda file: file.write(b"PK nothing"),
        lambda file: np.savez(file, **{"0.start": np.array([object()])}),
    ):
        with path.open("wb") as file:
            write(file)
        event["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        with pytest.raises(HotkitError, match="not the regions of an import"):
            read_regions(folder, [event])


def test_an_import_that_was_cut_off(tmp_path):
    with pytest.raises(HotkitError, match="the import did not end"):
        read_regions(tmp_path, [])


def test_a_disk_that_is_full(tmp_path):
    from tests.unit.core.test_regions import plain

    folder = create_sweep_folder(tmp_path / "out")
    (folder / "raw").rmdir()
    with pytest.raises(HotkitError, match="regions.npz: cannot be written"):
        keep_regions(folder, imported(plain([(0, 4096, 1)])))
