"""Before anything is written: whether the units that a layout masks can stay away."""

from __future__ import annotations

from collections.abc import Sequence

from hotkit.core import cmdline
from hotkit.core.layout import Layout
from hotkit.core.preflight import Concern
from hotkit.core.savings import MASK_ARGUMENT


def unit_refusals(layout: Layout, required: Sequence[str]) -> tuple[Concern, ...]:
    """A masked mount that local-fs.target requires takes the target's other mounts with it.

    systemd gives up the rest of what a unit pulls in at the first requirement that is masked
    (src/core/transaction.c, transaction_add_job_and_dependencies(); tried with 252): other mounts
    stay away too, and / is not remounted for writing. `required` is what the target requires.
    """
    masked = cmdline.values(layout.cmdline, MASK_ARGUMENT)
    return tuple(
        Concern(
            "mask",
            f"{unit} is to be masked, and local-fs.target requires it: other mounts, and the one "
            "of / for writing, would stay away with it",
            "add nofail to its line in /etc/fstab, then systemctl daemon-reload",
        )
        for unit in masked
        if unit and unit in required
    )
