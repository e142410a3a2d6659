"""How an input becomes the next one: bytes as libFuzzer does it, JSON by its values.

libFuzzer's own changes to a JSON document are nearly all syntax errors, which the reader under test
never sees. Here a value is replaced, lost, doubled or moved, and the document stays one.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any

# What has broken readers before: other types, borders of machine words, odd texts.
HOSTILE: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 3, 1 << 31, (1 << 63) - 1, 1 << 64, -(1 << 64), 0.5, 1e308, -1e-9,
    float("nan"), float("inf"), "", " ", "0", "-1", "x", "0-3", "3-0", "\x00", "\x1b[31m", "\ud800",
    "9" * 5000, "1e400", "\u0663", [], [0], [[]], {}, {"": None}, {"x": []}, [None, "x"],
)  # fmt: skip

Text = Callable[[bytes], bytes]


def changed_json(data: bytes, seed: int, text: Text) -> bytes | None:
    """A document with one to three values changed; None when `data` is none. `text` changes bytes:
    texts inside the document are changed by it."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 3)):
        document = _changed(document, chance, text)
    return json.dumps(document, separators=(",", ":")).encode()


def _changed(document: Any, chance: random.Random, text: Text) -> Any:
    """One change somewhere below; each step down is as likely as the place it leads to is large."""
    if isinstance(document, (dict, list)) and document and chance.random() < 0.9:
        keys = list(document) if isinstance(document, dict) else list(range(len(document)))
        key = chance.choice(keys)
        kind = chance.random()
        if kind < 0.06:
            del document[key]
        elif kind < 0.12:
            document[key] = deepcopy(document[chance.choice(keys)])
        elif kind < 0.16 and isinstance(document, list):
            document.insert(chance.randrange(len(document) + 1), deepcopy(document[key]))
        elif kind < 0.18 and isinstance(document, dict):
            document[str(chance.choice(HOSTILE))] = document.pop(key)
        else:
            document[key] = _changed(document[key], chance, text)
        return document
    if isinstance(document, str) and chance.random() < 0.6:
        return text(document.encode(errors="replace")).decode(errors="replace")
    if isinstance(document, int) and chance.random() < 0.4:
        return document + chance.choice((-document * 2, -1, 1, document, 1 << chance.randrange(66)))
    return deepcopy(chance.choice(HOSTILE))
