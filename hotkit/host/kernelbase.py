"""What kernel/ offers: bases of the support matrix, their patches, configuration fragments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from hotkit.assets import asset
from hotkit.core.kconfig import Option, parse_fragment
from hotkit.core.patchseries import Patch, parse_series
from hotkit.errors import HotkitError
from hotkit.host.yamlsrc import read_yaml

# What a build is for: "lab" is small and self-contained, "host" goes on top of a machine's config.
FLAVOURS = ("lab", "host")
# Builds for comparison and for the proof: without the patches, or with the kernel's own checkers.
UNPATCHED = "unpatched"
VARIANTS = (UNPATCHED, "lockdep", "kasan")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Base(_Strict):
    package: str
    state: Literal["booted", "built", "applies"]
    tried: str
    objects: dict[str, int] = {}
    notes: str = ""


class _Matrix(_Strict):
    schema_version: Literal[1]
    default: str
    bases: dict[str, _Base]


@dataclass(frozen=True, slots=True)
class KernelBase:
    """A kernel that there are patches for. `package` is Debian's name of its source."""

    name: str
    package: str
    state: str
    tried: str
    notes: str
    patches: tuple[Patch, ...]
    objects: Mapping[str, int]


def kernel_bases() -> tuple[tuple[KernelBase, ...], str]:
    """All bases of kernel/support-matrix.yml, and the name of the default one."""
    source = read_yaml(asset("kernel") / "support-matrix.yml")
    try:
        matrix = _Matrix.model_validate(source.data)
    except ValidationError as error:
        raise source.explain(error) from error
    found = tuple(
        KernelBase(
            name=name,
            package=item.package,
            state=item.state,
            tried=item.tried,
            notes=item.notes,
            patches=_patches(asset("kernel") / "patches" / name),
            objects=item.objects,
        )
        for name, item in matrix.bases.items()
    )
    return found, matrix.default


def kernel_base(name: str | None) -> KernelBase:
    """The base of that name (None: the default one); HotkitError when there is none."""
    bases, default = kernel_bases()
    for base in bases:
        if base.name == (name or default):
            return base
    raise HotkitError(
        f"there are no patches for Linux {name}",
        hint=f"there are for {', '.join(base.name for base in bases)}",
    )


def fragment(flavour: str) -> tuple[Option, ...]:
    """The options of kernel/config/<flavour>.config."""
    path = asset("kernel") / "config" / f"{flavour}.config"
    return parse_fragment(path.read_text(), f"kernel/config/{path.name}")


def _patches(folder: Path) -> tuple[Patch, ...]:
    names = parse_series((folder / "series").read_text())
    return tuple(Patch(name, (folder / name).read_text()) for name in names)
