# Run by the image's own kernel with init=/bin/sh, once: what only a booted machine can do.
set -x
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -o remount,rw / && systemd-machine-id-setup && grub-install /dev/vda && update-grub \
  && grub-editenv /boot/grub/grubenv create && echo HOTKIT-BAKE-OK
sync; mount -o remount,ro /; poweroff -f
