"""What ssh says when it reaches nobody, and what a person is told to do about it."""

import pytest

from hotkit.errors import ExitCode
from hotkit.host.silence import unreachable, why_silent
from hotkit.host.sshway import SshWay

WAY = SshWay(host="tier1", port=2222, user="root")
BY_HAND = "ssh -p 2222 -l root tier1"


@pytest.mark.parametrize(
    ("said", "reason", "hint", "answered"),
    [
        ("Can't open user config file /x/hotkit/lab/ssh_config: No such file or directory",
         "the lab is not up", "hotkit lab up", False),
        ("Can't open user config file /x/mine: No such file or directory",
         "its ssh_config /x/mine is not there", "ansible_ssh_", False),
        ("@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
         "not the one in known_hosts", "compare the keys", True),
        ("No ED25519 host key is known for tier1 and you have requested strict checking.\n"
         "Host key verification failed.", "not in known_hosts yet", BY_HAND, True),
        ("Host key verification failed.", "or none is there yet", BY_HAND, True),
        ("root@tier1: Permission denied (publickey,password).", "not let in: root@tier1",
         "ssh-copy-id -p 2222 root@tier1", True),
        ("ssh: Could not resolve hostname tier1: Name or service not known",
         "no address is known for tier1", "spelled", False),
        ("ssh: connect to host tier1 port 2222: Connection refused",
         "ssh: connect to host tier1 port 2222: Connection refused", BY_HAND, False),
        ("ssh: connect to host tier1 port 2222: Connection timed out",
         "timed out", "is it up", False),
        ("Bad owner or permissions on /home/x/.ssh/config", "Bad owner", BY_HAND, False),
        ("", "ssh gave no reason", BY_HAND, False),
    ],
)  # fmt: skip
def test_reason_and_next_step(said: str, reason: str, hint: str, answered: bool) -> None:
    for text in (said, f"Failed to connect to the host via ssh: {said}"):
        found = why_silent(WAY, text)
        assert reason in found.reason and hint in found.hint and found.answered is answered
        assert "\n" not in found.reason


def test_what_a_hostile_banner_says_stays_in_its_line() -> None:
    error = unreachable(WAY, "\x1b]0;owned\x07gone\r\nlast \x1b[31mline\x1b[0m\n")
    assert error.message == "tier1 cannot be reached: last line"
    assert error.exit_code is ExitCode.UNREACHABLE


def test_a_user_and_a_port_are_named_only_when_there_are_any() -> None:
    assert why_silent(SshWay(host="x"), "Permission denied").hint.endswith("ssh-copy-id x")
