#!/bin/sh
# One simulated host: process 1 of its own mount, PID and UTS namespace. FOLDER holds what
# machine.py made of it and the configuration of its sshd; PYTHON runs machine.py.
#   unshare --mount --pid --uts --fork --kill-child --mount-proc host.sh FOLDER PYTHON SECONDS_DOWN
set -eu
folder=$1 python=$2 down=$3
here=$(dirname "$(readlink -f "$0")")

mount --make-rprivate /
hostname "$(cat "$folder/name")"
# What hotkit writes on a host goes to the folder, never to this machine.
for place in etc var/lib usr/local/bin root; do
    layer=$folder/layers/$(echo $place | tr / -)
    mkdir -p "$layer/upper" "$layer/work"
    mount -t overlay overlay -o "lowerdir=/$place,upperdir=$layer/upper,workdir=$layer/work" "/$place"
done
mount --bind "$folder/boot" /boot
mount -t tmpfs tmpfs /run
mkdir -m 755 /run/sshd
mount -t tmpfs tmpfs /sys/firmware
cp -r "$folder/firmware/." /sys/firmware/
mount --bind "$folder/node" /sys/devices/system/node
mount --bind "$folder/cpu" /sys/devices/system/cpu
for name in cmdline iomem meminfo cpuinfo uptime; do
    mount --bind "$folder/$name" "/proc/$name"
done
mount --bind "$folder/boot_id" /proc/sys/kernel/random/boot_id
[ -d "$folder/layers/var-lib/upper/hotkit" ] || rm -rf /var/lib/hotkit
mkdir -p /etc/default
# Without PAM sshd lets nobody in whose password is locked with an exclamation mark.
sed -i 's/^root:[^:]*:/root:*:/' /etc/shadow
cp "$folder/default-grub" /etc/default/grub
for name in numactl dmesg; do
    printf '#!/bin/sh\nexec cat "%s"\n' "$folder/$name" >/usr/local/bin/$name
done
# The one thing that is asked of systemd and has an effect.
cat >/usr/local/bin/systemctl <<'CTL'
#!/bin/sh
case $1 in
reboot) kill -USR1 1; sleep 60 ;;
show) exit 1 ;;
esac
CTL
chmod 755 /usr/local/bin/numactl /usr/local/bin/dmesg /usr/local/bin/systemctl

trap : USR1 # ends the wait below
while :; do
    echo "up $(date +%s.%N)" >>"$folder/power"
    /usr/sbin/sshd -D -e -f "$folder/sshd_config" 2>>"$folder/sshd.log" &
    wait $! || :
    kill -KILL -1 2>/dev/null || : # all but process 1
    echo "down $(date +%s.%N)" >>"$folder/power"
    sleep "$down"
    "$python" "$here/machine.py" boot "$folder" >>"$folder/boot.log" 2>&1
done
