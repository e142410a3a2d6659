"""hotkit topology and hotkit layout: what they print, and how they end."""

import json

import pytest

from hotkit.cli import main
from tests.unit.machines import CAPTURE, DATA

MACHINE = str(CAPTURE)
PUBLISHED = "maxcpus=4 memmap=127796M$5324M,117964M$146228M"


@pytest.fixture
def hotkit(capsys):
    def run(*argv):
        code = main(list(argv))
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_plan_prints_the_line_to_copy_last_and_unwrapped(hotkit):
    code, out, _ = hotkit(
        "layout", "plan", "4C16G-remote", "--topology", MACHINE, "--size-means", "span"
    )
    assert code == 0
    assert out.splitlines()[-1] == f"{PUBLISHED} nokaslr"
    assert "2927.8 MiB" in out and "3276 MiB" in out


def test_plan_json_is_one_document(hotkit):
    code, out, err = hotkit(
        "layout", "plan", "4C16G-remote x 9", "--topology", MACHINE, "--style", "%", "--align",
        "1G", "--set", "extra=[panic=10]", "--json",
    )  # fmt: skip
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document["schema_version"] == 1
    assert document["args"][0] == "maxcpus=36"
    assert document["args"][-1] == "panic=10"
    assert "%" in document["args"][1]
    assert document["nodes"][0]["wanted_bytes"] == 9 * 3276 << 20
    assert document["review"]["ok"] is True


def test_plan_from_a_file_with_a_bad_unit(hotkit, tmp_path):
    path = tmp_path / "p.yml"
    path.write_text("fast: {node: 0, size: 4GB}\n", encoding="utf-8")
    code, out, err = hotkit("layout", "plan", str(path), "--topology", MACHINE)
    assert (code, out) == (2, "")
    assert f"{path}:1:23: fast.size" in err


def test_plan_from_a_file_that_asks_too_much(hotkit, tmp_path):
    path = tmp_path / "p.yml"
    path.write_text("base: 4C16G-remote\nslow:\n  node: 9\n", encoding="utf-8")
    code, _, err = hotkit("layout", "plan", str(path), "--topology", MACHINE)
    assert code == 2
    assert f"{path}:3:9: p wants its slow tier on node 9" in err


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["4C16G", "--topology", MACHINE], 2, "no profile '4C16G'"),
        (["4C16G-remote", "--topology", MACHINE, "--set", "cpus=-1"], 2, "cpus: -1 is negative"),
        (["4C16G-remote", "--topology", MACHINE, "--set", "cpu=1"], 2, "cpu: unknown key"),
        (["4C16G-remote", "--topology", MACHINE, "--set", "slow.node=9"], 2, "node 9"),
        (["4C16G-remote", "--topology", MACHINE, "--scale", "40"], 2, "160 CPUs"),
        (["4C16G-remote", "--topology", "ssh://127.0.0.1:1"], 3, "cannot be reached"),
        (["4C16G-remote", "--topology", "/nowhere"], 2, "no such file"),
        (["4C16G-remote"], 2, "--topology"),
        (["4C16G-remote", "--topology", MACHINE, "--style", "&"], 2, "--style"),
    ],
)
def test_plan_refuses(hotkit, argv, code, message):
    found, out, err = hotkit("layout", "plan", *argv)
    assert (found, out) == (code, "")
    assert message in err
    assert "Traceback" not in err


def test_check_of_the_published_line(hotkit):
    code, out, _ = hotkit(
        "layout", "check", PUBLISHED, "--topology", MACHINE, "--profile", "4C16G-remote"
    )
    assert code == 1
    assert "error missing-ram: node 0 keeps 2927.8 MiB" in out


def test_check_in_the_meaning_it_was_made_for(hotkit):
    code, out, _ = hotkit(
        "layout", "check", PUBLISHED, "--topology", MACHINE, "--profile", "4C16G-remote",
        "--set", "size_means=span", "--json",
    )  # fmt: skip
    assert code == 0
    assert json.loads(out)["ok"] is True


def test_check_of_a_lost_dollar(hotkit):
    code, out, _ = hotkit("layout", "check", "memmap=127796M24M", "--topology", MACHINE, "--json")
    assert code == 1
    codes = {item["code"]: item for item in json.loads(out)["findings"]}
    assert codes["cap"]["token"] == "127796M24M"
    assert codes["malformed"]["severity"] == "error"


def test_show(hotkit):
    code, out, _ = hotkit("topology", "show", MACHINE)
    assert code == 0
    assert "0-35,72-107" in out and "504 GiB" in out and "note: " in out


def test_show_json(hotkit):
    code, out, _ = hotkit("topology", "show", str(DATA / "facts/qemu-8n.json"), "--json")
    document = json.loads(out)
    assert code == 0
    assert [item["node"] for item in document["nodes"]] == list(range(8))
    assert document["nodes"][3]["ram_bytes"] == 256 << 20


def test_show_of_a_log_without_srat(hotkit, tmp_path):
    path = tmp_path / "dmesg.txt"
    path.write_text("BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff] usable\n", "utf-8")
    code, _, err = hotkit("topology", "show", str(path))
    assert code == 2
    assert "has no SRAT lines" in err
