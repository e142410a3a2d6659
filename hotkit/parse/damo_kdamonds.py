"""`FILE.kdamonds`, which damo writes beside a record: what DAMON was asked to do.

damo 3.4 (PyPI), _damo_records.py (RecordingHandle) and _damon.py (Kdamond, DamonCtx): a list of
kdamonds, each with contexts, each with its intervals.
"""

from __future__ import annotations

import json

from hotkit.core.regions import Intervals
from hotkit.parse.damovalues import intervals


def kdamond_intervals(text: str) -> dict[tuple[int, int], Intervals]:
    """By (kdamond, context). Raises ValueError for what is no such file."""
    try:
        kdamonds = json.loads(text)
        if not isinstance(kdamonds, list):
            raise TypeError("a list was expected")
        return {
            (number, place): intervals(context["intervals"])
            for number, kdamond in enumerate(kdamonds)
            for place, context in enumerate(kdamond["contexts"])
            if context.get("intervals")
        }
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"no kdamonds of damo: {error!r}") from None
