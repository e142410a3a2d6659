"""Packs an installed tree of a kernel as .deb, and as .rpm where rpmbuild is.

Our own packages and not `make bindeb-pkg`: that one puts the kernel where update-grub looks, and
installing it would make it the default entry. Ours puts everything below /boot/hotkit.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hotkit.host.run import run, which

# The initramfs is the host's own affair: made there, renamed when it is whole. mkinitramfs reads
# in /boot/config-* what the kernel can unpack; it is there for that time only.
_MAKE_INITRD = """\
target=/boot/hotkit/initrd.img-{release}
trap 'rm -f /boot/config-{release}' EXIT
ln -sf hotkit/config-{release} /boot/config-{release}
if command -v mkinitramfs >/dev/null; then
    mkinitramfs -o "$target.new" {release}
elif command -v dracut >/dev/null; then
    dracut --force --kver {release} "$target.new"
else
    echo "neither mkinitramfs nor dracut is here: no initramfs for {release}" >&2
    exit 1
fi
sync -f "$target.new"
mv "$target.new" "$target"
"""
_REFUSE_RUNNING = """\
if [ "$(uname -r)" = {release} ]; then
    echo "{release} is running: boot another kernel first (hotkit rollback)" >&2
    exit 1
fi
"""
# The folder is the package's, but holds the initramfs, which is not, while the package goes.
_REMOVE_INITRD = """\
rm -f /boot/hotkit/initrd.img-{release} /boot/hotkit/initrd.img-{release}.new /boot/config-{release}
rmdir /boot/hotkit 2>/dev/null || true
"""
_CONTROL = """\
Package: hotkit-kernel-{release}
Version: 1
Architecture: amd64
Section: kernel
Priority: optional
Maintainer: hotkit
Depends: kmod, initramfs-tools | dracut
Installed-Size: {size_kib}
Description: Linux {release}, patched for comparing hotness trackers
 Built by hotkit kernel build. Its files are below /boot/hotkit, where update-grub does not look:
 it is booted by an entry that hotkit writes, and by no other.
"""
_SPEC = """\
Name: hotkit-kernel-{rpm_release}
Version: 1
Release: 1
Summary: Linux {release}, patched for comparing hotness trackers
License: GPL-2.0
AutoReqProv: no
%description
Built by hotkit kernel build. Booted by an entry that hotkit writes, and by no other.
%install
cp -a {stage}/. %{{buildroot}}/
%files
/boot/hotkit/*
/lib/modules/{release}
%post
{post}
%preun
{preun}
%postun
{postun}
"""


def make_packages(stage: Path, out: Path, release: str, date: int) -> list[Path]:
    """Write the package(s) of `stage` into `out`; `date` (epoch seconds) is that of every file."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    for path in (stage, *stage.rglob("*")):
        os.utime(path, (date, date), follow_symlinks=False)
    packages = [_deb(stage, out, release, date)]
    if which("rpmbuild"):
        packages.append(_rpm(stage, out, release))
    return packages


def _deb(stage: Path, out: Path, release: str, date: int) -> Path:
    size = sum(path.lstat().st_size for path in stage.rglob("*"))
    control = stage / "DEBIAN"
    control.mkdir()
    (control / "control").write_text(_CONTROL.format(release=release, size_kib=-(-size // 1024)))
    scripts = {
        "postinst": '[ "$1" = configure ] || exit 0\n' + _MAKE_INITRD,
        "prerm": '[ "$1" = remove ] || exit 0\n' + _REFUSE_RUNNING,
        "postrm": _REMOVE_INITRD,
    }
    for name, body in scripts.items():
        (control / name).write_text("#!/bin/sh\nset -e\n" + body.format(release=release))
        (control / name).chmod(0o755)
    deb = out / f"hotkit-kernel-{release}_1_amd64.deb"
    run(
        ["dpkg-deb", "--root-owner-group", "-Zxz", "--build", stage, deb],
        env={"SOURCE_DATE_EPOCH": str(date)}, timeout=600,
    )  # fmt: skip
    shutil.rmtree(control)
    return deb


def _rpm(stage: Path, out: Path, release: str) -> Path:
    spec = out / "kernel.spec"
    spec.write_text(
        _SPEC.format(
            release=release,
            rpm_release=release,
            stage=stage,
            post=_MAKE_INITRD.format(release=release),
            preun=_REFUSE_RUNNING.format(release=release),
            postun=_REMOVE_INITRD.format(release=release),
        )  # fmt: skip
    )
    top = out / "rpm"
    run(["rpmbuild", "-bb", "--define", f"_topdir {top}", "--target", "x86_64", spec], timeout=1800)
    (built,) = top.glob("RPMS/x86_64/*.rpm")
    kept = out / built.name
    built.rename(kept)
    shutil.rmtree(top)
    spec.unlink()
    return kept
