"""Before anything is written: reasons not to touch a machine, and doubts worth saying."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hotkit.core.bootmemory import Fit, Forecast
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
    forecast: Forecast | None,
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
    `forecast` is what the layout will leave, None when the facts do not show enough for one;
    `pmem_cost_bytes` what the struct pages of a PMEM tier take from the DRAM that is left. A layout
    that cannot boot is refused, with `force` it is a warning; `has_power` says whether somebody
    could reset the machine without going there.
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
    concerns = _memory(layout, forecast, pmem_cost_bytes, has_power=has_power, force=force)
    for refused, concern in concerns:
        (refusals if refused and not force else warnings).append(concern)
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


def _memory(
    layout: Layout, forecast: Forecast | None, pmem_cost: int, *, has_power: bool, force: bool
) -> Iterator[tuple[bool, Concern]]:
    """(cannot boot, why) and doubts about what the layout leaves."""
    left = sum(item.kept_bytes for item in layout.nodes)
    rescue = (
        "power control would reset it then"
        if has_power
        else "and no power control is set: somebody would have to go there"
    )
    hint = "ask for larger tiers" + ("" if force else "; --force boots it once all the same")
    if pmem_cost and left - pmem_cost < LEAST_RAM_BYTES:
        message = (
            f"struct pages of the PMEM take {format_size(pmem_cost)} of the {format_size(left)} "
            "of DRAM that the layout leaves"
        )
        yield True, Concern("memory", message, f"less PMEM (slow.size), or {hint}")
    elif forecast is None and left < LEAST_RAM_BYTES:
        message = (
            f"the layout leaves {format_size(left)} of RAM; under {format_size(LEAST_RAM_BYTES)} "
            f"a kernel may hang where panic= does not help ({rescue})"
        )
        yield True, Concern("memory", message, hint)
    elif forecast is not None and forecast.fit is not Fit.FITS:
        refused = forecast.fit is Fit.NO_BOOT
        message = f"the layout {forecast.sentence}"
        if left < LEAST_RAM_BYTES:
            message += f"; so small a kernel may hang where panic= does not help ({rescue})"
        ways = f"{hint}; what can be won: hotkit memory predict"
        yield refused, Concern("memory", message, ways)
    elif forecast is not None:
        yield from _spills(layout, forecast)


def _spills(layout: Layout, forecast: Forecast) -> Iterator[tuple[bool, Concern]]:
    """A fast tier that boot alone fills."""
    fast = {item.node for item in layout.nodes if item.role == "fast"}
    room = sum(node.memtotal_bytes for node in forecast.nodes if node.node in fast)
    if forecast.used[1] > room:
        used, has = format_size(forecast.used[1]), format_size(room)
        yield (
            False,
            Concern(
                "memory",
                f"{used} will be in use after boot, the fast tier has {has}: what is started at "
                "boot fills it and goes on in the slow tier",
                "stop services, or ask for a larger fast tier",
            ),
        )
