"""hotkit's side of the benchmark of boots: lab-small's layout, booted in QEMU and judged.

    python simulate_once.py VMLINUZ      exit code 0 when what came up is what was planned

As `hotkit layout simulate` does it for a topology, but with this kernel.
"""

import json
import sys
from pathlib import Path

from hotkit.core.check import Verdict
from hotkit.core.memory_checks import check_no_other_ram, check_system_ram
from hotkit.core.plan import plan
from hotkit.host.profiles import load_profile
from hotkit.host.simulator import TopologyTarget, boot
from hotkit.parse.facts import topology_from_facts
from hotkit.parse.observed import observe

FACTS = Path(__file__).resolve().parents[3] / "tests/data/facts/lab-small-stock.json"
PROFILE = {"base": "4C16G-remote", "cpus": 2, "total": "1536M", "fast_share": "1/3"}

kernel = Path(sys.argv[1])
topology = topology_from_facts(json.loads(FACTS.read_text()))
layout = plan(topology, load_profile(PROFILE))
args = (*layout.args, layout.token)
facts = boot(TopologyTarget(topology), kernel, args, accel="tcg")
observed = observe(facts, host=topology.name)
checks = [check_system_ram(node, observed) for node in layout.nodes]
checks.append(check_no_other_ram(layout, observed))
sys.exit(any(check.verdict is not Verdict.PASS for check in checks))
