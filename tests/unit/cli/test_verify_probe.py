"""`hotkit verify --probe`: measured after the checks, never part of the verdict."""

import json

import pytest

from hotkit.cli import main, verify
from hotkit.core.check import judged
from hotkit.core.hostverdict import HostVerdict, Outcome
from hotkit.core.labels import label_of
from hotkit.core.tierprobe import TierProbe, TierRow

FAILED = HostVerdict(
    host="tier1",
    outcome=Outcome.FAIL,
    layout_id="a",
    label=label_of("metal"),
    checks=(judged("entry", "hotkit.id=a", "none", False, "The stock entry runs."),),
)
GONE = HostVerdict(host="tier2", outcome=Outcome.UNREACHABLE, problem="tier2 is unreachable")


def row(node, latency):
    return TierRow(
        cpu_node=0, memory_node=node, latency_ns=(latency,), read_mib_s=(1.0,), pages=1,
        pages_on_node=1,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def measured(monkeypatch, tmp_path):
    calls = []

    def probe_tiers(inventory, verdicts, folder):
        calls.append((inventory, [item.host for item in verdicts]))
        rows = (row(0, 90.0), row(1, 180.0))
        label = label_of("metal")
        return [TierProbe(host="tier1", label=label, rows=rows, bytes_probed=1, llc_bytes=None)]

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(verify, "verify", lambda *args, **named: [FAILED, GONE])
    monkeypatch.setattr(verify, "probe_tiers", probe_tiers)
    return calls


def test_only_when_asked_for(measured, capsys):
    assert main(["verify", "lab", "--json"]) == 1
    assert measured == []
    assert "tiers" not in json.loads(capsys.readouterr().out)["hosts"][0]


def test_json(measured, capsys):
    assert main(["verify", "lab", "--probe", "--json"]) == 1
    assert measured == [("lab", ["tier1", "tier2"])]
    first, second = json.loads(capsys.readouterr().out)["hosts"]
    assert first["tiers"]["verdicts"][0]["shown_slower"] is True
    assert second["tiers"] is None


def test_terminal(capsys):
    assert main(["verify", "lab", "--probe"]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "Node 1 from the CPUs of node 0: shown to be slower. 180 against 90 ns" in said
