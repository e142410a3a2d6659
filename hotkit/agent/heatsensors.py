"""How hot the CPUs are, and whether they were slowed down for it.

Temperatures: Documentation/hwmon/sysfs-interface.rst and driver-api/thermal/sysfs-api.rst, in
millidegrees. Throttling: /sys/devices/system/cpu/cpu*/thermal_throttle, which the kernel has on
Intel CPUs that are no guest's (arch/x86/kernel/cpu/mce/therm_throt.c).
"""

from __future__ import annotations

from pathlib import Path

from hotkit.agent.gather import line

# Sensors of other things (disks, boards, wireless) say nothing about how fast a CPU runs.
_HWMON = ("coretemp", "k10temp", "zenpower", "cpu_thermal")
_ZONES = ("x86_pkg_temp", "cpu")


def temperatures_c(root: Path = Path("/")) -> dict[str, float]:
    """Every CPU sensor that can be read, by name."""
    found: dict[str, float] = {}
    for chip in sorted(root.glob("sys/class/hwmon/hwmon*")):
        if line(str(chip / "name")) not in _HWMON:
            continue
        for path in sorted(chip.glob("temp*_input")):
            label = line(str(path.with_name(path.name.replace("_input", "_label"))))
            _add(found, f"{chip.name} {label or path.name}", path)
    for zone in sorted(root.glob("sys/class/thermal/thermal_zone*")):
        kind = line(str(zone / "type"))
        if kind.lower().startswith(_ZONES):
            _add(found, f"{zone.name} {kind}", zone / "temp")
    return found


def _add(found: dict[str, float], name: str, path: Path) -> None:
    """A sensor of a CPU that is offline, or a zone that is switched off, cannot be read."""
    said = line(str(path))
    if said.lstrip("-").isdigit():
        found[name] = int(said) / 1000


def throttled(root: Path = Path("/")) -> dict[str, int] | None:
    """How often each CPU was throttled since boot, where that is more than 0; None: not counted.

    A package's count is there once for each of its CPUs. The names are "cpu3 core", "cpu3 package".
    """
    folders = list(root.glob("sys/devices/system/cpu/cpu[0-9]*/thermal_throttle"))
    if not folders:
        return None
    found = {}
    for folder in folders:
        for path in folder.glob("*_throttle_count"):
            said = line(str(path))
            if said.isdigit() and int(said):
                found[f"{folder.parent.name} {path.name[: -len('_throttle_count')]}"] = int(said)
    return found
