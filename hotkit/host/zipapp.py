"""Packs the agent into one file that any Python 3.9+ runs: the same sources, the same bytes."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import hotkit.agent
from hotkit.errors import HotkitError
from hotkit.host.dirs import cache_dir

# ZIP knows no earlier date; a real one would change the bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_MAIN = "import sys\nfrom hotkit.agent.__main__ import main\nsys.exit(main())\n"


@dataclass(frozen=True, slots=True)
class Built:
    """A file that we built, named by what is in it."""

    path: Path
    sha256: str


def build_agent() -> Built:
    """The agent as a zipapp in the cache; built only when its sources changed."""
    blob = _pack()
    return store_blob(blob, "agent", ".pyz")


def built_before(names: Mapping[str, str], sha256: Mapping[str, str]) -> list[Built]:
    """The files of a sweep that was begun earlier, from the cache, in the order of `names`.

    Raises HotkitError when one is not there any more: another would measure something else.
    """
    found = []
    for what, name in names.items():
        path = cache_dir() / "agent" / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != sha256[what]:
            raise HotkitError(
                f"{path}: the {what} that the sweep was begun with is not there any more",
                hint="begin a new sweep: another build would measure something else",
            )
        found.append(Built(path, sha256[what]))
    return found


def store_blob(blob: bytes, stem: str, suffix: str) -> Built:
    """Keep `blob` in the cache under a name that carries its hash; atomic, mode 0755."""
    digest = hashlib.sha256(blob).hexdigest()
    folder = cache_dir() / "agent"
    folder.mkdir(exist_ok=True, mode=0o700)
    path = folder / f"{stem}-{digest[:16]}{suffix}"
    if not path.exists():
        handle, temporary = tempfile.mkstemp(dir=folder)
        with os.fdopen(handle, "wb") as file:
            file.write(blob)
        Path(temporary).chmod(0o755)
        Path(temporary).replace(path)
    return Built(path, digest)


def _pack() -> bytes:
    root = Path(hotkit.agent.__file__).parent
    sources = {f"hotkit/agent/{p.relative_to(root)}": p.read_text() for p in root.rglob("*.py")}
    # hotkit's own __init__ is not the agent's business.
    sources |= {"__main__.py": _MAIN, "hotkit/__init__.py": ""}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(sources):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, sources[name])
    return b"#!/usr/bin/env python3\n" + buffer.getvalue()
