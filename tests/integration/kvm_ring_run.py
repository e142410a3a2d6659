"""Runs kvm-dirty by: ring over two VMs (minivm.c) at once, and prints what it found of one.

Called by test_kvm_dirty_ring.py where tracefs is mounted: kvm_ring_run.py SCAN MINIVM FOLDER. The
VM is none of QEMU's: what makes QEMU ready is left out.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from minivms import PAGES, running
from scanning import Rounds, keepers, written

from hotkit.agent.trackers import kvm_ring
from hotkit.agent.trackers.base import complete
from hotkit.agent.trackers.kvm_dirty import KvmDirty
from hotkit.agent.undo import Undo

program, minivm, folder = sys.argv[1:]
kvm_ring.make_collecting = lambda target: None
undo = Undo(Path(folder))
undo.open()
tracker = KvmDirty(undo)
tracker.scan_program = program
given = complete(KvmDirty, {"by": "ring"})
probe = tracker.probe(given).as_json()
tracker.recorder = rounds = Rounds()
with running(minivm, "ring") as vm, running(minivm, "ring", "logged") as other:
    other.write(other.first, 0, PAGES)
    vm.write(vm.second, 1)
    vm.read(vm.first, 0, PAGES)
    tracker.start(vm.target, given)
    vm.write(vm.first, 3, 9, 7)
    time.sleep(1.3)
    vm.once(vm.second, 66, 4)
    time.sleep(0.3)
    vm.write(vm.first, 40, 2)
    time.sleep(2)
    tracker.stop()
    tracker.stop()
    time.sleep(0.3)  # what is in the ring is collected
    before = vm.state()
    vm.write(vm.first, 0, PAGES)
    time.sleep(0.3)
    after = vm.state()
    said = {
        "probe": probe,
        "written": [sorted(pages) for pages in written(tracker)],
        "heat": [list(part.heat) for part in tracker.hot()],
        "recorded": [[i for i, flag in enumerate(one) if flag] for one in rounds.flags],
        "samples": tracker.samples().as_json(),
        "facts": tracker.facts(),
        "cost_ns": tracker.self_cost(),
        "cpus": tracker.cpus(),
        "pushed_after": after["collected"] - before["collected"],
        "wrong": after["wrong"],
        "slots": vm.ask("slots"),
        "keepers": keepers(vm.pid),
        "instances": [path.name for path in Path("/sys/kernel/tracing/instances").iterdir()],
    }
undo.close()
said["instances_after"] = [p.name for p in Path("/sys/kernel/tracing/instances").iterdir()]
sys.stdout.write(json.dumps(said))
