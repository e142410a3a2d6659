"""hotkit memory explain and diff: what they print, how they end, and captures of every damage."""

import json
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hotkit.cli import main
from tests.unit.machines import CAPTURE

SOURCES = sorted(path.name for path in CAPTURE.glob("*.txt"))


@pytest.fixture
def hotkit(capsys):
    def run(*argv):
        code = main(list(argv))
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def capture(tmp_path):
    """A copy of the captured machine, to damage."""
    folder = tmp_path / "copy"
    shutil.copytree(CAPTURE, folder)
    return folder


def test_the_captured_machine(hotkit):
    code, out, err = hotkit("memory", "explain", "--capture", str(CAPTURE))
    assert (code, err) == (0, "")
    for words in (
        "8316.3 MiB of 257533.3 are in use (MemTotal - MemFree), 8522.9 MiB by MemAvailable",
        "5049.7 MiB by the plain sum", "5077.5 MiB with vmapped kernel stacks counted once",
        "adds up exactly", "sums from it are lower bounds", "address space, no RAM",
        "ask: hotkit provision --trace-memory",
    ):  # fmt: skip
        assert words in out
    rows = {line.split("│")[0].strip("├└ "): line.split("│") for line in out.splitlines()}
    assert [cell.strip() for cell in rows["f2fs_build_segment_manager"][1:4]] == [
        "863.3", "857.3", "6.0",
    ]  # fmt: skip
    assert rows["alloc_large_system_hash"][1].strip() == "214.5"
    assert rows["ioremap"][1].strip() == "280.2"
    assert rows["mappings of per-CPU areas"][1].strip() == "72.0"
    assert rows["mappings of shared memory"][1].strip() == "8.8"
    assert rows["struct pages of PMEM, 1/64"][2].strip() == "cannot be"
    shared = rows["struct pages of PMEM, 1/256"]
    assert [cell.strip() for cell in shared[1:3]] == ["4032.0", "fits"]
    assert "\x1b" not in out


def test_this_machine(hotkit):
    """The real files of the kernel that runs here: little stays unexplained, and nothing twice."""
    code, out, err = hotkit("memory", "explain", "local", "--json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert sum(item["size_bytes"] for item in document["items"]) == document["used_bytes"]
    share = document["unexplained_bytes"] / document["total_bytes"]
    assert -0.02 < share < 0.1, document["items"]


def test_json_is_one_document(hotkit):
    code, out, err = hotkit("memory", "explain", str(CAPTURE), "--json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document["schema_version"] == 1
    assert sum(item["size_bytes"] for item in document["items"]) == document["used_bytes"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ((), "name one machine"),
        (("tier1", "--capture", "x"), "name one machine: HOST, --host HOST or --capture DIR (ther"),
        (("--capture", "/nowhere/at/all"), "no such file or directory"),
    ],
)
def test_a_mistake_is_one_sentence(hotkit, argv, message):
    code, out, err = hotkit("memory", "explain", *argv)
    assert (code, out) == (2, "")
    assert message in err and "Traceback" not in err


def test_diff_of_two_tables(hotkit):
    tables = [str(CAPTURE / f"numactl-{name}.txt") for name in ("all-cpus", "maxcpus4")]
    code, out, err = hotkit("memory", "diff", *tables)
    assert (code, err) == (0, "")
    assert "│ 3304.0 │ 4309.0 │ +1005.0 │" in out
    assert "│ 4383.0 │ 2434.0 │ -1949.0 │" in out
    assert "node 1 has no CPU online in numactl-maxcpus4" in out
    code, out, _ = hotkit("memory", "diff", *tables, "--json")
    assert code == 0 and json.loads(out)["delta_bytes"] == -944 << 20


def test_diff_of_two_directories(hotkit, capture):
    text = (capture / "meminfo.txt").read_text()
    (capture / "meminfo.txt").write_text(
        text.replace("537532 kB", "637532 kB").replace("255198208", "255098208")
    )
    code, out, _ = hotkit("memory", "diff", str(CAPTURE), str(capture))
    assert code == 0
    assert any(
        line.startswith("slab ") and "+97.7" in line.split("│")[3] for line in out.splitlines()
    )


# A meminfo of each kind of kernel: what it has, what it has not, and what must be said.
OLD_32_BIT = """\
MemTotal:        2062480 kB
MemFree:          200000 kB
Buffers:           30000 kB
Cached:           900000 kB
SwapCached:            0 kB
Active(anon):      10000 kB
Inactive(anon):        0 kB
HighTotal:       1187784 kB
HighFree:          10000 kB
LowTotal:         874696 kB
LowFree:          190000 kB
AnonPages:         10000 kB
Slab:              50000 kB
SReclaimable:      30000 kB
KernelStack:        2000 kB
PageTables:         3000 kB
VmallocTotal:     122880 kB
VmallocUsed:       19000 kB
VmallocChunk:      90000 kB
DirectMap4k:       10000 kB
DirectMap4M:      900000 kB
"""
OF_TOMORROW = OLD_32_BIT + (
    "Percpu: 10 kB\nMemAvailable: 1 kB\nGPUActive: 1000 kB\nQuantumPages: 7 kB\n"
    "Hugetlb: 2048 kB\nUnaccepted: 5 kB\nBalloon: 5 kB\n"
)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"meminfo": OLD_32_BIT}, ["no MemAvailable: kernels before 3.14"]),
        ({"meminfo": OLD_32_BIT, "vmallocinfo":
          "0xf8a00000-0xf8a02000    8192 f+0x1/0x2 pages=1 vmalloc\n"},
         ["VmallocUsed of this old kernel is address space"]),
        ({"meminfo": OF_TOMORROW},
         ["cannot place, counted nowhere: QuantumPages", "GPU memory", "huge page pools"]),
        ({"vmallocinfo": "x" * 9999}, ["vmallocinfo, line 1: cannot be read: 'xxx"]),
        ({"vmallocinfo": ""}, ["vmallocinfo: it is empty"]),
        ({"slabinfo": "slabinfo - version: 2.1\n"}, ["slabinfo: it is empty"]),
        ({"slabinfo": "slabinfo - version: 9.9\nx 1 2\n"}, ["its version is 9.9", "line 2:"]),
        ({"zoneinfo": "Node 0, zone DMA\n  pages free 12"}, ["line 1: this zone has no present"]),
        ({"dmesg-boot": "\x00\x01 SRAT: Node 0 PXM 0 [mem 0x0000\n"}, ["processes"]),
        ({"memory.json": "{"}, ["memory.json is damaged"]),
        ({"memory.json": '{"schema_version": 9, "processes": 3}'}, ["'processes' cannot be read"]),
        ({"node0-meminfo": "Node 0 MemTotal: 12 kB\n"}, ["node0-meminfo: no MemFree: this node"]),
        ({"numactl-all-cpus": "node 0 cpus: x y\n"}, ["cannot read the CPUs"]),
        ({"ps-rss": "USER PID\nroot\n"}, ["ps-rss, line 2: cannot be read: 'root'"]),
    ],
)  # fmt: skip
def test_damaged_partial_and_foreign_captures(hotkit, capture, files, said):
    for name, text in files.items():
        path = capture / (name if name.endswith(".json") else f"{name}.txt")
        path.write_text(text, encoding="utf-8")
    code, out, err = hotkit("memory", "explain", "--capture", str(capture))
    assert (code, err) == (0, "")
    joined = " ".join(out.split())
    for words in said:
        assert words in joined, words
    assert "adds up exactly" in out


def test_line_ends_of_another_system_change_nothing(hotkit, capture):
    _, before, _ = hotkit("memory", "explain", str(capture), "--json")
    for path in capture.glob("*.txt"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    _, after, _ = hotkit("memory", "explain", str(capture), "--json")
    assert after == before


@pytest.mark.parametrize("source", SOURCES)
def test_each_source_may_be_missing(hotkit, capture, source):
    (capture / source).unlink()
    code, out, err = hotkit("memory", "explain", str(capture))
    if source == "meminfo.txt":
        assert code == 2 and "nothing says which is meant" in err
    else:
        assert (code, err) == (0, "") and "8316.3 MiB of 257533.3" in out


@pytest.mark.parametrize("source", SOURCES)
def test_each_source_may_be_noise(hotkit, capture, source):
    (capture / source).write_bytes(bytes(range(256)) * 40)
    code, out, err = hotkit("memory", "explain", str(capture))
    if source == "meminfo.txt":
        assert code == 2 and err.count("\n") <= 2 and "no MemTotal is known" in err
    else:
        assert (code, err) == (0, "") and "8316.3 MiB of 257533.3" in out


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_is_an_answer_or_one_sentence(hotkit, tmp_path, data):
    folder = tmp_path / "damaged"
    shutil.copytree(CAPTURE, folder, dirs_exist_ok=True)
    for source in data.draw(st.lists(st.sampled_from(SOURCES), min_size=1, max_size=3)):
        content = (CAPTURE / source).read_bytes()
        start = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(start, len(content)))
        noise = data.draw(st.one_of(st.binary(max_size=60), st.just(b""), st.just(b"9" * 5000)))
        (folder / source).write_bytes(content[:start] + noise + content[end:])
    code, out, err = hotkit("memory", "explain", str(folder), "--json")
    if code:
        assert code == 2 and not out and "Traceback" not in err
    else:
        document = json.loads(out)
        assert sum(item["size_bytes"] for item in document["items"]) == document["used_bytes"]
