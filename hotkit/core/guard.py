"""The guard of a trial boot: what brings a machine back that runs, and that nobody can reach.

panic= helps when the kernel dies; nothing helps when it lives without sshd or without a network.
So arming an entry also installs a systemd unit that is active under the layout's token only. It
turns quiet ends into panics (out of memory, lock-ups), pets a hardware watchdog where one may be
stopped again, and reboots `deadman_s` seconds after the kernel's start unless the layout was
verified: recording that removes the unit and puts every setting back, and the command line stays
what was verified. A machine that was reached in its trial gets that long anew: a slow boot must
not eat the time of the checks.
"""

from __future__ import annotations

from dataclasses import dataclass

from hotkit.core.layout import Layout

UNIT_PATH = "/etc/systemd/system/hotkit-guard.service"
SCRIPT_PATH = "/etc/systemd/system/hotkit-guard.sh"
WANT_PATH = "/etc/systemd/system/sysinit.target.d/hotkit-guard.conf"
DEADMAN_S = 600
BOOT_TIMEOUT_S = 900

# Documentation/admin-guide/sysctl/{kernel,vm}.rst. panic= on the command line makes each a reboot.
_TRIAL_SYSCTLS = (
    ("vm/panic_on_oom", 1),
    ("kernel/softlockup_panic", 1),
    ("kernel/hardlockup_panic", 1),
    ("kernel/hung_task_panic", 1),
)
# An emulated CPU stalls for seconds when its host is busy. watchdog_thresh ends at 60 s.
_EMULATED_SYSCTLS = (("kernel/watchdog_thresh", 60), ("kernel/hung_task_timeout_secs", 900))


@dataclass(frozen=True, slots=True)
class GuardFile:
    """One file to write on the host when an entry is armed."""

    path: str
    text: str

    def to_dict(self) -> dict[str, str]:
        """JSON form; the module hotkit_entry reads it."""
        return {"path": self.path, "text": self.text}


def guard_files(layout: Layout, *, deadman_s: int, emulated: bool) -> tuple[GuardFile, ...]:
    """The unit, its script and what starts it, in the order in which they are to be written."""
    return (
        GuardFile(SCRIPT_PATH, guard_script(deadman_s, emulated=emulated)),
        GuardFile(UNIT_PATH, _UNIT.format(token=layout.token, script=SCRIPT_PATH)),
        GuardFile(WANT_PATH, "[Unit]\nWants=hotkit-guard.service\n"),
    )


# Early, and under nothing's care: neither a failed mount nor `isolate` may keep it from running.
_UNIT = """\
# Written by hotkit for one trial boot; gone once the layout is verified (docs/faults.md).
[Unit]
Description=hotkit: back to the stock entry unless this trial boot is verified
ConditionKernelCommandLine={token}
DefaultDependencies=no
IgnoreOnIsolate=yes

[Service]
ExecStart=/bin/sh {script}
OOMScoreAdjust=-1000
Restart=on-failure
"""

_SCRIPT = """\
#!/bin/sh
# Written by hotkit for one trial boot; gone once the layout is verified (docs/faults.md).
deadline_s={deadman_s}
mkdir -p /run/hotkit

put() {{  # a setting for the trial; what was found goes to /run/hotkit/sysctl
    [ -w "/proc/sys/$1" ] || return
    read -r found <"/proc/sys/$1"
    echo "$1 $found" >>/run/hotkit/sysctl
    echo "$2" >"/proc/sys/$1"
}}

guard() {{  # descriptor 3 is a watchdog, or nothing
    trap 'printf V >&3; exit 0' TERM INT
    while read -r up _ </proc/uptime; [ "${{up%%.*}}" -lt "$deadline_s" ]; do
        if [ -e /run/hotkit/confirmed ]; then
            printf V >&3
            exit 0
        fi
        # Written when the trial was reached: seconds since the kernel's start, like the first one.
        [ -e /run/hotkit/deadline ] && read -r deadline_s </run/hotkit/deadline
        printf . >&3
        sleep 2
    done
}}

[ -e /run/hotkit/confirmed ] && exit 0
if [ ! -e /run/hotkit/sysctl ]; then
{settings}
fi
watchdog=/dev/null
# One that cannot be stopped again would reset the machine after it was verified.
read -r nowayout </sys/class/watchdog/watchdog0/nowayout && [ "$nowayout" = 0 ] &&
    watchdog=/dev/watchdog0
guard 3>"$watchdog" || guard 3>/dev/null
echo "hotkit: not verified within $deadline_s s: back to the stock entry" >/dev/kmsg
sync
systemctl reboot --force
sleep 60
echo b >/proc/sysrq-trigger
"""


def guard_script(deadman_s: int, *, emulated: bool) -> str:
    """Plain sh; `emulated` raises the kernel's thresholds for a stalled CPU."""
    sysctls = (*(_EMULATED_SYSCTLS if emulated else ()), *_TRIAL_SYSCTLS)
    settings = "\n".join(f"    put {name} {value}" for name, value in sysctls)
    return _SCRIPT.format(deadman_s=deadman_s, settings=settings)
