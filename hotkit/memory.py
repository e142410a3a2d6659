"""Where the facts on a machine's memory come from, and a directory that keeps them (a capture)."""

from __future__ import annotations

import base64
import binascii
import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hotkit.core.memfacts import MemoryFacts
from hotkit.core.plaintext import plain_line
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.onescript import one_script
from hotkit.host.script import run_here, run_over
from hotkit.parse.memfacts import kind_of_text, memory_facts
from hotkit.parse.srat import parse_srat
from hotkit.topology import way_of

CAPTURE_SCHEMA_VERSION = 1
# In the order in which they need each other.
_MODULES = (
    "bootimages", "cpulist", "gather", "stackname", "pagetable", "pagetrace", "pageowner",
    "memholders", "memreserved", "gathermemory",
)  # fmt: skip
# A source becomes a file's name: a host's answer must not choose where we write.
_SOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_RECORD, _TOPOLOGY = "memory.json", "facts.json"
_MOST_FILE_BYTES = 64 << 20
_HINT = "take one: hotkit memory capture HOST --out DIR"


def memory_script() -> str:
    """The one script that prints what a machine says of its memory."""
    return one_script("hotkit.agent", _MODULES, "gathermemory")


def gather(ref: str, inventory: str | Path | None = None) -> tuple[dict[str, str], dict[str, Any]]:
    """(texts by source, record) of `local`, ssh://[user@]host[:port], or a host of `inventory`.

    Changes nothing there. Raises HotkitError, with exit code 3 when the host does not answer.
    """
    if ref == "local":
        return _document(run_here(memory_script()), "this machine")
    return _document(run_over(way_of(ref, inventory), memory_script()), ref)


def load_facts(ref: str, inventory: str | Path | None = None) -> MemoryFacts:
    """The facts that `ref` names: what `gather` takes, a capture's directory, or a single file.

    A file is a meminfo, a table of `numactl -H`, or the JSON of the script.
    """
    path = Path(ref).expanduser()
    if ref != "local" and not ref.startswith("ssh://"):
        if path.is_dir():
            texts, record = read_capture(path)
            return memory_facts(str((record or {}).get("hostname") or path.name), texts, record)
        if path.is_file():
            return _from_file(path)
        if "/" in ref or path.suffix in (".txt", ".json"):
            raise HotkitError(f"{ref}: no such file or directory", hint=_HINT)
    texts, live = gather(ref, inventory)
    return memory_facts(str(live.get("hostname") or ref) if ref == "local" else ref, texts, live)


def read_capture(folder: Path) -> tuple[dict[str, str], dict[str, Any] | None]:
    """(texts by source, record) of a capture: every *.txt, and memory.json if it is there.

    One that is damaged is read as far as it goes; the record's problems name what was not read.
    """
    texts: dict[str, str] = {}
    problems: list[str] = []
    for path in sorted(folder.glob("*.txt")):
        try:
            texts[path.stem] = _text(path)
        except HotkitError as error:
            problems.append(error.message)
    if not texts and not (folder / _RECORD).exists():
        raise HotkitError(f"{folder} holds no capture: no *.txt is in it", hint=_HINT)
    record = _json(folder / _RECORD, problems)
    topology = _json(folder / _TOPOLOGY, problems)
    if record is None and not problems:
        return texts, None
    record = record or {}
    if topology is not None:
        record["topology"] = topology
    said = record.get("problems")
    record["problems"] = [*(said if isinstance(said, list) else []), *problems]
    return texts, record


def write_capture(folder: Path, texts: Mapping[str, str], record: Mapping[str, Any]) -> None:
    """Make `folder` a capture: all of it or nothing. Only root's eyes saw some of it: mode 0700.

    Takes the place of an older capture that this function wrote, of nothing else. The machine's
    topology becomes facts.json, so that the directory is a topology reference too.
    """
    folder = folder.expanduser()
    if folder.exists() and not _ours(folder):
        raise HotkitError(
            f"{folder} is no capture of hotkit's: it is not overwritten",
            hint="--out another directory, or an empty one",
        )
    rest = {key: value for key, value in record.items() if key != "topology"}
    rest["schema_version"] = CAPTURE_SCHEMA_VERSION
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise HotkitError(f"{folder} cannot be made: {error.strerror}") from error
    try:
        for source, text in texts.items():
            (made / f"{_source(source)}.txt").write_text(text, encoding="utf-8")
        if record.get("topology"):
            (made / _TOPOLOGY).write_text(json.dumps(record["topology"], indent=1))
        (made / _RECORD).write_text(json.dumps(rest, indent=1) + "\n")
        if folder.exists():
            _swap(made, folder)
        else:
            made.rename(folder)
    except OSError as error:
        raise HotkitError(f"{folder} cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _swap(made: Path, folder: Path) -> None:
    """`made` takes the place of `folder`, whose files go only then."""
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        folder.rename(old)
        try:
            made.rename(folder)
        except OSError:
            old.rename(folder)
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _ours(folder: Path) -> bool:
    """Whether this may go: an empty directory, or nothing but what write_capture() writes."""
    if not folder.is_dir() or folder.is_symlink():
        return False
    files = list(folder.iterdir())
    if not files:
        return True
    known = all(
        item.is_file() and (item.suffix == ".txt" or item.name in (_RECORD, _TOPOLOGY))
        for item in files
    )
    record = _json(folder / _RECORD, [])
    return known and record is not None and "schema_version" in record


def _document(text: str, where: str) -> tuple[dict[str, str], dict[str, Any]]:
    """The script's answer, looked at as what a stranger says."""
    try:
        document = json.loads(text)
        version, texts, record = (document[key] for key in ("schema_version", "texts", "record"))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise HotkitError(
            f"{where}: what came back is no capture: {plain_line(text, 80)!r}",
            exit_code=ExitCode.VERDICT_FAILED,
        ) from error
    if version != CAPTURE_SCHEMA_VERSION:
        raise HotkitError(f"{where}: schema_version {version!r:.20} is not known here")
    if not isinstance(texts, dict) or not isinstance(record, dict):
        raise HotkitError(f"{where}: what came back is no capture: texts or record is no object")
    checked = {_source(source): str(item) for source, item in texts.items()}
    record.setdefault("problems", [])
    if not record.get("pmem_bytes"):
        record["pmem_bytes"] = _pmem_bytes(record, record["problems"])
    return checked, record


def _source(name: str) -> str:
    if not _SOURCE.fullmatch(name):
        raise HotkitError(f"{plain_line(name, 80)!r} is no name of a source")
    return name


def _pmem_bytes(record: Mapping[str, Any], problems: list[str]) -> dict[str, int]:
    """What the firmware calls non-volatile, per node; keys are text, as JSON wants them."""
    table = ((record.get("topology") or {}).get("acpi") or {}).get("SRAT")
    if not table:
        return {}
    try:
        srat = parse_srat(base64.b64decode(table, validate=True))
    except (HotkitError, binascii.Error, ValueError) as error:
        problems.append(f"the firmware's SRAT cannot be read: {plain_line(str(error))}")
        return {}
    found: dict[str, int] = {}
    for item in srat.memory:
        if item.nonvolatile:
            node = str(srat.nodes[item.domain])
            found[node] = found.get(node, 0) + item.range.size_bytes
    return found


def _from_file(path: Path) -> MemoryFacts:
    text = _text(path)
    if text.lstrip().startswith("{"):
        texts, record = _document(text, str(path))
        return memory_facts(str(record.get("hostname") or path.stem), texts, record)
    return memory_facts(path.stem, {kind_of_text(text) or "meminfo": text}, None)


def _text(path: Path) -> str:
    """A file's text; bytes that are none are replaced. Raises HotkitError with a sentence."""
    try:
        if path.stat().st_size > _MOST_FILE_BYTES:
            raise HotkitError(f"{path} is larger than {_MOST_FILE_BYTES >> 20} MiB: no capture")
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise HotkitError(f"{path} cannot be read: {error.strerror}") from error


def _json(path: Path, problems: list[str]) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        found = json.loads(_text(path))
    except HotkitError as error:
        problems.append(error.message)
        return None
    except (ValueError, RecursionError) as error:
        problems.append(f"{path} is damaged: {plain_line(str(error), 120)}")
        return None
    if not isinstance(found, dict):
        problems.append(f"{path} is damaged: no object is in it")
        return None
    return found
