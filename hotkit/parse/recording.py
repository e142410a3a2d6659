"""From the agent's events of one recorded run (hotkit/agent/recording.py) to a Recording."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from hotkit.core.record import Floats, Phase, Recording, cut


class RecordingBuilder:
    """Takes the events as they come: `run` (ground truth), `sample` parts, `end`.

    Ground truth is the hot range of `run`'s truth. When the workload moves it (`phases` above 1
    there), only the `phases` of `end` tell when: {"at_ns", "hot_start", "hot_bytes"} each. Until
    then the truth is unknown.
    """

    def __init__(self) -> None:
        self._bins: tuple[tuple[int, int], ...] = ()
        self._times: list[tuple[int, int]] = []
        self._columns: list[Floats] = []
        self._phases: tuple[Phase, ...] = ()

    def add(self, event: Mapping[str, Any]) -> bool:
        """Take one event; whether it changed the recording. ValueError for a part that is none."""
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

    def recording(self) -> Recording | None:
        """What came so far; None before the first part."""
        if not self._columns:
            return None
        times = np.array(self._times, dtype=np.int64)
        return Recording(
            bins=self._bins,
            since_ns=times[:, 0],
            at_ns=times[:, 1],
            share=np.stack(self._columns, axis=1),
            phases=self._phases,
        )

    def _part(self, event: Mapping[str, Any]) -> None:
        try:
            bins = cut(event["ranges"], event["bin_bytes"])
            share = _bytes(event["share_zlib_base64"])
            looked = _bytes(event["looked_zlib_base64"])
            times = (int(event["since_ns"]), int(event["at_ns"]))
        except (KeyError, TypeError, ValueError, zlib.error) as error:
            raise ValueError(
                f"event {event.get('seq')}: not a part of a recording: {error}"
            ) from error
        if self._bins and bins != self._bins:
            raise ValueError(f"event {event.get('seq')}: a part of another recording")
        if not len(share) == len(looked) == len(bins):
            raise ValueError(
                f"event {event.get('seq')}: {len(share)} shares for {len(bins)} bins of memory"
            )
        self._bins = bins
        self._times.append(times)
        self._columns.append(np.where(looked > 0, share / 255.0, np.nan))


def _phase(fields: Mapping[str, Any]) -> Phase:
    return Phase(
        since_ns=int(fields["at_ns"]),
        hot_start=int(fields["hot_start"]),
        hot_bytes=int(fields["hot_bytes"]),
    )


def _bytes(packed: str) -> Floats:
    return np.frombuffer(zlib.decompress(base64.b64decode(packed)), dtype=np.uint8).astype(float)
