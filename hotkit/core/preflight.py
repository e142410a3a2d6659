"""Before anything is written: reasons not to touch a machine, and doubts worth saying."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hotkit.core.layout import Layout
from hotkit.core.units import MIB, format_size

# Tried on Debian 12 in QEMU: 160 MiB boot, 134 MiB run out of memory while booting, 8 MiB hang
# without a word so that not even panic= brings the machine back.
LEAST_RAM_BYTES = 256 * MIB
BOOT_FREE_BYTES = 1 * MIB


@dataclass(frozen=True, slots=True)
class Concern:
    """One sentence on what stands against provisioning; `step` names the check."""

    step: str
    message: str
    hint: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"step": self.step, "message": self.message, "hint": self.hint}


def preflight(
    layout: Layout,
    *,
    uid: int,
    boot_free_bytes: int,
    boot_needs_bytes: int = BOOT_FREE_BYTES,
    memory_used_bytes: int | None,
    secure_boot: bool | None,
    kernel: str,
    kernels: tuple[str, ...],
    own_kernel: bool = False,
    pmem_cost_bytes: int = 0,
    has_power: bool = False,
    force: bool = False,
) -> tuple[tuple[Concern, ...], tuple[Concern, ...]]:
    """(refusals, warnings) for booting `layout` on a machine in this condition.

    `kernel` is the path by which GRUB loads it (`/boot` may be missing in it), `kernels` the paths
    of those in /boot or to come there; `own_kernel` says that it is one of `hotkit kernel build`.
    `memory_used_bytes` is MemTotal - MemAvailable now, None when unknown; `pmem_cost_bytes` what
    the struct pages of a PMEM tier take from the DRAM that is left. A layout that cannot boot is
    refused, with `force` it is a warning; `has_power` says whether somebody could reset the
    machine without going there.
    """
    refusals: list[Concern] = []
    warnings: list[Concern] = []
    if uid != 0:
        refusals.append(
            Concern("root", f"facts were gathered by uid {uid}, not by root",
                    "set ansible_user: root, or ansible_become: true")
        )  # fmt: skip
    if boot_free_bytes < boot_needs_bytes:
        wanted = (
            f", the kernel and its initramfs may take {format_size(boot_needs_bytes)}"
            if boot_needs_bytes > BOOT_FREE_BYTES
            else ", too little to write"
        )
        refusals.append(
            Concern("space", f"/boot has {format_size(boot_free_bytes)} free{wanted}",
                    "remove old kernels: apt-get autoremove")
        )  # fmt: skip
    if kernel.rpartition("/")[2] not in {path.rpartition("/")[2] for path in kernels}:
        refusals.append(
            Concern("kernel", f"grub.cfg names {kernel}, which is not in /boot", "run update-grub")
        )
    left = sum(item.kept_bytes for item in layout.nodes)
    if left < LEAST_RAM_BYTES:
        rescue = (
            "power control would reset it then"
            if has_power
            else "and no power control is set: somebody would have to go there"
        )
        message = (
            f"the layout leaves {format_size(left)} of RAM; under {format_size(LEAST_RAM_BYTES)} "
            f"a kernel may hang where panic= does not help ({rescue})"
        )
        hint = "ask for larger tiers" + ("" if force else "; --force boots it once all the same")
        (warnings if force else refusals).append(Concern("memory", message, hint))
    elif memory_used_bytes is not None:
        warnings += _used(layout, left, memory_used_bytes, pmem_cost_bytes)
    if pmem_cost_bytes and left - pmem_cost_bytes < LEAST_RAM_BYTES:
        refusals.append(
            Concern("memory", f"struct pages of the PMEM take {format_size(pmem_cost_bytes)} of "
                    f"the {format_size(left)} of DRAM that the layout leaves",
                    "ask for less PMEM (slow.size), or for a larger fast tier")
        )  # fmt: skip
    if secure_boot and own_kernel:
        refusals.append(
            Concern("secure-boot", "Secure Boot is on, and a kernel of your own is not signed",
                    "switch Secure Boot off in the firmware")
        )  # fmt: skip
    elif secure_boot:
        warnings.append(
            Concern("secure-boot", "Secure Boot is on: only signed kernels boot (the stock one is)")
        )
    return tuple(refusals), tuple(warnings)


def _used(layout: Layout, left: int, used: int, pmem_cost: int) -> list[Concern]:
    """Doubts about boot-time memory: much of what is in use scales with the machine, not all."""
    now = f"{format_size(used)} are in use now (MemTotal - MemAvailable)"
    if pmem_cost:
        now += f", {format_size(pmem_cost)} more go to the struct pages of the PMEM"
        used += pmem_cost
    if used > left:
        return [
            Concern("memory", f"{now}, the layout leaves {format_size(left)}: the boot may run out "
                    "of memory and fall back to the stock entry",
                    "stop services, or ask for larger tiers")
        ]  # fmt: skip
    fast = sum(item.kept_bytes for item in layout.nodes if item.role == "fast")
    if used > fast:
        return [
            Concern("memory", f"{now}, the fast tier keeps {format_size(fast)}: what is started at "
                    "boot will fill it and go on in the slow tier")
        ]  # fmt: skip
    return []
