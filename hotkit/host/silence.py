"""Why ssh reached nobody, in one sentence, and what to do next.

The signs are OpenSSH's own words (ssh.c, sshconnect.c, sshconnect2.c, readconf.c of 9.x).
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from hotkit.core.plaintext import plain_line
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.sshway import SshWay

_NO_CONFIG = re.compile(r"Can't open user config file (?P<file>\S+): ")
_LAB_CONFIG = "hotkit/lab/ssh_config"
_ANSIBLE = re.compile(r"(?:over|via) ssh: ")
_OTHER_KEY = ("REMOTE HOST IDENTIFICATION HAS CHANGED", "POSSIBLE DNS SPOOFING")


@dataclass(frozen=True, slots=True)
class Silence:
    """Why a host did not answer (`reason` follows "cannot be reached: "), and the next step.

    `answered`: something is there, and it is the key or the login that is wrong.
    """

    reason: str
    hint: str
    answered: bool = False


def why_silent(way: SshWay, said: str) -> Silence:
    """What ssh's standard error means for the way it was sent; its last line when nothing else.

    `said` may be Ansible's message, which wraps it into a sentence or two.
    """
    said = _ANSIBLE.split(said)[-1]
    by_hand = shlex.join(["ssh", *way.words])
    if match := _NO_CONFIG.search(said):
        if match["file"].endswith(_LAB_CONFIG):
            return Silence(
                f"the lab is not up ({match['file']} is not there)",
                "a lab machine must run first: hotkit lab up",
            )
        return Silence(f"its ssh_config {match['file']} is not there", "look at ansible_ssh_*_args")
    if any(sign in said for sign in _OTHER_KEY):
        return Silence(
            "its host key is not the one in known_hosts",
            "compare the keys by hand; nothing was sent to the machine",
            answered=True,
        )
    if "Host key verification failed" in said:
        # Of a key that is new ssh in batch mode says no more than this.
        known = "host key is known for" not in said
        other = "its host key is not the one in known_hosts, or none is there yet"
        return Silence(
            other if known else "its host key is not in known_hosts yet",
            f"log in once by hand and compare the keys: {by_hand}",
            answered=True,
        )
    if "Permission denied" in said:
        return Silence(
            "ssh is not let in: " + _last(said),
            f"a key of yours must be known there: {shlex.join(['ssh-copy-id', *_copy_words(way)])}",
            answered=True,
        )
    if "Could not resolve hostname" in said:
        return Silence(f"no address is known for {way.host}", "is the name spelled right?")
    if "Connection refused" in said or "timed out" in said or "No route to host" in said:
        return Silence(_last(said), f"is it up? try {by_hand}; a lab machine: hotkit lab up")
    return Silence(_last(said), f"see for yourself: {by_hand}; a lab machine: hotkit lab up")


def unreachable(way: SshWay, said: str, name: str | None = None) -> HotkitError:
    """The error for a host that did not answer (exit code 3); `name` is what the user calls it."""
    why = why_silent(way, said)
    return HotkitError(
        f"{name or way.host} cannot be reached: {why.reason}",
        hint=why.hint,
        exit_code=ExitCode.UNREACHABLE,
    )


def _last(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    return plain_line(lines[-1]) if lines else "ssh gave no reason"


def _copy_words(way: SshWay) -> list[str]:
    """The words of ssh-copy-id, which takes no -l."""
    words = ["-p", str(way.port)] if way.port else []
    return [*words, f"{way.user}@{way.host}" if way.user else way.host]
