"""Why a profile cannot be had on a machine."""

from __future__ import annotations


class PlanError(ValueError):
    """A profile that this machine cannot give; the message is one sentence with the reason.

    `key` is the path to the profile's key that asks too much ("slow.node"), if it is one key.
    """

    def __init__(self, message: str, hint: str | None = None, *, key: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        self.key = key
