"""Reboot and wait until the machine answers with another boot id.

ansible.builtin.reboot waits in doubling steps and keeps asking through a connection that died with
the machine. Here each try is a fresh ssh with a short time-out, so that the wait ends within
seconds of sshd's start, also behind a forwarded port that accepts before the machine is up.

A machine that does not answer in time is reset once by its power control (`hotkit_power`): what
was armed for one boot is spent by then, so the reset lands on the stock entry. Without one, the
guard of the trial boot has its time too.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from hotkit.errors import HotkitError
from hotkit.host.power import Power, power_of

_BOOT = "cat /proc/sys/kernel/random/boot_id /proc/cmdline"
_REBOOT = "systemctl reboot || shutdown -r now"
_TRY_SECONDS = 5
_PAUSE_SECONDS = 1.0


class ActionModule(ActionBase):  # type: ignore[misc]
    """`hotkit_reboot: {timeout: 900, deadman: 600, stock_timeout: 300}`, in seconds.

    Returns `boot_id`, `cmdline`, `elapsed`; `power_reset` and `power` (what pressed reset).
    """

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset(("timeout", "deadman", "stock_timeout"))

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        if self._task.check_mode:
            return result | {"changed": True, "elapsed": 0}
        timeout = float(self._task.args.get("timeout", 900))
        deadman = float(self._task.args.get("deadman", 0))
        stock_timeout = float(self._task.args.get("stock_timeout", 300))
        power = self._power(task_vars or {})
        patient = self._connection.get_option("timeout")
        # Two more tries: a busy emulator may need longer than one time-out for a handshake.
        before = self._boot() or self._boot() or self._boot()
        if before is None:
            raise AnsibleConnectionFailure("the machine did not tell its boot id before the reboot")
        began = time.monotonic()
        self._connection.set_option("timeout", patient)  # sudo may take its time
        self._ask_to_reboot()
        result["notes"] = []
        now = self._wait_for_another(before[0], began + timeout)
        if now is None and power is not None:
            result |= self._press_reset(power, timeout)
            # However little patience there was with the trial, the stock entry gets its time.
            patience = max(timeout, stock_timeout)
            now = self._wait_for_another(before[0], time.monotonic() + patience)
        elif now is None and deadman:
            now = self._wait_for_another(before[0], time.monotonic() + deadman)
        elapsed = round(time.monotonic() - began)
        if now is None:
            said = "; ".join(["it did not answer over ssh", *result["notes"]])
            raise AnsibleConnectionFailure(f"{said} ({elapsed} s after the reboot)")
        return result | {
            "changed": True, "rebooted": True, "elapsed": elapsed,
            "boot_id": now[0], "cmdline": now[1],
        }  # fmt: skip

    def _wait_for_another(self, boot_id: str, until: float) -> tuple[str, str] | None:
        """Boot id and command line of the next boot, None when it does not answer in time."""
        while time.monotonic() < until:
            self._forget_connection()
            now = self._boot()
            if now is not None and now[0] != boot_id:
                return now
            time.sleep(_PAUSE_SECONDS)
        return None

    def _power(self, task_vars: Mapping[str, Any]) -> Power | None:
        names = ("hotkit_power", "hotkit_machine")
        wishes = {n: self._templar.template(task_vars[n]) for n in names if n in task_vars}
        return power_of(str(task_vars.get("inventory_hostname", "")), wishes)

    def _press_reset(self, power: Power, timeout: float) -> dict[str, Any]:
        said = f"no answer within {timeout:g} s of the reboot"
        try:
            power.reset()
        except HotkitError as error:
            return {"notes": [f"{said}, and the reset failed: {error.message}"]}
        how = power.describe()
        return {"power_reset": True, "power": how, "notes": [f"{said}: reset by {how}"]}

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
            self._connection.set_option("reconnection_retries", 0)
            done = self._low_level_execute_command(_BOOT, sudoable=False)
        except AnsibleError:
            return None
        lines = str(done["stdout"]).splitlines()
        return (lines[0].strip(), lines[1].strip()) if done["rc"] == 0 and len(lines) > 1 else None

    def _forget_connection(self) -> None:
        with contextlib.suppress(AnsibleError):
            self._connection.reset()
