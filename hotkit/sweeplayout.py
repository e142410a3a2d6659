"""Between the parts of a sweep: a host is booted into the layout that the next part asks for."""

from __future__ import annotations

from hotkit.agentplace import Place
from hotkit.errors import HotkitError
from hotkit.sweeppart import Watch


def boot_into(place: Place, layout: str | None, boot: int, watch: Watch) -> None:
    """Through the same boot-once path as `hotkit provision`; nothing without a layout."""
    if layout is None:
        return
    raise HotkitError("layouts: not yet")
