"""What one running machine shows of its memory layout, in the core's types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hotkit.core.labels import Label
from hotkit.core.ranges import Range, RangeSet
from hotkit.core.topology import Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeState:
    """One online NUMA node; sizes in bytes, None where the source does not say.

    `memtotal_bytes` is MemTotal of /sys/devices/system/node/node<N>/meminfo (what the kernel
    manages); `numactl_bytes` the size that `numactl -H` prints (whole MiB, rounded down);
    `distances` to each online node, in the order of their numbers.
    """

    node: int
    memtotal_bytes: int | None = None
    numactl_bytes: int | None = None
    cpus: tuple[int, ...] = ()
    distances: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DaxDevice:
    """A piece of PMEM that some driver has; with dax/kmem its online memory blocks are RAM."""

    name: str
    range: Range
    node: int
    driver: str | None
    online_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The facts of one host that a layout is compared with.

    `system_ram` holds the top-level "System RAM" lines of /proc/iomem; None when the kernel hid
    the addresses (a reader who is not root sees zeros). `hotplugged_ram` holds RAM that a driver
    added below a device ("System RAM (kmem)"), `pmem` the "Persistent Memory" lines.
    `numactl_nodes` are the nodes that `numactl -H` lists, None without numactl. `cpu_nodes` maps
    each CPU that the kernel knows to its node. `entry_text` is what custom.cfg on the host says
    today, `state` the name of the state in state.json ("armed", "trial", ...), None without one.
    `tiers` maps a memory tier's number to its nodes, empty on a kernel without tiers; `demotion`
    says whether pages are demoted, None where the kernel has no such switch. `build_id` is the
    running kernel's own, `switches` what a patched one has in debugfs hotkit/, None on others.
    """

    host: str
    boot_id: str = ""
    cmdline: str
    kernel_release: str
    label: Label
    topology: Topology | None
    system_ram: RangeSet | None
    hotplugged_ram: RangeSet = field(default_factory=RangeSet)
    pmem: RangeSet = field(default_factory=RangeSet)
    nodes: tuple[NodeState, ...] = ()
    numactl_nodes: tuple[int, ...] | None = None
    cpus_online: tuple[int, ...] = ()
    cpu_nodes: tuple[tuple[int, int], ...] = ()
    dax: tuple[DaxDevice, ...] = ()
    block_bytes: int = 0
    tiers: tuple[tuple[int, tuple[int, ...]], ...] = ()
    demotion: bool | None = None
    build_id: str | None = None
    switches: Mapping[str, str] | None = None
    entry_text: str | None = None
    state: str | None = None

    def node(self, number: int) -> NodeState | None:
        """The state of node `number`; None when the kernel has no such node online."""
        return next((item for item in self.nodes if item.node == number), None)

    def tier_of(self, node: int) -> int | None:
        """The memory tier of a node (a higher number is slower); None when the kernel says none."""
        return next((tier for tier, nodes in self.tiers if node in nodes), None)

    def distance(self, source: int, target: int) -> int | None:
        """The kernel's distance between two online nodes."""
        online = [item.node for item in self.nodes]
        state = self.node(source)
        if state is None or target not in online or len(state.distances) != len(online):
            return None
        return state.distances[online.index(target)]

    def node_of_cpu(self, cpu: int) -> int | None:
        return dict(self.cpu_nodes).get(cpu)
