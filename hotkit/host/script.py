"""A script that python3 runs on this machine or on a host: one round trip, nothing is installed."""

from __future__ import annotations

import shlex
import sys

from hotkit.errors import ExitCode, HotkitError
from hotkit.host.run import require, run
from hotkit.host.silence import unreachable
from hotkit.host.sshway import SshWay

# Root sees the binary SRAT and real addresses; a user who may become root silently does so.
_REMOTE = (
    'if [ "$(id -u)" != 0 ] && sudo -n true 2>/dev/null; then exec sudo -n python3 -; '
    "else exec python3 -; fi"
)
# sudo takes the first line of its standard input for the password when it wants one, and leaves it
# to the program when it wants none: what comes before the mark is dropped either way. -k: a cached
# ticket must not decide which of both it is.
_MARK = "\n# hotkit: the script begins\n"
_REMOTE_SUDO = "exec sudo -k -S -p '' python3 -c " + shlex.quote(
    f"import sys; exec(sys.stdin.read().partition({_MARK!r})[2])"
)
_SECONDS = 120


def run_here(script: str) -> str:
    """What `script` prints on this machine. Raises HotkitError when it fails."""
    return str(run([sys.executable, "-"], input=script, timeout=_SECONDS).stdout)


def run_over(way: SshWay, script: str) -> str:
    """What `script` prints on a host. Raises HotkitError, with exit code 3 if it is silent."""
    ssh = require("ssh", "openssh-client")
    options = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=15"]
    remote = _REMOTE
    if way.become_password is not None:
        remote, script = _REMOTE_SUDO, f"{way.become_password}\n{_MARK}{script}"
    try:
        done = run([ssh, *options, *way.words, remote], input=script, check=False, timeout=_SECONDS)
    except HotkitError as error:
        error.exit_code = ExitCode.UNREACHABLE
        raise
    if done.returncode == 0:
        return str(done.stdout)
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    reason = lines[-1] if lines else "ssh gave no reason"
    if done.returncode == 127 or "python3: not found" in done.stderr:
        raise HotkitError(f"{way.host} has no python3", hint="install the package python3 there")
    if done.returncode == 255:
        raise unreachable(way, done.stderr)
    raise HotkitError(
        f"{way.host}: the facts could not be gathered: {reason}", exit_code=ExitCode.VERDICT_FAILED
    )
