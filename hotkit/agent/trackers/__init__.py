"""The trackers, by name. A new one is one file and one line here."""

from __future__ import annotations

from hotkit.agent.trackers.base import Tracker
from hotkit.agent.trackers.damon import Damon
from hotkit.agent.trackers.folio_referenced import FolioReferenced
from hotkit.agent.trackers.idlepage import IdlePage
from hotkit.agent.trackers.kvm_dirty import KvmDirty
from hotkit.agent.trackers.mglru import Mglru
from hotkit.agent.trackers.none import NoTracker
from hotkit.agent.trackers.numa_hint import NumaHint
from hotkit.agent.trackers.perf import Perf
from hotkit.agent.trackers.reclaim import Reclaim
from hotkit.agent.trackers.softdirty import SoftDirty
from hotkit.agent.trackers.uffd_wp import UffdWp

_KINDS: tuple[type[Tracker], ...] = (
    NoTracker, Perf, Damon, IdlePage, SoftDirty, UffdWp, NumaHint, Mglru, Reclaim, FolioReferenced,
    KvmDirty,
)  # fmt: skip
TRACKERS: dict[str, type[Tracker]] = {kind.name: kind for kind in _KINDS}
