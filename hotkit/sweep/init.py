"""The story of `hotkit sweep init`: a new description on disk that the loader has read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hotkit.errors import HotkitError
from hotkit.host.sweepinit import new_description
from hotkit.host.sweepspec import SweepSpec, load_sweep_spec


def init_sweep(path: Path, trackers: Sequence[str], workload: str) -> SweepSpec:
    """Write a description that must not exist yet; returns it as it was read again.

    HotkitError when the file is there or cannot be written.
    """
    text = new_description(path.name, list(dict.fromkeys(trackers)), workload)
    try:
        with path.open("x") as file:
            file.write(text)
    except FileExistsError:
        raise HotkitError(
            f"{path}: exists already, nothing is overwritten", hint="name another file"
        ) from None
    except OSError as error:
        raise HotkitError(f"{path}: cannot be written: {error.strerror}") from error
    return load_sweep_spec(path)
