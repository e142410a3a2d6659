"""Reboot and wait until the machine answers with another boot id.

ansible.builtin.reboot waits in doubling steps and keeps asking through a connection that died with
the machine. Here each try is a fresh ssh with a short time-out, so that the wait ends within
seconds of sshd's start, also behind a forwarded port that accepts before the machine is up.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

_BOOT = "cat /proc/sys/kernel/random/boot_id /proc/cmdline"
_REBOOT = "systemctl reboot || shutdown -r now"
_TRY_SECONDS = 5
_PAUSE_SECONDS = 1.0


class ActionModule(ActionBase):  # type: ignore[misc]
    """`hotkit_reboot: {timeout: 900}`; returns `boot_id`, `cmdline` and `elapsed`."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset(("timeout",))

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        if self._task.check_mode:
            return result | {"changed": True, "elapsed": 0}
        timeout = float(self._task.args.get("timeout", 900))
        # Two more tries: a busy emulator may need longer than one time-out for a handshake.
        before = self._boot() or self._boot() or self._boot()
        if before is None:
            raise AnsibleConnectionFailure("the machine did not tell its boot id before the reboot")
        began = time.monotonic()
        self._ask_to_reboot()
        while time.monotonic() - began < timeout:
            self._forget_connection()
            now = self._boot()
            if now is not None and now[0] != before[0]:
                elapsed = round(time.monotonic() - began)
                return result | {
                    "changed": True, "rebooted": True, "elapsed": elapsed,
                    "boot_id": now[0], "cmdline": now[1],
                }  # fmt: skip
            time.sleep(_PAUSE_SECONDS)
        raise AnsibleConnectionFailure(
            f"the machine did not answer over ssh within {timeout:g} s of the reboot"
        )

    def _ask_to_reboot(self) -> None:
        try:
            done = self._low_level_execute_command(_REBOOT, sudoable=True)
        except AnsibleConnectionFailure:
            return  # it went down faster than it could answer
        # 255: ssh lost the connection; a negative one: the session was ended by a signal.
        if done["rc"] > 0 and done["rc"] not in (143, 255):
            raise AnsibleError(f"the machine refuses to reboot: {done['stderr'].strip()}")

    def _boot(self) -> tuple[str, str] | None:
        """Boot id and command line, None while the machine does not answer."""
        try:
            self._connection.set_option("timeout", _TRY_SECONDS)
            done = self._low_level_execute_command(_BOOT, sudoable=False)
        except AnsibleError:
            return None
        lines = str(done["stdout"]).splitlines()
        return (lines[0].strip(), lines[1].strip()) if done["rc"] == 0 and len(lines) > 1 else None

    def _forget_connection(self) -> None:
        with contextlib.suppress(AnsibleError):
            self._connection.reset()
