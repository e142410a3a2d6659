"""`perf script` text. It is written by hand after perf's source: see tests/data/perf/README.md."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.errors import HotkitError
from hotkit.parse.perf_script import FIELDS, PerfSample, parse_perf_script
from tests.unit.machines import DATA

MEM_LOADS = (DATA / "perf/script-mem-loads.txt").read_text(encoding="utf-8")
PAGE_FAULTS = (DATA / "perf/script-page-faults.txt").read_text(encoding="utf-8")
IBS = (DATA / "perf/script-ibs.txt").read_text(encoding="utf-8")
LINES = [line for line in MEM_LOADS.splitlines(keepends=True) if "mem-loads," in line]


def test_mem_loads():
    found = parse_perf_script(MEM_LOADS)
    assert found.samples[0] == PerfSample(
        time_ns=8123_456789_000, pid=4242, tid=4242, cpu=3, event="cpu/mem-loads,ldlat=30/P",
        period=10007, address=0x7F1C2D3E4008, weight=34,
    )  # fmt: skip
    # A name with a blank, a kernel address, a symbol with blanks and brackets, an unknown task.
    assert [(s.pid, s.tid, s.cpu, s.address, s.weight) for s in found.samples[1:]] == [
        (4300, 4311, 12, 0xFFFF8881004A2C40, 412),
        (4242, 4243, 0, 0, 7),
        (-1, -1, 1, 0x7F1C2D3E5010, 1203),
    ]
    assert (found.lost, found.bad_lines) == (25, 0)


def test_page_faults_with_the_symbol_of_the_address_and_nanoseconds():
    found = parse_perf_script(PAGE_FAULTS, FIELDS.replace("weight,", ""))
    assert [(s.time_ns, s.address, s.weight) for s in found.samples] == [
        (8123_456789_123, 0x7F1C2D3E4000, None),
        (8123_456789_999, 0x404020, None),
    ]
    assert found.bad_lines == 0


def test_ibs_with_its_data_source_and_without_pid():
    found = parse_perf_script(IBS, "comm,tid,cpu,time,event,addr,data_src,weight,ip,sym,symoff,dso")
    assert [(s.pid, s.tid, s.period, s.address, s.weight) for s in found.samples] == [
        (None, 4242, None, 0x7F1C2D3E4008, 0),
        (None, 4242, None, 0x7F1C2D3E9000, 842),
        (None, 4242, None, 0, 0),
    ]
    assert found.bad_lines == 0


def test_the_fewest_fields():
    found = parse_perf_script("page-faults:     7f1c2d3e4000\n", "event,addr")
    assert found.samples[0].address == 0x7F1C2D3E4000
    assert (found.samples[0].pid, found.samples[0].time_ns) == (None, None)


def test_call_chains_are_no_samples():
    text = (
        "hotset 4242/4242 [003]  8123.456789:  1 page-faults:  7f1c2d3e4000\n"
        "\t          401136 touch+0x16 (/opt/hotset)\n\t    7f0000029d90 main (/lib/libc.so)\n\n"
    )
    found = parse_perf_script(text, "comm,pid,tid,cpu,time,period,event,addr")
    assert (len(found.samples), found.bad_lines) == (1, 0)


def test_a_text_that_is_cut_says_so():
    """Cut anywhere in the last line: the line is not taken, however much of it is there."""
    whole = "".join(LINES)
    for cut in range(1, len(LINES[-1])):
        found = parse_perf_script(whole[:-cut])
        assert len(found.samples) == len(LINES) - 1
        assert found.bad_lines == 1


@pytest.mark.parametrize(
    "damage",
    [
        ("8123.456789:", "8123.4567:"),
        ("[003]", "[0o3]"),
        ("7f1c2d3e4008", "7f1c2dXe4008"),
        ("7f1c2d3e4008", "7f1c2d3e40087f1c2d3e4008"),
        ("4242/4242", "4242/"),
        (" 34 ", " "),
        ("(/opt/hotset)", ""),
        ("(/opt/hotset)", "(/opt/hot"),
        ("P: ", "P "),
        # Found by fuzzing: Python reads no more than 4300 digits, and times are of 64 bits.
        ("4242/4242", f"4242/{'9' * 5000}"),
        (" 34 ", f" {'9' * 5000} "),
    ],
)
def test_a_damaged_line_is_counted_and_shown(damage):
    broken = LINES[0].replace(*damage)
    assert broken != LINES[0]
    found = parse_perf_script(LINES[1] + broken + LINES[2])
    assert len(found.samples) == 2
    assert found.bad_lines == 1
    assert found.bad_examples[0].startswith("line 2: hotset")


def test_many_damaged_lines_are_counted_and_a_few_shown():
    found = parse_perf_script(LINES[0] + "rubbish\n" * 100)
    assert found.bad_lines == 100
    assert len(found.bad_examples) == 5


def test_wrong_fields_are_an_error_not_a_result():
    with pytest.raises(HotkitError, match="no output of `perf script -F") as caught:
        parse_perf_script(IBS)
    assert "fields" in (caught.value.hint or "")
    with pytest.raises(HotkitError, match="cannot read the field 'phys_addr'"):
        parse_perf_script(IBS, FIELDS + ",phys_addr")
    with pytest.raises(HotkitError, match="event and addr are needed"):
        parse_perf_script(IBS, "comm,pid,ip")


def test_nothing_is_no_samples():
    assert parse_perf_script("").samples == ()
    assert parse_perf_script("# only a comment\n\n").bad_lines == 0


@given(st.text(max_size=300))
def test_no_text_ends_in_anything_but_a_result_or_an_explanation(text):
    try:
        found = parse_perf_script(LINES[0] + text)
    except HotkitError:
        pytest.fail("one good line is a result")
    assert found.samples[0].weight == 34


@given(
    st.integers(0, 2**64 - 1), st.integers(0, 2**32), st.integers(0, 999),
    st.integers(0, 10**15), st.sampled_from(["a", "a: b", "x [001] 1.000000: 5 e:", "1/2 [003]"]),
)  # fmt: skip
def test_what_perf_prints_is_read_back(address, weight, cpu, micros, comm):
    """perf's own formats (%16s %5d/%-5d [%03d] %12s: %10lu %s: %16lx %16lu %16lx), any values."""
    time = f"{micros // 10**6:5d}.{micros % 10**6:06d}"
    line = (
        f"{comm:>16} {77:5d}/{78:<5d} [{cpu:03d}] {time:>12}: {10007:10d} {'ibs_op//'}: "
        f"{address:16x}{weight:16d} {0x401136:16x} main (/bin/x)\n"
    )
    found = parse_perf_script(line)
    assert found.bad_lines == 0
    (sample,) = found.samples
    # A name that itself looks like fields cannot be told from fields; all others can.
    if "[" not in comm:
        assert (sample.pid, sample.tid, sample.cpu) == (77, 78, cpu)
    assert sample.time_ns == micros * 1000
    if len(f"{weight}") < 16:
        assert (sample.address, sample.weight) == (address, weight)


def test_a_time_beyond_64_bits_is_damaged():
    line = " 1 {}.000001: page-faults: 1000 \n"
    found = parse_perf_script(
        line.format("8" + "9" * 9) + line.format("9" * 10), "pid,time,event,addr"
    )
    assert [one.time_ns for one in found.samples] == [8999999999000001000]
    assert found.bad_lines == 1
