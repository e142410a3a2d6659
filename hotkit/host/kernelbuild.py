"""Builds a patched kernel: source, series, configuration, compiler, package; cached by their hash.

A build lives in `$XDG_CACHE_HOME/hotkit/kernels/<key>/`: the package(s), `vmlinuz`, `config` and
`manifest.json`, the record of the build. `key` is a hash of the source package, the series and the
configuration. What is being built is in `.building-<key>/` and stays there when it is cut off: the
next call goes on with it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hotkit.core.kconfig import Option, parse_config, render, unmet
from hotkit.core.patchseries import series_sha256
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.dirs import cache_dir
from hotkit.host.kernelbase import KernelBase
from hotkit.host.kernelpackage import make_packages
from hotkit.host.kernelsource import SourcePackage, apply_series, fetch, unpack
from hotkit.host.run import describe_end, require, run, spawn

Say = Callable[[str], None]
# (what is being done, done, of how many about): 0 of 0 where nobody can know.
Progress = Callable[[str, int, int], None]

KERNEL_SCHEMA_VERSION = 1
_RECIPE_VERSION = "2"  # raise when this file changes what comes out
_TOOLS = (
    ("gcc", "gcc"),
    ("make", "make"),
    ("flex", "flex"),
    ("bison", "bison"),
    ("bc", "bc"),
    ("depmod", "kmod"),
    ("dpkg-deb", "dpkg"),
    ("readelf", "binutils"),
)
# One line of make's per file: "  CC      mm/rmap.o"
_OBJECT = re.compile(r"^  (?:CC|AS|LD|AR|HOSTCC|GEN|LDS|OBJCOPY) ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides what a build is.

    `config` is a whole .config below the fragment, `modules` what lsmod says on the machine that it
    is for: no other modules are built then.
    """

    base: KernelBase
    source: SourcePackage
    flavour: str
    options: tuple[Option, ...]
    config: str | None = None
    modules: str | None = None
    # unpatched, lockdep, kasan: part of the name, so that nobody mistakes it for the real one.
    variant: str | None = None

    @property
    def key(self) -> str:
        """Twelve hex digits over source, series and configuration."""
        digest = hashlib.sha256()
        parts = (
            _RECIPE_VERSION, self.source.sha256, series_sha256(self.base.patches), self.flavour,
            render(self.options), self.config or "", self.variant or "",
            *([self.modules] if self.modules else ()),
        )  # fmt: skip
        for part in parts:
            digest.update(part.encode() + b"\0")
        return digest.hexdigest()[:12]

    @property
    def release(self) -> str:
        """What uname -r will say: 6.1.192-hotkit-lab-0123456789ab."""
        return self.source.release + self.local_version

    @property
    def local_version(self) -> str:
        name = self.flavour + (f"-{self.variant}" if self.variant else "")
        return f"-hotkit-{name}-{self.key}"


@dataclass(frozen=True, slots=True)
class BuiltKernel:
    """A finished build in the cache."""

    path: Path
    record: Mapping[str, Any] = field(hash=False, compare=False)

    @property
    def key(self) -> str:
        return self.path.name

    @property
    def release(self) -> str:
        return str(self.record["release"])

    @property
    def vmlinuz(self) -> Path:
        return self.path / "vmlinuz"

    @property
    def packages(self) -> tuple[Path, ...]:
        return tuple(self.path / item["file"] for item in self.record["packages"])


def kernels_dir() -> Path:
    path = cache_dir() / "kernels"
    path.mkdir(exist_ok=True, mode=0o700)
    return path


def built_kernels() -> tuple[BuiltKernel, ...]:
    """All finished builds in the cache, the newest last."""
    found = [_read(path.parent) for path in kernels_dir().glob("[0-9a-f]*/manifest.json")]
    return tuple(sorted(found, key=lambda item: str(item.record["built"])))


def find_kernel(key: str) -> BuiltKernel | None:
    path = kernels_dir() / key
    return _read(path) if (path / "manifest.json").exists() else None


def build_kernel(recipe: Recipe, say: Say, progress: Progress, *, jobs: int) -> BuiltKernel:
    """The kernel of this recipe, built unless it is in the cache."""
    if built := find_kernel(recipe.key):
        return built
    for tool, package in _TOOLS:
        require(tool, package)
    for header, package in (("gelf.h", "libelf-dev"), ("openssl/opensslv.h", "libssl-dev")):
        _require_header(header, package)
    work = kernels_dir() / f".building-{recipe.key}"
    with _builder_lock(recipe.key, say):
        if built := find_kernel(recipe.key):
            return built
        if work.exists():
            say("going on with a build that was cut off")
        work.mkdir(exist_ok=True, mode=0o700)
        return _Build(recipe, work, say, progress, jobs).run()


@dataclass(slots=True)
class _Build:
    recipe: Recipe
    work: Path
    say: Say
    progress: Progress
    jobs: int
    timings: dict[str, float] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    def run(self) -> BuiltKernel:
        """Each step leaves its mark, so that a build that is cut off goes on after it."""
        with self._step("source", "1/5 source"):
            date = self._source()
        with self._step("config", "2/5 configuration"):
            self._configure()
        with self._step("compile", "3/5 compiling"):
            warnings, objects = self._compile(date)
        with self._step("install", "4/5 files of the package"):
            stage = self._stage(date)
        with self._step("package", "5/5 packages"):
            packages = make_packages(stage, self.work / "out", self.recipe.release, date)
        return self._finish(packages, warnings, objects)

    @contextmanager
    def _step(self, name: str, text: str) -> Iterator[None]:
        self.say(text)
        began = time.monotonic()
        yield
        self.timings[f"{name}_s"] = round(time.monotonic() - began, 1)

    @property
    def _tree(self) -> Path:
        return self.work / "source"

    def _source(self) -> int:
        stamp = self.work / "source.date"
        if not stamp.exists():
            shutil.rmtree(self._tree, ignore_errors=True)
            self.progress("fetching and unpacking", 0, 0)
            date = unpack(fetch(self.recipe.source), self._tree)
            self.progress("applying patches", 0, 0)
            apply_series(self._tree, self.recipe.base.patches)
            stamp.write_text(str(date))
        return int(stamp.read_text())

    def _make_words(self, date: int) -> list[str]:
        stamp = datetime.fromtimestamp(date, UTC).strftime("%a %b %e %H:%M:%S UTC %Y")
        return [
            "make", f"LOCALVERSION={self.recipe.local_version}", "KBUILD_BUILD_USER=hotkit",
            "KBUILD_BUILD_HOST=hotkit", f"KBUILD_BUILD_TIMESTAMP={stamp}", "KBUILD_BUILD_VERSION=1",
        ]  # fmt: skip

    def _configure(self) -> None:
        """Our options over nothing (lab) or over a machine's own config; all must come out."""
        options, config = self.recipe.options, self._tree / ".config"
        wanted = self.work / "wanted.config"
        wanted.write_text(render(options))
        fresh = self.work / "config.done"
        if not fresh.exists():
            if self.recipe.config is None:
                run(["make", "-s", "allnoconfig"], cwd=self._tree, timeout=300,
                    env={"KCONFIG_ALLCONFIG": str(wanted)})  # fmt: skip
            else:
                config.write_text(self.recipe.config)
                if self.recipe.modules is not None:
                    self._only_modules(self.recipe.modules)
                with config.open("a") as stream:
                    stream.write("\n" + wanted.read_text())
                run(["make", "-s", "olddefconfig"], cwd=self._tree, timeout=300)
            fresh.touch()
        missing = unmet(options, parse_config(config.read_text()))
        known = _known_options(self._tree) if missing else frozenset()
        # An option that this Linux has not (any more) is noted; one that it has must come out.
        self.unknown = [item.option.name for item in missing if item.option.name not in known]
        missing = tuple(item for item in missing if item.option.name in known)
        if self.unknown:
            self.say(f"not in this Linux: {', '.join(self.unknown)}")
        if missing:
            fresh.unlink()
            raise HotkitError(
                "; ".join(item.sentence for item in missing[:5]),
                hint="an option that it depends on is not in the configuration",
                exit_code=ExitCode.VERDICT_FAILED,
            )

    def _only_modules(self, lsmod: str) -> None:
        """Drop all modules from .config but these, and those that they need."""
        loaded = self.work / "lsmod"
        loaded.write_text(lsmod)
        # Options that are new in this Linux get their defaults first: localmodconfig would ask.
        run(["make", "-s", "olddefconfig"], cwd=self._tree, timeout=300)
        run(["make", "-s", "localmodconfig"], cwd=self._tree, timeout=300, input="",
            env={"LSMOD": str(loaded)})  # fmt: skip

    def _compile(self, date: int) -> tuple[list[str], int]:
        """Returns the compiler's warnings, and how many objects there are in all."""
        log = self.work / "build.log"
        known = self.recipe.base.objects.get(self.recipe.flavour, 0)
        targets = ["bzImage"]
        if self._has_modules:
            targets.append("modules")
        done = sum(1 for line in _lines(log) if _OBJECT.match(line))
        with (
            log.open("a") as kept,
            spawn(
                [*self._make_words(date), f"-j{self.jobs}", *targets], cwd=self._tree,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True,
            ) as child,
        ):  # fmt: skip
            assert child.stdout is not None
            for line in child.stdout:
                kept.write(line)
                done += bool(_OBJECT.match(line))
                self.progress("compiling", done, known)
            code = child.wait()
        if code:
            bad = [line for line in _lines(log) if re.search(r"(?i)error|\*\*\*", line)]
            kept_log = kernels_dir() / f"{self.recipe.key}.log"
            shutil.copyfile(log, kept_log)
            raise HotkitError(
                f"the kernel did not build (make {describe_end(code)}): "
                + (bad[0].strip() if bad else "see the log"),
                hint=f"log: {kept_log}; hotkit kernel build goes on from here",
                exit_code=ExitCode.VERDICT_FAILED,
            )
        return [line.strip() for line in _lines(log) if "warning:" in line], done

    def _stage(self, date: int) -> Path:
        """The files as they will lie on a host. Outside the names that update-grub looks for."""
        stage = self.work / "stage"
        shutil.rmtree(stage, ignore_errors=True)
        boot = stage / "boot" / "hotkit"
        boot.mkdir(parents=True)
        release = self.recipe.release
        said = run([*self._make_words(date), "-s", "kernelrelease"], cwd=self._tree).stdout.strip()
        if said != release:
            raise HotkitError(f"the tree calls itself {said}, not {release}")
        image = "arch/x86/boot/bzImage"
        for source, name in ((image, "vmlinuz"), (".config", "config"), ("System.map",) * 2):
            shutil.copyfile(self._tree / source, boot / f"{name}-{release}")
        if self._has_modules:
            run(
                [*self._make_words(date), "-s", "modules_install", f"INSTALL_MOD_PATH={stage}",
                 "INSTALL_MOD_STRIP=1", f"DEPMOD={require('depmod', 'kmod')}"],
                cwd=self._tree, timeout=1800,
            )  # fmt: skip
        else:
            self._no_modules(stage)
        for link in ("build", "source"):
            (stage / "lib" / "modules" / release / link).unlink(missing_ok=True)
        return stage

    @property
    def _has_modules(self) -> bool:
        return "m" in parse_config((self._tree / ".config").read_text()).values()

    def _no_modules(self, stage: Path) -> None:
        """What a host's mkinitramfs and modprobe read of a kernel that has all built in."""
        folder = stage / "lib" / "modules" / self.recipe.release
        folder.mkdir(parents=True)
        for name in ("modules.builtin", "modules.builtin.modinfo"):
            shutil.copyfile(self._tree / name, folder / name)
        (folder / "modules.order").touch()
        run([require("depmod", "kmod"), "-b", stage, self.recipe.release], timeout=60)

    def _finish(self, packages: Sequence[Path], warnings: list[str], objects: int) -> BuiltKernel:
        out, release = self.work / "out", self.recipe.release
        boot = self.work / "stage" / "boot" / "hotkit"
        shutil.copyfile(boot / f"vmlinuz-{release}", out / "vmlinuz")
        shutil.copyfile(boot / f"config-{release}", out / "config")
        recipe = self.recipe
        record = {
            "schema_version": KERNEL_SCHEMA_VERSION,
            "key": recipe.key,
            "release": release,
            "base": recipe.base.name,
            "flavour": recipe.flavour,
            "variant": recipe.variant,
            "built": datetime.now(UTC).isoformat(timespec="seconds"),
            "build_id": build_id(self._tree / "vmlinux"),
            "vmlinuz_sha256": _sha256(out / "vmlinuz"),
            "boot_bytes": sum(path.stat().st_size for path in boot.iterdir()),
            "source": {
                "package": recipe.source.package,
                "version": recipe.source.version,
                "sha256": recipe.source.sha256,
            },
            "patches": [
                {"name": patch.name, "sha256": patch.sha256, "subject": patch.subject}
                for patch in recipe.base.patches
            ],
            "config_sha256": _sha256(out / "config"),
            "unknown_options": self.unknown,
            "compiler": run(["gcc", "--version"]).stdout.splitlines()[0],
            "jobs": self.jobs,
            "objects": objects,
            "warnings": warnings,
            "timings": self.timings,
            "packages": [{"file": item.name, "sha256": _sha256(item)} for item in packages],
        }
        (out / "manifest.json").write_text(json.dumps(record, indent=1) + "\n")
        final = kernels_dir() / recipe.key
        out.rename(final)
        shutil.rmtree(self.work)
        return _read(final)


def build_id(vmlinux: Path) -> str:
    """The GNU build id, which the running kernel shows in /sys/kernel/notes."""
    notes = run(["readelf", "-n", vmlinux]).stdout
    match = re.search(r"Build ID: ([0-9a-f]+)", notes)
    if match is None:
        raise HotkitError(f"{vmlinux} has no build id")
    return match[1]


def _known_options(tree: Path) -> frozenset[str]:
    """The names that the tree's Kconfig files define."""
    texts = (path.read_text(errors="replace") for path in tree.rglob("Kconfig*") if path.is_file())
    found = (re.findall(r"^\s*(?:menu)?config (\w+)", text, re.MULTILINE) for text in texts)
    return frozenset(name for names in found for name in names)


def _read(path: Path) -> BuiltKernel:
    return BuiltKernel(path, json.loads((path / "manifest.json").read_text()))


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _lines(log: Path) -> list[str]:
    return log.read_text(errors="replace").splitlines() if log.exists() else []


def _require_header(name: str, package: str) -> None:
    tried = run(["gcc", "-E", "-x", "c", "-"], input=f"#include <{name}>\n", check=False)
    if tried.returncode:
        raise HotkitError(f"<{name}> is not installed", hint=f"apt-get install {package}")


@contextmanager
def _builder_lock(key: str, say: Say) -> Iterator[None]:
    with (kernels_dir() / f".{key}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another hotkit is building this kernel: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def default_jobs() -> int:
    return len(os.sched_getaffinity(0))
