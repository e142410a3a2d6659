"""The patched kernel that a host is to boot: which build, and what of it goes where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hotkit.core.layout import Layout
from hotkit.core.units import MIB

# Outside the names that update-grub looks for: neither the default nor the stock entry changes.
FOLDER = "/boot/hotkit"
# What an initramfs with the modules of a distribution's kernel takes; the lab's is smaller.
INITRD_BYTES = 64 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelWish:
    """One build of `hotkit kernel build`. `packages` maps "deb" and "rpm" to file and sha256.

    `init_bytes` is the kernel's own init_size (Documentation/x86/boot.rst), 0 when unknown.
    """

    release: str
    build_id: str
    vmlinuz_sha256: str
    boot_bytes: int
    packages: Mapping[str, Mapping[str, str]]
    init_bytes: int = 0

    @property
    def vmlinuz(self) -> str:
        return f"{FOLDER}/vmlinuz-{self.release}"

    @property
    def initrd(self) -> str:
        return f"{FOLDER}/initrd.img-{self.release}"

    def arguments(self, layout: Layout) -> tuple[str, ...]:
        """Remote DRAM is a slow tier for the patched kernel only when it is told so."""
        remote = any(node.role == "slow" for node in layout.nodes) and layout.slow_pmem is None
        return ("hotkit.cpuless_lower_tier=1",) if remote else ()

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "release": self.release,
            "build_id": self.build_id,
            "vmlinuz_sha256": self.vmlinuz_sha256,
            "boot_bytes": self.boot_bytes,
            "init_bytes": self.init_bytes,
            "packages": {kind: dict(item) for kind, item in self.packages.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> KernelWish:
        """Inverse of `to_dict`."""
        return cls(
            release=data["release"],
            build_id=data["build_id"],
            vmlinuz_sha256=data["vmlinuz_sha256"],
            boot_bytes=data["boot_bytes"],
            # A record on a host may be older than this.
            init_bytes=data.get("init_bytes", 0),
            packages=data["packages"],
        )


def package_kind(os_release: Mapping[str, str]) -> str:
    """ "deb" or "rpm", by the distribution that /etc/os-release names."""
    said = [os_release[key] for key in ("ID", "ID_LIKE") if key in os_release]
    family = {word for names in said for word in names.split()}
    return "rpm" if family & {"rhel", "fedora", "centos", "suse", "opensuse", "sles"} else "deb"
