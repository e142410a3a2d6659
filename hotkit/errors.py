"""The one exception that a user meets, and what each exit code means."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit status of every hotkit command (DESIGN.md, "Decided once")."""

    OK = 0
    VERDICT_FAILED = 1
    BAD_INPUT = 2
    UNREACHABLE = 3
    FELL_BACK = 4
    NOT_TRUSTWORTHY = 5
    INTERRUPTED = 130


class HotkitError(Exception):
    """A mistake or a failure that is explained in one sentence, with what to do about it.

    `message` says what is wrong and where; `hint` what to do; `exit_code` how the process ends.
    Raised anywhere, caught once, in `hotkit.cli.main`. Never carries a traceback to the terminal.
    """

    def __init__(
        self, message: str, *, hint: str | None = None, exit_code: ExitCode = ExitCode.BAD_INPUT
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code
