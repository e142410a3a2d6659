"""What is fuzzed: every reader of text or data that came from a machine, a user or another tool.

A target takes bytes and gives them to one reader in the form in which its callers do. HotkitError
may come out, and what the reader's docstring names (`allowed`); anything else is a find. `form`
says how the bytes are changed: as they are, or as a JSON document whose values are (changes.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hotkit.core import cmdline, grubenv, kconfig, memmap, patchseries, sh_lexer
from hotkit.core.blscfg import expand_options
from hotkit.core.boot_plan import entry_plan
from hotkit.core.e820 import E820Entry
from hotkit.core.grub_cfg import predicted_cmdline, read_menu
from hotkit.core.guestkeys import GuestError
from hotkit.core.guestspec import guests_from
from hotkit.core.layout import Layout
from hotkit.core.memtree import explain
from hotkit.core.plan import plan
from hotkit.core.profile import ProfileError, profile_from_dict
from hotkit.core.ranges import Range
from hotkit.core.units import GIB, parse_size
from hotkit.errors import HotkitError
from hotkit.host.foreignrecord import read_foreign
from hotkit.host.inventory import written
from hotkit.host.jsonlines import json_lines
from hotkit.host.profiles import load_profile, parse_setting
from hotkit.host.recordspec import load_workload
from hotkit.host.sweepspec import load_sweep_spec
from hotkit.host.yamlsrc import parse_yaml
from hotkit.memory import load_facts
from hotkit.parse.bootreference import image_change, reference_from_facts
from hotkit.parse.capture import topology_from_dmesg
from hotkit.parse.cpulist import parse_cpulist
from hotkit.parse.damo_kdamonds import kdamond_intervals
from hotkit.parse.facts import check_facts, topology_from_facts
from hotkit.parse.iomem import parse_iomem
from hotkit.parse.kvm_selftest import read_witness
from hotkit.parse.madt import parse_madt
from hotkit.parse.memfacts import kind_of_text, memory_facts
from hotkit.parse.meminfo import parse_meminfo
from hotkit.parse.numactl import parse_numactl
from hotkit.parse.observed import observe
from hotkit.parse.perf_script import parse_perf_script
from hotkit.parse.pmem import regions
from hotkit.parse.recording import RecordingBuilder
from hotkit.parse.slit import parse_slit
from hotkit.parse.srat import parse_srat

ROOT = Path(__file__).resolve().parents[2]
CAPTURE = ROOT / "tests/data/captures/lab-2s-256g"
# As a machine of the lab has it: 640 KiB and 3 GiB of RAM, a hole, 1 GiB above 4 GiB.
_FIRMWARE = (
    E820Entry(range=Range(0, 0x9FC00), type=1),
    E820Entry(range=Range(0x100000, 3 * GIB), type=1),
    E820Entry(range=Range(4 * GIB, 5 * GIB), type=1),
)


@dataclass(frozen=True, slots=True)
class Target:
    """`read` gets the fuzzer's bytes, and a file that it may write where a reader wants a path."""

    name: str
    read: Callable[[bytes, Path], object]
    form: Literal["bytes", "json"] = "bytes"
    allowed: tuple[type[Exception], ...] = ()


def each(*steps: Callable[[], object]) -> None:
    """All of them, though one refuses: a caller does not ask in a fixed order."""
    for step in steps:
        try:
            step()
        except HotkitError:
            continue


def of_text(read: Callable[[str], object]) -> Callable[[bytes, Path], object]:
    """Texts come over ssh or from a file, and bytes that are none are replaced there."""
    return lambda data, file: read(data.decode(errors="replace"))


def of_json(read: Callable[[Any], object]) -> Callable[[bytes, Path], object]:
    """What is no JSON is refused by json.loads(), which is not fuzzed here."""

    def run(data: bytes, file: Path) -> object:
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            return None
        return read(value)

    return run


def of_object(read: Callable[[dict[str, Any]], object]) -> Callable[[bytes, Path], object]:
    """A reader whose callers refuse everything but an object."""
    return of_json(lambda value: read(value) if isinstance(value, dict) else None)


def of_file(read: Callable[[Path], object]) -> Callable[[bytes, Path], object]:
    def run(data: bytes, file: Path) -> object:
        file.write_bytes(data)
        return read(file)

    return run


def _layout() -> Layout:
    topology = topology_from_dmesg(
        (CAPTURE / "dmesg-boot.txt").read_text(), "lab",
        parse_numactl((CAPTURE / "numactl-all-cpus.txt").read_text()),
    )  # fmt: skip
    return plan(topology, load_profile("4C16G-remote"))


LAYOUT = _layout()


def _facts(facts: Any) -> None:
    each(lambda: observe(facts))  # looks at the facts itself
    check_facts(facts)
    each(
        lambda: topology_from_facts(facts),
        lambda: reference_from_facts(facts),
        lambda: regions(facts.get("pmem") or {}),
        lambda: image_change(facts, "/boot/vmlinuz-1"),
    )


def _boot(facts: dict[str, Any]) -> None:
    boot = facts.get("boot")
    check_facts({"schema_version": 1, "boot": boot})  # its callers have looked at all of the facts
    if boot is None:
        return
    for method in ("entry", "defaults"):
        each(lambda method=method: entry_plan(boot, LAYOUT, method=method))  # type: ignore[misc]


def _memory(document: dict[str, Any]) -> None:
    given, record = document.get("texts"), document.get("record")
    texts = {key: str(text) for key, text in (given if isinstance(given, dict) else {}).items()}
    explain(memory_facts("fuzzed", texts, record if isinstance(record, dict) else None))


def _memory_file(path: Path) -> None:
    """A single file, as a user gives it to `hotkit memory explain`."""
    explain(load_facts(str(path)))


def _grub_cfg(text: str) -> None:
    menu = read_menu(text)
    for entry in menu.entries:
        each(lambda entry=entry: predicted_cmdline(entry, menu))  # type: ignore[misc]


def _cmdline(text: str) -> None:
    cmdline.parse(text)
    cmdline.cpu_limit(text)
    cmdline.difference(["memmap=1G!4G"], text)
    cmdline.argument_problem(text)
    memmap.apply(_FIRMWARE, text)
    for escape in (False, True):
        expand_options(text, {"kernelopts": text}, understands_escape=escape)


def _recording(events: Any) -> None:
    """Events as the journal holds them: objects with a type (host/agentlink.py refuses others)."""
    builder = RecordingBuilder()
    for event in events if isinstance(events, list) else ():
        if isinstance(event, dict) and isinstance(event.get("type"), str):
            try:
                builder.add(event)
            except ValueError:
                continue
    builder.recording()


def _perf(text: str) -> None:
    each(lambda: parse_perf_script(text), lambda: parse_perf_script(text, "comm,pid,time,addr"))


def _inventory(path: Path) -> None:
    for value in written(path, "hotkit_guests"):
        guests_from(value)


def _iomem(text: str) -> None:
    found = parse_iomem(text)
    _ = found.system_ram, found.persistent, found.reserved


def _foreign(form: str) -> Callable[[bytes, Path], object]:
    return of_file(lambda path: read_foreign(path, form=form))


TARGETS = (
    Target("acpi-srat", lambda data, file: parse_srat(data)),
    Target("acpi-madt", lambda data, file: parse_madt(data)),
    Target("acpi-slit", lambda data, file: parse_slit(data)),
    Target("facts", of_json(_facts), "json"),
    Target("facts-boot", of_object(_boot), "json"),
    Target("capture", of_object(_memory), "json"),
    Target("capture-file", of_file(_memory_file)),
    Target("dmesg", of_text(lambda text: topology_from_dmesg(text, "fuzzed"))),
    Target("iomem", of_text(_iomem)),
    Target("meminfo", of_text(lambda text: (kind_of_text(text), parse_meminfo(text)))),
    Target("numactl", of_text(parse_numactl)),
    Target("cpulist", of_text(parse_cpulist)),
    Target("perf-script", of_text(_perf)),
    Target("witness", of_object(read_witness), "json"),
    Target("recording", of_json(_recording), "json"),
    Target("damo-json", _foreign("damo")),
    Target("damo-kdamonds", of_text(kdamond_intervals), allowed=(ValueError,)),
    Target("damon-trace", _foreign("damon-trace")),
    Target("memtierd", _foreign("memtierd")),
    Target("perf-mem", _foreign("perf-mem")),
    Target("json-lines", of_file(lambda path: list(json_lines(path)))),
    Target("yaml", of_text(lambda text: parse_yaml(text, Path("fuzzed.yml")))),
    Target("inventory", of_file(_inventory), allowed=(GuestError,)),
    Target("sweep", of_file(load_sweep_spec)),
    Target("workload", of_file(load_workload)),
    Target("profile", of_file(load_profile)),
    Target("profile-values", of_object(lambda data: profile_from_dict("fuzzed", data)), "json",
           allowed=(ProfileError,)),
    Target("setting", of_text(parse_setting)),
    Target("guests", of_json(guests_from), "json", allowed=(GuestError,)),
    Target("size", of_text(parse_size), allowed=(ValueError,)),
    Target("grub-cfg", of_text(_grub_cfg)),
    Target("default-grub", of_text(sh_lexer.source)),
    Target("grubenv", lambda data, file: grubenv.parse(data)),
    Target("cmdline", of_text(_cmdline)),
    Target("kconfig", of_text(lambda text: (kconfig.parse_config(text),
                                            kconfig.parse_fragment(text, "fuzzed")))),
    Target("patch-series", of_text(lambda text: (patchseries.parse_series(text),
                                                 patchseries.read_failure("a.patch", text)))),
)  # fmt: skip
