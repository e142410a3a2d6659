"""Units that a layout masks, against what local-fs.target requires."""

from __future__ import annotations

from hotkit.core.unit_preflight import unit_refusals
from tests.unit.core.test_boot_plan import layout

ARGS = (
    "maxcpus=2", "systemd.mask", "systemd.mask=", "systemd.mask=data.mount",
    "systemd.mask=caddy.service", "systemd.mask=srv.mount", "systemd.wants=home.mount",
)  # fmt: skip


def test_each_masked_unit_that_is_required_is_refused_in_the_layouts_order():
    found = unit_refusals(layout(*ARGS), ("-.mount", "srv.mount", "home.mount", "data.mount"))
    assert [one.to_dict() for one in found] == [
        {
            "step": "mask",
            "message": f"{unit} is to be masked, and local-fs.target requires it: other mounts, "
            "and the one of / for writing, would stay away with it",
            "hint": "add nofail to its line in /etc/fstab, then systemctl daemon-reload",
        }
        for unit in ("data.mount", "srv.mount")
    ]


def test_nothing_is_refused_where_nothing_required_is_masked():
    assert unit_refusals(layout(*ARGS), ()) == ()
    assert unit_refusals(layout(*ARGS), ("-.mount", "home.mount")) == ()
    assert unit_refusals(layout("maxcpus=2"), ("data.mount",)) == ()
