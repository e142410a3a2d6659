#!/bin/sh
# mmdebstrap --customize-hook: turns the fresh Debian below $1 into the lab's image.
# FSUUID is set by hotkit. Runs as root, or as root of a user namespace.
set -eu
root="$1"
mkdir -p "$root/etc/systemd/network" "$root/etc/default/grub.d" "$root/root/.ssh"
chmod 700 "$root/root/.ssh"

echo lab > "$root/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 lab\n' > "$root/etc/hosts"
printf 'UUID=%s / ext4 errors=remount-ro,noatime 0 1\n' "$FSUUID" > "$root/etc/fstab"
rm -f "$root/etc/resolv.conf"
echo 'nameserver 10.0.2.3' > "$root/etc/resolv.conf"

cat > "$root/etc/systemd/network/10-lab.network" <<E
[Match]
Name=en* eth*
[Network]
DHCP=ipv4
LinkLocalAddressing=no
IPv6AcceptRA=no
E

# Root by key only. No DNS look-ups: the lab's network answers none.
cat > "$root/etc/ssh/sshd_config.d/lab.conf" <<E
PermitRootLogin prohibit-password
PasswordAuthentication no
UseDNS no
HostKey /etc/ssh/ssh_host_ed25519_key
E
# Keys belong to a machine, not to the image: QEMU hands them in (fw_cfg), this takes them over
# before sshd starts, and writes only what differs, so that later boots change nothing in /etc.
rm -f "$root"/etc/ssh/ssh_host_*
cat > "$root/usr/local/sbin/hotkit-lab-identity" <<'E'
#!/bin/sh
set -eu
given=/sys/firmware/qemu_fw_cfg/by_name/opt/hotkit
# A guest of a lab machine gets them as a tar file for a disk: its kernel may be without fw_cfg.
for disk in /sys/block/vd*; do
    [ "$(cat "$disk/serial")" = hotkit-identity ] || continue
    given=/run/hotkit-identity
    (umask 077; mkdir -p $given)
    tar -xf "/dev/${disk##*/}" -C $given
done
[ -d /run/hotkit-identity ] || modprobe qemu_fw_cfg
take() {  # NAME FILE MODE
    [ -e "$given/$1/raw" ] || return 0
    cmp -s "$given/$1/raw" "$2" && return 0
    (umask 077; cat "$given/$1/raw" > "$2.new")
    chmod "$3" "$2.new"
    mv "$2.new" "$2"
}
take host-key /etc/ssh/ssh_host_ed25519_key 600
take authorized-keys /root/.ssh/authorized_keys 600
take hostname /etc/hostname 644
name=$(cat /etc/hostname)
hostname "$name"
# Without it sudo asks a name server that nobody answers for, ten seconds each time.
grep -q " $name$" /etc/hosts || echo "127.0.1.1 $name" >> /etc/hosts
E
chmod 755 "$root/usr/local/sbin/hotkit-lab-identity"
cat > "$root/etc/systemd/system/hotkit-lab-identity.service" <<E
[Unit]
Description=Take the keys and the name that the lab hands in
Before=ssh.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/hotkit-lab-identity
[Install]
WantedBy=multi-user.target
RequiredBy=ssh.service
E

cat > "$root/etc/default/grub.d/10-lab.cfg" <<E
GRUB_TIMEOUT=1
GRUB_CMDLINE_LINUX_DEFAULT=""
GRUB_CMDLINE_LINUX="console=ttyS0,115200"
GRUB_TERMINAL="serial console"
GRUB_SERIAL_COMMAND="serial --speed=115200 --unit=0"
E

chroot "$root" systemctl --quiet enable systemd-networkd.service ssh.service \
    serial-getty@ttyS0.service hotkit-lab-identity.service
# Nothing may run by itself later: it would disturb measurements and snapshots.
chroot "$root" systemctl --quiet mask systemd-networkd-wait-online.service \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
    e2scrub_reap.service fstrim.timer systemd-tmpfiles-clean.timer
# What no lab machine has or uses, and an emulated boot waits seven seconds for.
chroot "$root" systemctl --quiet mask modprobe@dm_mod.service modprobe@drm.service \
    modprobe@efi_pstore.service modprobe@fuse.service modprobe@loop.service \
    systemd-binfmt.service systemd-pstore.service ndctl-monitor.service getty@tty1.service
# Ciphers and sums in vector instructions: emulated, the kernel's self-tests of them are a sixth of
# a reboot's CPU time (66 s without them, 80 s with them).
for module in aesni_intel ghash_clmulni_intel sha1_ssse3 sha256_ssse3 sha512_ssse3 \
    crc32_pclmul crct10dif_pclmul; do
    echo "blacklist $module"
done > "$root/etc/modprobe.d/hotkit-lab.conf"
rm -rf "$root"/var/lib/apt/lists/*
dpkg-query --admindir="$root/var/lib/dpkg" -W -f '${Package} ${Version}\n' \
    > "$root/usr/share/hotkit-lab-packages"
