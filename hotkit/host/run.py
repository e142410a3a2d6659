"""The only door to subprocesses: a list goes in, a clean environment goes with it."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hotkit.errors import ExitCode, HotkitError

log = logging.getLogger(__name__)
_INSTALL = "make setup, in a clone, installs all that hotkit needs; hotkit doctor says what lacks"

# What a child may see of our environment. LC_ALL=C keeps the output of tools parseable.
_KEPT = (
    "HOME", "PATH", "USER", "LOGNAME", "TMPDIR", "SSH_AUTH_SOCK", "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "VIRTUAL_ENV", "http_proxy",
    "https_proxy", "no_proxy", "SSL_CERT_FILE",
)  # fmt: skip


def clean_env(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of every child: a kept few of ours, C locale, /sbin on PATH, plus `extra`."""
    env = {key: os.environ[key] for key in _KEPT if key in os.environ}
    env["LC_ALL"] = "C.UTF-8"
    env["PATH"] = (
        env.get("PATH", "/usr/local/bin:/usr/bin:/bin") + ":/usr/local/sbin:/usr/sbin:/sbin"
    )
    return env | dict(extra or {})


def which(tool: str) -> Path | None:
    """Where `tool` is, looking in the sbin directories too."""
    found = shutil.which(tool, path=clean_env()["PATH"])
    return Path(found) if found else None


def require(tool: str, package: str) -> Path:
    """The path of `tool`, or an error that names the Debian package to install."""
    found = which(tool)
    if found is None:
        raise HotkitError(f"{tool} is not installed", hint=f"apt-get install {package}")
    return found


def run(
    argv: Sequence[str | Path],
    *,
    check: bool = True,
    input: str | bytes | None = None,
    timeout: float | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    binary: bool = False,
    own_session: bool = False,
) -> subprocess.CompletedProcess[Any]:
    """Run to the end and capture both streams (text, or bytes with `binary`).

    A failure becomes a HotkitError that carries the command, how it ended and the last lines of
    its stderr; with `check=False` the caller looks at `returncode` himself. A time-out is always
    an error. `own_session`: Ctrl-C at the terminal does not reach it.
    """
    words = [str(word) for word in argv]
    log.debug("+ %s", shlex.join(words))
    try:
        done = subprocess.run(
            words,
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=not binary,
            timeout=timeout,
            env=clean_env(env),
            cwd=cwd,
            check=False,
            start_new_session=own_session,
        )
    except FileNotFoundError as error:
        raise HotkitError(f"{words[0]} is not installed", hint=_INSTALL) from error
    except subprocess.TimeoutExpired as error:
        raise HotkitError(
            f"{shlex.join(words)[:300]} did not end within {timeout:g} s",
            exit_code=ExitCode.VERDICT_FAILED,
        ) from error
    if check and done.returncode != 0:
        stderr = (
            done.stderr if isinstance(done.stderr, str) else done.stderr.decode(errors="replace")
        )
        tail = "\n".join(stderr.strip().splitlines()[-8:])
        raise HotkitError(
            f"{shlex.join(words)[:300]} {describe_end(done.returncode)}"
            + (f":\n{tail}" if tail else ""),
            exit_code=ExitCode.VERDICT_FAILED,
        )
    return done


@contextmanager
def spawn(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    **kwargs: Any,
) -> Iterator[subprocess.Popen[Any]]:
    """Start a process for the length of a `with` block; it is ended and reaped on the way out.

    `kwargs` go to Popen (stdin, stdout, stderr, text, pass_fds, start_new_session).
    """
    words = [str(word) for word in argv]
    log.debug("+ %s &", shlex.join(words))
    try:
        child = subprocess.Popen(words, env=clean_env(env), cwd=cwd, **kwargs)
    except FileNotFoundError as error:
        raise HotkitError(f"{words[0]} is not installed", hint=_INSTALL) from error
    try:
        yield child
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def describe_end(returncode: int) -> str:
    """Say how a process ended: an exit status or a signal."""
    return f"exited with {returncode}" if returncode >= 0 else f"was ended by signal {-returncode}"
