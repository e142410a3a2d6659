"""The plan of a host whose slow tier is PMEM, from the facts of lab-pmem."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hotkit.core.layout import Layout
from hotkit.core.pmem import struct_page_bytes
from hotkit.core.preflight import preflight
from hotkit.core.units import GIB
from hotkit.errors import HotkitError
from hotkit.hostplan import attach_pmem, plan_host

DATA = Path(__file__).parents[1] / "data" / "facts"
PROFILE = {"base": "36C36G-pmem", "cpus": 2, "fast": {"size": "1024M"}, "slow": {"size": "1G"}}


@pytest.fixture
def facts() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DATA / "lab-pmem-stock.json").read_text())
    return found


def plan(facts: dict[str, Any], **slow: Any) -> dict[str, Any]:
    wish = PROFILE | {"slow": {"size": "1G"} | slow}
    return plan_host(facts, {"hotkit_profile": wish}, host="m1").to_dict()


def refusals(found: dict[str, Any]) -> str:
    return "; ".join(item["message"] for item in found["refusals"])


def test_what_it_does(facts: dict[str, Any]) -> None:
    found = plan(facts)
    assert found["refusals"] == []
    assert found["left"] == ["entry", "arm", "reboot", "confirm", "pmem", "verify"]
    assert found["pmem"]["node"] == 2 and found["layout"]["tiers"] == [0, 2]
    assert found["layout"]["distance"] == 17
    assert any("its struct pages take 16 MiB of DRAM" in note for note in found["notes"])
    assert attach_pmem(facts, found["pmem"]) == {
        "region": "region0", "range": [4 << 30, 6 << 30], "namespace_bytes": 1152 << 20,
        "online_bytes": 1 << 30, "block_bytes": 128 << 20,
    }  # fmt: skip


def test_another_size_is_another_layout(facts: dict[str, Any]) -> None:
    assert plan(facts)["token"] != plan(facts, size="512M")["token"]


def test_refused_before_anything_is_written(facts: dict[str, Any]) -> None:
    facts["pmem"]["tools_missing"] = ["ndctl"]
    assert "ndctl is missing" in refusals(plan(facts))
    facts["pmem"]["tools_missing"] = []
    facts["pmem"]["regions"][0]["labelled"] = False
    assert "has no labels" in refusals(plan(facts))
    facts["pmem"]["regions"] = []
    assert "no driver shows an NVDIMM region" in refusals(plan(facts))
    # Emulated PMEM is there only once the layout runs.
    assert refusals(plan(facts, pmem="emulated", node=1, size="512M")) == ""


def test_others_and_ours(facts: dict[str, Any]) -> None:
    attached = json.loads((DATA / "lab-pmem-attached.json").read_text())
    assert "624 MiB free in one piece" in refusals(plan(attached))
    attached["state"] = {"state": "verified", "token": "x", "pmem": {"name": "hotkit-x"}}
    assert refusals(plan(attached)) == ""


def test_too_little_dram_for_the_struct_pages(facts: dict[str, Any]) -> None:
    found = plan(facts)
    layout = Layout.from_dict(found["layout"])
    # 504 GiB of PMEM would cost 7.9 GiB; this layout leaves 1 GiB of DRAM.
    refused, _ = preflight(
        layout, uid=0, boot_free_bytes=GIB, forecast=None, secure_boot=None, kernel="/k",
        kernels=("/k",), pmem_cost_bytes=struct_page_bytes(504 * GIB),
    )  # fmt: skip
    (concern,) = refused
    assert "struct pages of the PMEM take 8064 MiB" in concern.message


def test_nothing_to_attach_is_one_sentence(facts: dict[str, Any]) -> None:
    wanted = plan(facts)["pmem"]
    facts["pmem"]["regions"] = []
    with pytest.raises(HotkitError, match="no driver shows") as caught:
        attach_pmem(facts, wanted)
    assert "modprobe" in (caught.value.hint or "")
