"""From the facts of a real machine (lab-small on its stock entry) to the plan of one host."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from hotkit.core.grub_cfg import read_menu
from hotkit.hostplan import default_lines, plan_host, stripped_texts

DATA = Path(__file__).parents[1] / "data" / "facts"
PROFILE = {"base": "4C16G-remote", "cpus": 2, "total": "1536M", "fast_share": "1/3"}


@pytest.fixture
def facts() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DATA / "lab-small-stock.json").read_text())
    # Gathered before hotkit asked for this line.
    swiotlb = "software IO TLB: mapped [mem 0x0000000079c00000-0x000000007dc00000] (64MB)"
    found["dmesg_memory"] = [*(found.get("dmesg_memory") or ()), swiotlb]
    return found


def plan(facts: dict[str, Any], **wishes: Any) -> dict[str, Any]:
    variables = {"hotkit_profile": PROFILE} | {f"hotkit_{k}": v for k, v in wishes.items()}
    return plan_host(facts, variables, host="m1").to_dict()


def sentences(found: dict[str, Any]) -> str:
    return "; ".join(item["message"] for item in found["refusals"])


def test_a_mount_that_is_required_is_not_masked(facts: dict[str, Any]) -> None:
    wish = PROFILE | {"mask_units": ["data.mount", "caddy.service"], "save": ["no-debug"]}
    found = plan(facts, profile=wish)  # these facts are older: nobody says what is required
    assert found["refusals"] == []
    for word in ("systemd.mask=data.mount", "systemd.mask=caddy.service", "page_owner=off"):
        assert found["cmdline"].split().count(word) == 1 and word in found["layout"]["args"]
    facts["required_mounts"] = ["-.mount", "other.mount"]
    assert plan(facts, profile=wish)["refusals"] == []
    facts["required_mounts"] = ["-.mount", "data.mount"]
    (refusal,) = plan(facts, profile=wish)["refusals"]
    assert "data.mount is to be masked, and local-fs.target requires it" in refusal["message"]
    assert "nofail" in refusal["hint"]


def test_a_stock_machine(facts: dict[str, Any]) -> None:
    found = plan(facts)
    assert found["refusals"] == []
    assert found["running"] == "stock" and found["state"] is None
    assert found["left"] == ["entry", "arm", "reboot", "confirm", "verify"]
    (file,) = found["files"]
    assert file["path"] == "/boot/grub/custom.cfg" and file["sha256_before"] is None
    assert "memmap=1023M\\$513M,255M\\$4609M" in file["text"]
    assert f"--id {found['entry_id']} " in file["text"]
    assert found["cmdline"].endswith("panic=10") and found["token"] in found["cmdline"].split()
    assert found["kernel_release"] == facts["kernel_release"]
    json.dumps(found)


def test_percent_style_from_the_inventory(facts: dict[str, Any]) -> None:
    assert "memmap=1023M%513M-1+2" in plan(facts, style="%")["cmdline"]


def as_written(facts: dict[str, Any], found: dict[str, Any], state: str, **more: Any) -> Any:
    """The facts of the same machine after hotkit has written the plan's entry."""
    later = copy.deepcopy(facts)
    later["boot"]["custom_cfg"] = found["files"][0]["text"]
    later["state"] = {"state": state, "token": found["token"], "layout": found["layout"]} | more
    return later


@pytest.mark.parametrize(
    ("state", "booted", "left"),
    [
        ("staged", False, ["arm", "reboot", "confirm", "verify"]),
        ("armed", False, ["reboot", "confirm", "verify"]),
        ("armed", True, ["confirm", "verify"]),
        ("trial", True, ["verify"]),
        ("verified", True, ["verify"]),
        ("verified", False, ["arm", "reboot", "confirm", "verify"]),
        ("fell-back", False, ["arm", "reboot", "confirm", "verify"]),
        ("planned", False, ["entry", "arm", "reboot", "confirm", "verify"]),
    ],
)
def test_resumes_where_it_was_cut_off(
    facts: dict[str, Any], state: str, booted: bool, left: list[str]
) -> None:
    first = plan(facts)
    later = as_written(facts, first, state)
    if booted:
        later["cmdline"] = first["cmdline"]
    found = plan(later)
    assert found["files"][0]["text"] == first["files"][0]["text"], "the entry would change"
    assert found["left"] == left
    assert found["running"] == ("this" if booted else "stock")


def test_planned_from_the_firmwares_map_while_another_layout_runs(facts: dict[str, Any]) -> None:
    found = plan(facts)
    later = copy.deepcopy(facts)
    later["cmdline"] += " hotkit.id=0123456789ab memmap=1G$1G"
    later["iomem"] = ""
    again = plan(later)
    assert again["layout"] == found["layout"]
    assert again["running"] == "0123456789ab"
    assert any("0123456789ab" in note for note in again["notes"])


def test_committed_text_makes_the_entry_the_default_of_grub(facts: dict[str, Any]) -> None:
    found = plan(facts)
    committed = found["committed_files"][0]["text"]
    assert read_menu(committed).default == found["entry_id"]
    assert read_menu(found["files"][0]["text"]).default != found["entry_id"]
    # A boot that was armed for once keeps its choice.
    armed = 'set boot_once=true\nset default="other"\n' + default_lines(found["entry_id"])
    assert read_menu(armed).default == "other"
    later = as_written(facts, found, "committed")
    later["boot"]["custom_cfg"] = committed
    later["cmdline"] = found["cmdline"]
    assert plan(later)["files"][0]["text"] == committed
    assert plan(later)["left"] == ["verify"]


def test_foreign_text_in_custom_cfg_survives(facts: dict[str, Any]) -> None:
    facts["boot"]["custom_cfg"] = "# mine\nset x=1"
    text = plan(facts)["files"][0]["text"]
    assert text.startswith("# mine\nset x=1")
    facts["boot"]["custom_cfg"] = text
    assert stripped_texts(facts) == {"/boot/grub/custom.cfg": "# mine\nset x=1"}
    facts["boot"]["custom_cfg"] = "# mine\n"
    assert stripped_texts(facts) == {}


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        ({"total": "8G"}, "node 0"),
        ({"cpus": 9}, "wants 9 CPUs, m1 has 3"),
        ({"slow": {"node": 5}}, "wants its slow tier on node 5, m1 has nodes 0, 1"),
        ({"slow": {"pmem": True, "node": 1}}, "PMEM"),
        (
            {"total": "160M", "fast_share": "1/2"},
            "will not boot: 57.5 MiB for the kernel to hand out",
        ),
    ],
)
def test_profiles_that_the_machine_cannot_give(
    facts: dict[str, Any], profile: dict[str, Any], said: str
) -> None:
    found = plan(facts, profile=PROFILE | profile)
    assert said in sentences(found)


def test_no_profile(facts: dict[str, Any]) -> None:
    assert "asks for no layout" in sentences(plan_host(facts, {}, host="m1").to_dict())


def test_preflight_refusals(facts: dict[str, Any]) -> None:
    def broken(**changes: Any) -> str:
        later = copy.deepcopy(facts)
        for key, value in changes.items():
            place, _, name = key.partition("__")
            if name:
                later[place][name] = value
            else:
                later[place] = value
        return sentences(plan(later))

    assert "aarch64" in broken(arch="aarch64")
    assert "systemd-boot" in broken(boot__loader="systemd-boot")
    assert "environment block" in broken(boot__grubenv_problem="/boot is on btrfs")
    assert "not by root" in broken(uid=1000)
    assert "too little to write" in broken(boot__free_bytes=4096)
    assert "not in /boot" in broken(boot__kernels=[])


def test_preflight_doubts(facts: dict[str, Any]) -> None:
    facts["secure_boot"] = True
    small = PROFILE | {"total": "250M", "fast_share": "1/2"}
    said = " ".join(item["message"] for item in plan(facts, profile=small)["warnings"])
    assert "Secure Boot" in said and "the layout is tight: 147.5 MiB" in said
    # A fast tier that what is started at boot fills.
    small = PROFILE | {"total": "1G", "fast_share": "1/5"}
    said = " ".join(item["message"] for item in plan(facts, profile=small)["warnings"])
    assert "goes on in the slow tier" in said


def test_facts_that_foretell_nothing_have_a_floor(facts: dict[str, Any]) -> None:
    small = PROFILE | {"total": "250M", "fast_share": "1/2"}
    facts["nodes"] = {number: item | {"meminfo": ""} for number, item in facts["nodes"].items()}
    found = plan(facts, profile=small)
    assert found["memory"] is None and "under 256 MiB a kernel may hang" in sentences(found)


def test_defaults_method_needs_a_commitment(facts: dict[str, Any]) -> None:
    refused = plan(facts, entry_method="defaults")
    assert "no stock entry remains to fall back to" in sentences(refused)
    found = plan(facts, entry_method="defaults", commit=True)
    assert found["refusals"] == [] and found["boot_once"] is False
    (file,) = found["files"]
    assert file["path"] == "/etc/default/grub.d/zz-hotkit.cfg"
    assert found["update_grub"] == ["/usr/sbin/grub-mkconfig", "-o", "/boot/grub/grub.cfg"]


def test_too_little_memory_is_refused_unless_forced(facts: dict[str, Any]) -> None:
    tiny = PROFILE | {"total": "160M", "fast_share": "1/2"}
    found = plan(facts, profile=tiny)
    assert "will not boot" in sentences(found)
    assert "no power control is set" in sentences(found)
    assert "--force" in found["refusals"][0]["hint"]
    assert "power control would reset it" in sentences(plan(facts, profile=tiny, power={}))
    forced = plan(facts, profile=tiny, force=True)
    assert forced["refusals"] == [] and forced["warnings"][0]["step"] == "memory"


def test_somebody_elses_lease_is_refused(facts: dict[str, Any]) -> None:
    facts["lease"] = {"id": "a", "who": "eve@x", "since": "noon", "until": "one"}
    assert "eve@x is at work on it since noon" in sentences(plan(facts))
    assert plan(facts, holder={"id": "a"})["refusals"] == []
    assert plan(facts, take_over="a")["refusals"] == []


def test_the_guard_of_a_trial(facts: dict[str, Any]) -> None:
    found = plan(facts, deadman_s=77)
    script, unit, want = found["guard"]
    assert "deadline_s=77" in script["text"] and f"={found['token']}\n" in unit["text"]
    assert "hotkit-guard.service" in want["text"]
    # Where every entry changes at once there is no stock entry to come back to.
    assert plan(facts, entry_method="defaults", commit=True).get("guard", []) == []
