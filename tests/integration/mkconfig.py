"""Debian's real grub-mkconfig, run over a /boot and an /etc/default of our own.

A private mount namespace (root, or an unprivileged user namespace) puts them in place. Only
grub-probe is a stand-in, since there is no disk to probe; every line of the outcome comes from the
scripts of the package grub-common.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from hotkit.host.run import require, run

PROBE = """#!/bin/sh
for word in "$@"; do case $word in --target=*) target=${word#--target=} ;; esac; done
while [ $# -gt 0 ]; do [ "$1" = -t ] && target=$2; shift; done
case $target in
    device) echo /dev/vda1 ;;
    fs_uuid) echo 6a1f0f7e-0000-4000-8000-000000000001 ;;
    partuuid) echo 6a1f0f7e-01 ;;
    fs) echo ext2 ;;
    partmap) echo msdos ;;
    hints_string) echo '--hint-bios=hd0,msdos1' ;;
    abstraction) ;;
    drive) echo '(hd0,msdos1)' ;;
    *) echo hd0,msdos1 ;;
esac
"""

SCRIPT = """set -e
mount -t tmpfs tmpfs /boot
cp -r "$1/boot/." /boot/
mount --bind "$1/default" /etc/default
mount --bind "$1/probe" /usr/sbin/grub-probe
exec grub-mkconfig
"""


def mkconfig(directory: Path, files: Mapping[str, str]) -> str:
    """The grub.cfg for a Debian machine with two kernels and these files in /etc/default."""
    require("grub-mkconfig", "grub-common")
    boot, default = directory / "boot", directory / "default"
    (boot / "grub").mkdir(parents=True, exist_ok=True)
    for version in ("6.1.0-38-amd64", "6.1.0-40-amd64"):
        for name in (f"vmlinuz-{version}", f"initrd.img-{version}"):
            (boot / name).write_text("not empty")
    for name, text in files.items():
        (default / name).parent.mkdir(parents=True, exist_ok=True)
        (default / name).write_text(text)
    (directory / "probe").write_text(PROBE)
    (directory / "probe").chmod(0o755)
    namespace = ["--mount"] if os.geteuid() == 0 else ["--mount", "--map-root-user"]
    done = run([require("unshare", "util-linux"), *namespace, "sh", "-c", SCRIPT, "-", directory])
    return str(done.stdout)
