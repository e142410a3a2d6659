#!/usr/bin/python
"""PMEM as RAM of a node, and its way back: one step on one host. Standard library only.

The sizes were decided on the controller (hotkit.core.pmem). A namespace is made by ndctl under a
name that was journalled before, so that a call that was cut off knows its own again.
"""

from __future__ import annotations

import os
from pathlib import Path

from ansible.module_utils.hotkit_host import (
    Journal,
    Refused,
    release,
    run_module,
)

DOCUMENTATION = r"""
---
module: hotkit_pmem
short_description: Put PMEM online as RAM of its node, or give hotkit's namespace back
description:
  - C(attach) makes a devdax namespace in free space of a region, hands it to dax/kmem and puts as
    many of its memory blocks online as are wanted, movable.
  - C(give_back) destroys the namespace, and only the one, that the journal in
    C(/var/lib/hotkit/state.json) says hotkit made.
options:
  step:
    description: What to do.
    choices: [attach, give_back]
    required: true
    type: str
  plan:
    description: The plan of this host, made by the filter C(hotkit_plan). For C(attach).
    type: dict
  attachment:
    description: What to make of which region, by the filter C(hotkit_attach). For C(attach).
    type: dict
  holder:
    description: Who works on this machine (see M(hotkit_entry)).
    type: dict
    default: {}
  take_over:
    description: The id of the lease that may be broken.
    type: str
    default: ""
  lease_seconds:
    description: How long the lease holds after each step.
    type: int
    default: 3600
  root:
    description: Directory that stands for C(/); for tests.
    type: path
    default: /
author: hotkit
"""

EXAMPLES = r"""
- name: PMEM becomes RAM of its node
  hotkit_pmem:
    step: attach
    plan: "{{ hotkit_plan }}"
    attachment: "{{ gather_result | hotkit_attach(hotkit_plan) }}"
"""

RETURN = r"""
online_bytes:
  description: How much of the PMEM is RAM now.
  returned: attach
  type: int
pending:
  description: Whether a namespace of hotkit's is left, because its memory is in use.
  returned: give_back
  type: bool
notes:
  description: Sentences for people.
  returned: always
  type: list
"""

ND = "/sys/bus/nd/devices"
DAX = "/sys/bus/dax/devices"
MEMORY = "/sys/devices/system/memory"
AUTO_ONLINE = MEMORY + "/auto_online_blocks"


class Pmem:
    """What sysfs shows of namespaces, dax devices and memory blocks (Linux 6.1)."""

    def __init__(self, host):
        self.host = host

    def number(self, path):
        return int(self.host.text(str(path)).strip() or "0", 0)

    def entries(self, folder, pattern):
        root = self.host.path(folder)
        return [f"{folder}/{item.name}" for item in sorted(root.glob(pattern))]

    def namespace(self, name):
        """The sysfs path of the namespace whose maker called it `name`, or None."""
        for path in self.entries(ND, "namespace*"):
            if self.host.text(path + "/alt_name").strip() == name and self.number(path + "/size"):
                return path
        return None

    def namespace_of(self, region):
        """The only namespace of a region without labels."""
        return next(iter(self.entries(f"{ND}/{region}", "namespace*")), None)

    def device(self, start, end):
        """The dax device inside an address range, or None."""
        for path in self.entries(DAX, "dax*"):
            at = self.number(path + "/resource")
            if start <= at < end and self.number(path + "/size"):
                return path
        return None

    def driver(self, path):
        link = self.host.path(path + "/driver")
        return link.resolve().name if link.exists() else None

    def blocks(self, path, block_bytes):
        """The state files of the memory blocks that lie whole inside a dax device."""
        start, size = self.number(path + "/resource"), self.number(path + "/size")
        numbers = range(-(-start // block_bytes), (start + size) // block_bytes)
        return [f"{MEMORY}/memory{item}/state" for item in numbers]

    def is_online(self, block):
        return self.host.text(block).strip() == "online"


def attach(host, journal, plan, what):
    """The wanted part of the PMEM online as RAM; nothing to do when it is so."""
    if plan["token"] not in host.cmdline:
        raise Refused("the layout {} does not run here: no PMEM for it".format(plan["entry_id"]))
    if not journal.of(plan):
        raise Refused("the entry {} is not staged on this machine".format(plan["entry_id"]))
    pmem = Pmem(host)
    count = what["online_bytes"] // what["block_bytes"]
    emulated = what["namespace_bytes"] is None
    namespace = (
        pmem.namespace_of(what["region"])
        if emulated
        else pmem.namespace((journal.data.get("pmem") or {}).get("name"))
    )
    device = device_of(pmem, namespace)
    if device and pmem.driver(device) == "kmem":
        states = [pmem.is_online(block) for block in pmem.blocks(device, what["block_bytes"])]
        if states == [True] * count + [False] * (len(states) - count):
            return False, {"online_bytes": what["online_bytes"]}
    if host.module.check_mode:
        return True, {"online_bytes": 0}
    load_drivers(host)
    device = device_of(pmem, namespace)
    if emulated:
        make_emulated(host, pmem, namespace, what["region"])
    elif not fits(pmem, device, count, what["block_bytes"]):
        if namespace:  # of an earlier layout, or cut off between its label and its info block
            host.notes.append("the namespace that was made before does not fit: made anew")
            destroy(host, pmem, namespace)
        namespace = make(host, journal, pmem, plan, what)
    device = device_of(pmem, namespace)
    if device is None:
        raise Refused(f"no dax device came of {namespace}: is the module dax_pmem there?")
    if pmem.driver(device) != "kmem":
        to_system_ram(host, device)
    blocks = pmem.blocks(device, what["block_bytes"])
    if pmem.driver(device) != "kmem" or len(blocks) < count:
        raise Refused(f"{device} has {len(blocks)} memory blocks, {count} are wanted")
    for index, block in enumerate(blocks):
        if pmem.is_online(block) != (index < count):
            host.path(block).write_text("online_movable" if index < count else "offline")
    return True, {"online_bytes": what["online_bytes"]}


def fits(pmem, device, count, block_bytes):
    """Whether a device gives what is wanted, and takes no more of the region than it must."""
    return device is not None and count <= len(pmem.blocks(device, block_bytes)) <= count + 1


def device_of(pmem, namespace):
    if namespace is None:
        return None
    start = pmem.number(namespace + "/resource")
    return pmem.device(start, start + pmem.number(namespace + "/size"))


def load_drivers(host):
    """Those that udev loads as a rule; one that is not there shows in what comes next."""
    for name in ("nfit", "nd_e820", "nd_pmem", "dax_pmem", "device_dax", "kmem"):
        host.module.run_command(["modprobe", "-q", name])


def make(host, journal, pmem, plan, what):
    """A namespace of ours in free space. The journal knows its name before it is there."""
    name = "hotkit-{}-{}".format(plan["token"].rpartition("=")[2], os.urandom(4).hex())
    # Not the region: its number is another one in another boot.
    journal.data["pmem"] = {"name": name}
    journal.save()
    host.command(
        ["ndctl", "create-namespace", "-r", what["region"], "-m", "devdax", "-M", "mem",
         "-s", str(what["namespace_bytes"]), "-n", name]
    )  # fmt: skip
    return pmem.namespace(name)


def make_emulated(host, pmem, namespace, region):
    """The command line made this region of DRAM: whatever is in it is nobody's data."""
    if namespace is None:
        raise Refused(f"{region} shows no namespace")
    if device_of(pmem, namespace) is None:
        host.command(
            ["ndctl", "create-namespace", "-f", "-e", Path(namespace).name,
             "-m", "devdax", "-M", "mem"]
        )  # fmt: skip


def to_system_ram(host, device):
    """Hand a device to dax/kmem with every block offline: which come online is our choice."""
    holds_its_struct_pages(host, device)
    policy = host.text(AUTO_ONLINE).strip()
    try:
        if policy not in ("", "offline"):
            host.path(AUTO_ONLINE).write_text("offline")
        host.command(["daxctl", "reconfigure-device", "-m", "system-ram", "-N", Path(device).name])
    finally:
        if policy not in ("", "offline"):
            host.path(AUTO_ONLINE).write_text(policy)


def holds_its_struct_pages(host, device):
    """Where the command line has memmap_on_memory, a device of PMEM must ask for it (Linux 6.8)."""
    if "memory_hotplug.memmap_on_memory=1" not in host.cmdline:
        return
    knob = host.path(device + "/memmap_on_memory")
    try:
        if not knob.exists():
            raise OSError("this kernel is older than 6.8")
        knob.write_text("1")
    except OSError as error:  # the architecture or the size of a memory block does not allow it
        host.notes.append(f"the struct pages of {Path(device).name} lie in DRAM: {error}")


def give_back(host, journal):
    """Destroy the namespace that hotkit made, and forget the journal that was kept for it."""
    record = (journal.data or {}).get("pmem")
    if not record:
        return False, {"pending": False}
    pmem = Pmem(host)
    namespace = pmem.namespace(record["name"])
    device = device_of(pmem, namespace)
    if device and pmem.driver(device) == "kmem":
        name = Path(device).name
        host.notes.append(
            f"{name} is still RAM here; its namespace goes with a rollback after the next reboot"
        )
        return False, {"pending": True}
    if host.module.check_mode:
        return True, {"pending": False}
    if namespace:
        destroy(host, pmem, namespace)
    journal.taken_back("pmem")
    return True, {"pending": False}


def destroy(host, pmem, namespace):
    name = host.text(namespace + "/alt_name").strip()
    if not name.startswith("hotkit-"):
        raise Refused(f"{namespace} is called {name!r}: that is none of hotkit's")
    device = device_of(pmem, namespace)
    if device and pmem.driver(device) == "kmem":
        raise Refused(
            f"{Path(device).name} is in use as RAM: reboot, then do this again (hotkit rollback)"
        )
    host.command(["ndctl", "destroy-namespace", "-f", Path(namespace).name])


def run_step(host, params):
    journal = Journal(host)
    if params["step"] == "give_back":
        done = give_back(host, journal)
    else:
        done = attach(host, journal, params["plan"], params["attachment"])
    if journal.state != "trial" and not host.module.check_mode:
        release(host)  # nothing is left to record
    return done


def main():
    run_module(
        run_step,
        {
            "step": {"type": "str", "required": True, "choices": ["attach", "give_back"]},
            "plan": {"type": "dict"},
            "attachment": {"type": "dict"},
        },
        required_if=[("step", "attach", ["plan", "attachment"])],
    )


if __name__ == "__main__":
    main()
