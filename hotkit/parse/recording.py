"""From the agent's events of one recorded run (hotkit/agent/recording.py) to a Recording."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hotkit.core.record import Floats, Phase, Recording, cut

# What a field of another kind, or none, raises where it is used.
_DAMAGED = (
    KeyError, TypeError, ValueError, AttributeError, OverflowError, ZeroDivisionError, zlib.error,
)  # fmt: skip
_MOST_BINS = 1 << 24  # a screen shows a thousandth of these


class RecordingBuilder:
    """Takes the events as they come: `run` (ground truth), `sample` parts, `end`.

    Ground truth is the hot range of `run`'s truth. When the workload moves it (`phases` above 1
    there), only the `phases` of `end` tell when: {"at_ns", "hot_start", "hot_bytes"} each. Until
    then the truth is unknown.
    """

    def __init__(self) -> None:
        self._bins: tuple[tuple[int, int], ...] = ()
        self._times: list[NDArray[np.int64]] = []
        self._columns: list[Floats] = []
        self._phases: tuple[Phase, ...] = ()

    def add(self, event: Mapping[str, Any]) -> bool:
        """Take one event; whether it changed the recording. ValueError for a part that is none."""
        try:
            return self._take(event)
        except _DAMAGED as error:
            said = error if isinstance(error, _Odd) else f"not a part of a recording: {error}"
            raise ValueError(f"event {event.get('seq')}: {said}") from error

    def recording(self) -> Recording | None:
        """What came so far; None before the first part."""
        if not self._columns:
            return None
        times = np.stack(self._times)
        return Recording(
            bins=self._bins,
            since_ns=times[:, 0],
            at_ns=times[:, 1],
            share=np.stack(self._columns, axis=1),
            phases=self._phases,
        )

    def _take(self, event: Mapping[str, Any]) -> bool:
        if event["type"] == "run":
            fields = event.get("truth") or {}
            if "hot_start" in fields and fields.get("phases", 1) == 1:
                self._phases = (_phase({"at_ns": 0, **fields}),)
            return True
        if event["type"] == "end" and event.get("phases"):
            self._phases = tuple(_phase(fields) for fields in event["phases"])
            return True
        if event["type"] == "sample" and event.get("part"):
            self._part(event)
            return True
        return False

    def _part(self, event: Mapping[str, Any]) -> None:
        size = int(event["bin_bytes"])
        ranges = [(int(begin), int(end)) for begin, end in event["ranges"]]
        share = _bytes(event["share_zlib_base64"])
        looked = _bytes(event["looked_zlib_base64"])
        times = np.array([int(event["since_ns"]), int(event["at_ns"])], dtype=np.int64)
        # Counted before any is made: a damaged size could ask for more than memory holds.
        number = sum(-(-max(end - begin, 0) // size) for begin, end in ranges)
        if not len(share) == len(looked) == number:
            raise _Odd(f"{len(share)} shares for {number} bins of memory")
        if not number:
            raise _Odd("a part without memory")
        bins = cut(ranges, size)
        if self._bins and bins != self._bins:
            raise _Odd("a part of another recording")
        self._bins = bins
        self._times.append(times)
        self._columns.append(np.where(looked > 0, share / 255.0, np.nan))


class _Odd(ValueError):
    """Readable, and yet no part of this recording."""


def _phase(fields: Mapping[str, Any]) -> Phase:
    return Phase(
        since_ns=int(fields["at_ns"]),
        hot_start=int(fields["hot_start"]),
        hot_bytes=int(fields["hot_bytes"]),
    )


def _bytes(packed: str) -> Floats:
    """The bytes of a column; of one that is too long so many that it is seen to be."""
    raw = zlib.decompressobj().decompress(base64.b64decode(packed), _MOST_BINS)
    return np.frombuffer(raw, dtype=np.uint8).astype(float)
