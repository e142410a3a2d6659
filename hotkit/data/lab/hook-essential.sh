#!/bin/sh
# mmdebstrap --essential-hook: runs before the kernel is installed, so that its initramfs is made
# once, and small: four drivers instead of all. Under emulation unpacking it is a matter of seconds.
set -eu
root="$1"
mkdir -p "$root/etc/initramfs-tools/conf.d" "$root/usr/share/initramfs-tools/modules.d"
printf 'MODULES=list\nCOMPRESS=zstd\n' > "$root/etc/initramfs-tools/conf.d/hotkit"
printf 'virtio_pci\nvirtio_blk\next4\ncrc32c_generic\n' \
    > "$root/usr/share/initramfs-tools/modules.d/hotkit"
