"""A committed layout in real GRUB 2.06: the default boots it, an armed boot still has its way."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from real_grub import boot

from hotkit.core.grubenv import render
from hotkit.hostplan import plan_host

pytestmark = pytest.mark.lab

FACTS = Path(__file__).parents[1] / "data" / "facts" / "lab-small-stock.json"
KERNEL = "boot/vmlinuz-6.1.0-56-cloud-amd64"
PROFILE = {"base": "4C16G-remote", "cpus": 2, "total": "1536M", "fast_share": "1/3"}


def plan(facts: dict[str, Any], **override: Any) -> dict[str, Any]:
    found = plan_host(facts, {"hotkit_profile": PROFILE | override}, host="m1").to_dict()
    assert found["refusals"] == []
    return found


@pytest.mark.parametrize("next_entry", [None, "other"])
def test_commit(next_entry: str | None, tmp_path: Path) -> None:
    facts = json.loads(FACTS.read_text())
    facts["boot"]["grub_cfg"] = facts["boot"]["grub_cfg"].replace("set timeout=1", "set timeout=0")
    committed = plan(facts)
    facts["boot"]["custom_cfg"] = "menuentry other --id other { linux /k other; boot; }\n"
    files = {
        "grubenv": render({"next_entry": next_entry} if next_entry else {}),
        "custom.cfg": plan(facts)["committed_files"][0]["text"],
        KERNEL.replace("vmlinuz", "initrd.img"): "any",
    }
    found = boot(facts["boot"]["grub_cfg"], tmp_path, files, kernels=[KERNEL, "k"])
    assert found == ("BOOT_IMAGE=/k other" if next_entry else committed["cmdline"])


def test_uncommitted_entry_is_not_the_default(tmp_path: Path) -> None:
    facts = json.loads(FACTS.read_text())
    text = facts["boot"]["grub_cfg"].replace("set timeout=1", "set timeout=0")
    files = {
        "grubenv": render({}),
        "custom.cfg": plan(copy.deepcopy(facts))["files"][0]["text"],
        KERNEL.replace("vmlinuz", "initrd.img"): "any",
    }
    assert "hotkit" not in boot(text, tmp_path, files, kernels=[KERNEL])
