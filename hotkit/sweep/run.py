"""The story of `hotkit sweep`: hosts side by side, on each host one part after the other.

read (description, hosts) -> decide (parts, schedules) -> act (install, run, journal). What was
found is read from the directories again (hotkit/sweep/folder.py, hotkit/sweep/group.py).
"""

from __future__ import annotations

from pathlib import Path

import hotkit
from hotkit.agentplace import find_places, place_of
from hotkit.errors import HotkitError
from hotkit.host.runs import new_run_folder
from hotkit.host.store import (
    GROUP,
    MANIFEST,
    create_sweep_folder,
    part_folders,
    read_manifest,
    write_once,
)
from hotkit.host.sweepspec import SweepSpec, load_sweep_spec
from hotkit.measuring import now
from hotkit.sweep.begin import PartKey, Whole, parts_of
from hotkit.sweep.hosts import Job, carry_out
from hotkit.sweep.part import Part
from hotkit.sweep.progress import Watch


def sweep(
    description: Path | None = None,
    *,
    inventory: str | Path = "lab",
    limit: str | None = None,
    local: bool = False,
    out: Path | None = None,
    watch: Watch = lambda progress: None,
) -> Path:
    """Measure; returns the sweep's directory: `out`, or a new one below the state directory.

    Over all running hosts of the inventory within `limit`; `local` measures this machine, without
    inventory or ssh. Hosts are rebooted into the layouts that the description names: the caller
    has asked somebody. Everything is in the directory, also when the sweep is cut off: `resume`
    goes on. Raises HotkitError, with exit code 130 after Ctrl-C (once: after the runs under way;
    twice: at once; three times: the agents are left to themselves).
    """
    spec = load_sweep_spec(description)
    places = find_places(inventory, limit, local)
    if spec.layouts and local:
        raise HotkitError(
            "layouts: this machine is not booted into another layout by itself",
            hint="name an inventory, or leave layouts out to measure it as it is",
        )
    known = places[0].inventory
    whole = Whole(
        folder=create_sweep_folder(out.absolute() if out else new_run_folder("sweep")),
        spec=spec,
        description_file=str(description) if description else "sweep-default.yml (shipped)",
        inventory=str(known.path) if known else None,
    )
    keys = parts_of(spec, [place.name for place in places])
    if len(keys) > 1:
        write_once(
            whole.folder / GROUP,
            {
                "created": now(),
                "hotkit": hotkit.__version__,
                "description_file": whole.description_file,
                "description": spec.model_dump(mode="json"),
                "inventory": whole.inventory,
                "parts": [key.to_dict() for key in keys],
            },
        )
    carry_out(
        Job(whole=whole, watch=watch),
        {place: [k for k in keys if k.host == place.name] for place in places},
    )
    return whole.folder


def resume(folder: Path, *, watch: Watch = lambda progress: None) -> Path:
    """Go on with a sweep that was cut off, whatever cut it off; returns its directory.

    Of a sweep that is finished nothing is done again. Raises HotkitError as `sweep` does.
    """
    folder = folder.absolute()
    if not (folder / GROUP).exists() and not (folder / MANIFEST).exists():
        raise HotkitError(
            f"{folder}: no sweep has begun there (neither {GROUP} nor {MANIFEST})",
            hint="what ended before its manifest was written is begun anew: hotkit sweep FILE",
        )
    known = read_manifest(folder, GROUP) if (folder / GROUP).exists() else None
    document = known or read_manifest(folder)
    if "description" not in document:
        raise HotkitError(f"{folder}: is no sweep", hint="a recording: hotkit record report DIR")
    spec = SweepSpec.model_validate(document["description"])
    parts = known["parts"] if known else [document["part"]]
    keys = [PartKey(**{k: part[k] for k in PartKey.__slots__}) for part in parts]
    whole = Whole(
        folder=folder,
        spec=spec,
        description_file=document["description_file"],
        inventory=document["inventory"],
    )
    hosts = list(dict.fromkeys(key.host for key in keys))
    places = {host: place_of(whole.inventory, host) for host in hosts}
    carry_out(
        Job(whole=whole, watch=watch),
        {places[host]: [k for k in keys if k.host == host] for host in hosts},
    )
    return folder


def stop(folder: Path, when: str) -> list[str]:
    """Ask the agents of a sweep to stop ("run", "block", "now"); a sentence for each part."""
    said = []
    for part in part_folders(folder.absolute()):
        manifest = read_manifest(part)
        place = place_of(manifest["inventory"], manifest["host"])
        told = Part(part, place).ask_to_stop(when)
        said.append(f"{manifest['part']['name']}: {told}")
    return said
