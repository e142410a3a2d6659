"""Gates against the kernel's log of this machine, which whoever measures here looks at too."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from hotkit.agent.gates import Gates
from hotkit.agent.gatesettings import DEFAULTS


def test_the_kernels_log_of_this_machine():
    """A line that is really written to /dev/kmsg fails the run in which it was written."""
    token = f"hotkit test {uuid.uuid4()}"

    def say(level: int) -> None:
        Path("/dev/kmsg").write_text(f"<{level}>{token}\n")

    try:
        say(6)
    except OSError as error:
        pytest.skip(f"hardware: /dev/kmsg may not be written here ({error.strerror}): takes root")
    gates = Gates({name: name == "kernel_messages" for name in DEFAULTS})
    assert gates.unchecked() == {}
    before = gates.before()
    say(6)
    assert token not in str(gates.after(before, {}, 0, 0))
    say(4)
    assert f'"{token}" (from user space)' in str(gates.after(before, {}, 0, 0))
    assert token not in str(gates.after(gates.before(), {}, 0, 0))
    gates.close()
