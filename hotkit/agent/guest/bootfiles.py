"""Which kernel of the host a guest boots, and whether it needs an initramfs."""

from __future__ import annotations

import os
from pathlib import Path

from hotkit.agent.gather import text
from hotkit.agent.protocol import AgentError


def find_kernel(wanted: str) -> tuple[str | None, str | None]:
    """Kernel and initramfs on this host, for "running", "hotkit", "none" or a path.

    An initramfs is needed only where the root disk's drivers are not built in.
    """
    if wanted == "none":
        return None, None
    if wanted.startswith("/"):
        found = Path(wanted)
    elif wanted == "hotkit":
        kernels = sorted(
            Path("/boot/hotkit").glob("vmlinuz-*"), key=lambda path: path.stat().st_mtime
        )
        if not kernels:
            raise AgentError(
                "kernel: hotkit, but there is none in /boot/hotkit",
                "hotkit_kernel: lab (or host) in the inventory, then hotkit provision",
            )
        found = kernels[-1]
    else:
        release = os.uname().release
        places = [Path(folder) / f"vmlinuz-{release}" for folder in ("/boot/hotkit", "/boot")]
        found = next((path for path in places if path.exists()), places[-1])
    if not found.is_file():
        raise AgentError(f"the guest's kernel {found} is not there", "kernel: a path on the host")
    release = found.name.partition("-")[2]
    config = text(f"/boot/config-{release}") or ""
    built_in = all(f"\nCONFIG_{name}=y" in config for name in ("VIRTIO_BLK", "EXT4_FS"))
    initrd = found.with_name(f"initrd.img-{release}")
    return str(found), None if built_in or not initrd.exists() else str(initrd)
