"""Recorded lines of a kernel's proof over a VM (tests/data/kernelproof)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hotkit.parse.kvm_selftest import read_witness

DATA = Path(__file__).parents[1] / "data" / "kernelproof"
RECORDED = ("6.1", "6.1-unpatched", "6.12")


def written(name: str) -> list[dict[str, Any]]:
    """As the machine wrote them."""
    return [json.loads(text) for text in (DATA / f"vm-{name}.jsonl").read_text().splitlines()]


def lines(name: str) -> list[dict[str, Any]]:
    """As they are judged: with what the kernel's own programs said read."""
    return [read_witness(item) if item["proof"] == "witness" else item for item in written(name)]


def one(name: str, proof: str, **fields: Any) -> dict[str, Any]:
    """The only line of that kind with these fields."""
    (found,) = [
        item for item in lines(name)
        if item["proof"] == proof and all(item.get(key) == fields[key] for key in fields)
    ]  # fmt: skip
    return found
