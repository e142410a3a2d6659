"""What to do on one host, decided from its facts: preflight, layout, boot entry, steps left.

Reads nothing and writes nothing. The playbooks call this through the filter `hotkit_plan`, so that
plain `ansible-playbook` decides exactly as `hotkit provision` does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hotkit.core import cmdline, grub_block
from hotkit.core.boot_plan import DROPIN_PATH, EntryPlan, boot_arguments, entry_plan
from hotkit.core.bootmemory import Fit, Forecast, forecast
from hotkit.core.grub_cfg import read_menu
from hotkit.core.guard import DEADMAN_S, GuardFile, guard_files
from hotkit.core.kernelwish import INITRD_BYTES, KernelWish, package_kind
from hotkit.core.layout import Layout, SlowPmem
from hotkit.core.plan import plan
from hotkit.core.plan_error import PlanError
from hotkit.core.pmem import PmemError, attachment
from hotkit.core.pmem_preflight import pmem_cost_bytes, pmem_refusals, pmem_sentence
from hotkit.core.preflight import BOOT_FREE_BYTES, Concern, preflight
from hotkit.core.tracewish import TraceWish, trace_wish
from hotkit.core.unit_preflight import unit_refusals
from hotkit.errors import HotkitError
from hotkit.host.profiles import load_profile
from hotkit.parse.bootreference import image_change, reference_from_facts
from hotkit.parse.cpulist import parse_cpulist
from hotkit.parse.facts import topology_from_facts
from hotkit.parse.pmem import regions

HOSTPLAN_SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPlan:
    """The plan of one host. `refusals` is empty when it may be carried out.

    `files` are whole texts for paths on the host, `committed_files` the same once the layout is to
    be the default. `running` says what runs now: "stock", "this" layout, or the id of another one.
    """

    host: str
    boot_id: str
    state: str | None
    running: str
    refusals: tuple[Concern, ...]
    warnings: tuple[Concern, ...]
    notes: tuple[str, ...]
    layout: Layout | None = None
    entry: EntryPlan | None = None
    boot_once: bool = True
    guard: tuple[GuardFile, ...] = ()
    deadman_s: int = DEADMAN_S
    kernel_wish: KernelWish | None = None
    kernel_package: str = "deb"
    kernel_there: bool = True
    memory: Forecast | None = None
    files: tuple[dict[str, Any], ...] = ()
    committed_files: tuple[dict[str, Any], ...] = ()
    paths: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kernel_release(self) -> str | None:
        """The release that must run afterwards, from the kernel's file name, if it has one."""
        name = self.entry.kernel.rpartition("/")[2] if self.entry else ""
        return name.removeprefix("vmlinuz-") if name.startswith("vmlinuz-") else None

    @property
    def left(self) -> tuple[str, ...]:
        """The steps that are left, from what the facts show; the host itself has the last word."""
        steps: list[str] = [] if self.kernel_there else ["kernel"]
        if self.state is None or self.state == "planned" or not self._written:
            steps.append("entry")
        # An entry that changes under a layout that runs (a kernel, a trace) is to be booted too.
        again = "entry" in steps or self.state in (None, "planned", "staged", "fell-back")
        if self.running != "this" or again:
            steps += [] if self.state == "armed" and not steps else ["arm"]
            steps += ["reboot", "confirm"]
        elif self.state == "armed":
            steps.append("confirm")
        if self.layout is not None and self.layout.slow_pmem is not None:
            steps.append("pmem")
        return (*steps, "verify")

    @property
    def _written(self) -> bool:
        # The facts do not hold the drop-in: the journal speaks for it.
        return all(
            item["sha256_before"] == _sha256(item["text"])
            for item in self.files
            if "sha256_before" in item
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON form; the module hotkit_entry reads it."""
        data: dict[str, Any] = {
            "schema_version": HOSTPLAN_SCHEMA_VERSION,
            "host": self.host,
            "boot_id": self.boot_id,
            "state": self.state,
            "running": self.running,
            "refusals": [item.to_dict() for item in self.refusals],
            "warnings": [item.to_dict() for item in self.warnings],
            "notes": list(self.notes),
        }
        if self.layout is None or self.entry is None:
            return data
        return data | {
            "layout": self.layout.to_dict(),
            "token": self.layout.token,
            "args": list(boot_arguments(self.layout)),
            "entry_id": self.entry.entry_id,
            "title": self.entry.title,
            "method": self.entry.method,
            "kernel": self.entry.kernel,
            "kernel_release": self.kernel_release,
            "kernel_build": self.kernel_wish.to_dict() if self.kernel_wish else None,
            "memory": self.memory.to_dict() if self.memory else None,
            "kernel_package": self.kernel_package,
            "cmdline": self.entry.cmdline,
            "stock_id": self.entry.stock_id,
            "boot_once": self.boot_once,
            "guard": [item.to_dict() for item in self.guard],
            "deadman_s": self.deadman_s,
            "pmem": self.layout.slow_pmem.to_dict() if self.layout.slow_pmem else None,
            "files": list(self.files),
            "committed_files": list(self.committed_files),
            "left": list(self.left),
            **self.paths,
        }


def plan_host(
    facts: Mapping[str, Any], variables: Mapping[str, Any], *, host: str | None = None
) -> HostPlan:
    """Decide what provisioning does on the host with these facts and inventory variables.

    A profile that does not fit, a loader that cannot do it, a machine that should not be touched:
    all end as `refusals` of the plan, never as an exception.
    """
    name = host or str(facts.get("hostname") or "host")
    state = _state(facts)
    base: dict[str, Any] = {
        "host": name,
        "boot_id": str(facts.get("boot_id", "")),
        "state": None,
        "running": _running(facts, None),
        "warnings": (),
        "notes": (),
    }
    method = str(variables.get("hotkit_entry_method", "entry"))
    commit = bool(variables.get("hotkit_commit", False))
    try:
        layout = _layout(facts, variables, name)
        wish = _kernel_wish(variables)
        committed = state is not None and state.get("state") == "committed"
        mine = state is not None and state.get("token") == layout.token
        trace = _trace_wish(
            facts, variables, layout, stays=method == "defaults" or commit or (committed and mine)
        )
        entry = entry_plan(
            facts["boot"],
            layout,
            method=method,
            kernel=wish.vmlinuz if wish else None,
            initrd=wish.initrd if wish else None,
            extra=(
                *(wish.arguments(layout) if wish else ()),
                *(trace.arguments if trace else ()),
            ),
            boot_once=not (method == "defaults" and commit),
        )
        files = _files(facts, entry, committed=committed and mine)
    except PlanError as error:
        return HostPlan(refusals=(Concern("profile", str(error), error.hint),), **base)
    except HotkitError as error:
        return HostPlan(refusals=(Concern("plan", error.message, error.hint),), **base)
    virtual = facts.get("platform") != "metal"
    forecasted = _forecast(facts, layout, entry, wish, trace, virtual=virtual)
    kernels = tuple(facts["boot"].get("kernels") or ())
    there = wish is None or wish.vmlinuz in kernels
    to_come = (wish.vmlinuz,) if wish and not there else ()
    refusals, warnings = preflight(
        layout,
        uid=int(facts.get("uid", -1)),
        boot_free_bytes=int(facts["boot"].get("free_bytes") or 0),
        boot_needs_bytes=wish.boot_bytes + INITRD_BYTES if wish and to_come else BOOT_FREE_BYTES,
        forecast=forecasted,
        secure_boot=facts.get("secure_boot"),
        kernel=entry.kernel,
        kernels=(*kernels, *to_come),
        own_kernel=wish is not None,
        pmem_cost_bytes=pmem_cost_bytes(layout, virtual=virtual),
        has_power=any(variables.get(key) is not None for key in ("hotkit_power", "hotkit_machine")),
        force=bool(variables.get("hotkit_force", False)),
    )
    pmem = facts.get("pmem") or {}
    refusals += pmem_refusals(
        layout,
        regions(pmem),
        tools_missing=pmem.get("tools_missing") or (),
        ours=_our_namespace(facts),
        virtual=virtual,
    )
    refusals += unit_refusals(layout, facts.get("required_mounts") or ())
    refusals += _held(facts, variables)
    boot_once = not (method == "defaults" and commit)
    deadman_s = int(variables.get("hotkit_deadman_s", DEADMAN_S))
    emulated = facts.get("platform") == "emulated"
    running = _running(facts, layout)
    notes = [*entry.findings, *([trace.sentence] if trace else [])]
    if layout.slow_pmem is not None:
        notes.append(pmem_sentence(layout, virtual=virtual))
    if forecasted is not None and forecasted.fit is Fit.FITS:
        notes.append(f"memory: it {forecasted.sentence}")
    if running not in ("stock", "this"):
        notes.append(f"layout {running} runs now; this one is planned on the firmware's own map")
    if mine and state is not None and state.get("state") == "fell-back":
        notes.append("the last trial of this layout fell back to the stock entry")
    return HostPlan(
        **base
        | {
            "state": state.get("state") if mine and state else None,
            "running": running,
            "warnings": warnings,
            "notes": tuple(notes),
        },
        refusals=refusals,
        layout=layout,
        entry=entry,
        boot_once=boot_once,
        # Where the layout is the default at once there is nothing to come back to.
        guard=guard_files(layout, deadman_s=deadman_s, emulated=emulated) if boot_once else (),
        deadman_s=deadman_s,
        kernel_wish=wish,
        kernel_package=package_kind(facts.get("os_release") or {}),
        kernel_there=there,
        memory=forecasted,
        files=files,
        committed_files=_files(facts, entry, committed=True),
        paths=_paths(facts["boot"], entry),
    )


def _held(facts: Mapping[str, Any], variables: Mapping[str, Any]) -> tuple[Concern, ...]:
    """Somebody else at work there; `hotkit_take_over` is the id of the lease that may be broken."""
    lease = facts.get("lease")
    holder = (variables.get("hotkit_holder") or {}).get("id")
    if not lease or lease.get("id") in (holder, variables.get("hotkit_take_over")):
        return ()
    return (
        Concern(
            "held",
            f"{lease.get('who')} is at work on it since {lease.get('since')}; its lease ends "
            f"{lease.get('until')}",
            "wait, or --take-over when you know that it is dead",
        ),
    )


def stripped_texts(facts: Mapping[str, Any]) -> dict[str, str]:
    """For a rollback: what each file of ours should hold when others changed it as well."""
    boot = facts.get("boot") or {}
    custom = boot.get("custom_cfg")
    if custom is None or not boot.get("grub_dir"):
        return {}
    without = grub_block.remove(custom)
    return {} if without == custom else {f"{boot['grub_dir']}/custom.cfg": without}


def _layout(facts: Mapping[str, Any], variables: Mapping[str, Any], name: str) -> Layout:
    wish = variables.get("hotkit_profile")
    if wish is None:
        raise HotkitError(
            f"{name}: the inventory asks for no layout",
            hint="set hotkit_profile, like `hotkit_profile: 4C16G-remote`, for the host or a group",
        )
    style = variables.get("hotkit_style")
    profile = load_profile(wish, {"style": style} if style else None, name=name)
    return plan(replace(topology_from_facts(facts), name=name), profile)


def _kernel_wish(variables: Mapping[str, Any]) -> KernelWish | None:
    """The build that the controller found for `hotkit_kernel`; HotkitError when it found none."""
    wish = variables.get("hotkit_kernel")
    if wish is None:
        return None
    if "problem" in wish:
        raise HotkitError(str(wish["problem"]), hint=wish.get("hint"))
    return KernelWish.from_dict(wish)


def _trace_wish(
    facts: Mapping[str, Any], variables: Mapping[str, Any], layout: Layout, *, stays: bool
) -> TraceWish | None:
    """The trace that a trial boot is asked for; HotkitError where the entry stays the default."""
    cpus = len(layout.cpus) or len(parse_cpulist(str((facts.get("cpus") or {}).get("online", "0"))))
    trace = trace_wish(variables, max(1, cpus))
    if trace is not None and stays:
        raise HotkitError(
            "a trace from boot is for a trial, and this entry is (or becomes) the default",
            hint="leave out --trace-memory; or --commit, hotkit_commit and the method defaults; "
            "hotkit rollback takes back a layout that is committed",
        )
    return trace


def _files(
    facts: Mapping[str, Any], entry: EntryPlan, *, committed: bool
) -> tuple[dict[str, Any], ...]:
    boot = facts["boot"]
    if entry.method == "defaults":
        assert entry.dropin is not None
        return ({"path": DROPIN_PATH, "text": entry.dropin},)
    before = boot.get("custom_cfg")
    assert entry.block is not None and entry.custom_cfg is not None
    text = entry.custom_cfg
    if committed:
        text = grub_block.insert(before or "", entry.block + default_lines(entry.entry_id))
        if read_menu(text).default != entry.entry_id:
            raise HotkitError(
                "custom.cfg sets another default behind hotkit's block",
                hint="take that `set default` out of it, or leave out --commit and hotkit_commit",
            )
    check = (boot.get("tools") or {}).get("grub-script-check")
    return (
        {
            "path": f"{boot['grub_dir']}/custom.cfg",
            "text": text,
            "sha256_before": None if before is None else _sha256(before),
            "check": [check] if check else None,
        },
    )


def default_lines(entry_id: str) -> str:
    """GRUB script that makes an entry the default, whatever GRUB_DEFAULT says.

    custom.cfg is read after 00_header has chosen; a boot that was armed for once (`boot_once`,
    set by 00_header together with next_entry) keeps its choice. grub.cfg, /etc/default/grub and
    saved_entry stay untouched, so that rollback has nothing to guess.
    """
    return f'if [ "${{boot_once}}" != true ]; then\n  set default="{entry_id}"\nfi\n'


def _paths(boot: Mapping[str, Any], entry: EntryPlan) -> dict[str, Any]:
    tools = boot.get("tools") or {}
    folder = boot["grub_dir"]
    mkconfig = tools.get("grub-mkconfig") or "grub-mkconfig"
    update = [mkconfig, "-o", f"{folder}/grub.cfg"]
    return {
        "custom_cfg": f"{folder}/custom.cfg",
        "grub_cfg": f"{folder}/grub.cfg",
        "grubenv": f"{folder}/grubenv",
        "editenv": tools.get("grub-editenv") or "grub-editenv",
        "update_grub": update if entry.method == "defaults" else None,
    }


def _state(facts: Mapping[str, Any]) -> Mapping[str, Any] | None:
    state = facts.get("state")
    return state if isinstance(state, Mapping) and "state" in state else None


def attach_pmem(facts: Mapping[str, Any], slow: Mapping[str, Any]) -> dict[str, Any]:
    """How the PMEM of a layout that runs becomes its slow tier, from fresh facts.

    `slow` is SlowPmem.to_dict(). Raises HotkitError when it cannot.
    """
    pmem = facts.get("pmem") or {}
    try:
        return attachment(
            SlowPmem.from_dict(dict(slow)),
            regions(pmem),
            int(pmem.get("block_bytes") or 0),
            _our_namespace(facts),
        ).to_dict()
    except PmemError as error:
        raise HotkitError(str(error), hint=error.hint) from error


def _our_namespace(facts: Mapping[str, Any]) -> str | None:
    """The name of the namespace that hotkit made there, by the host's own record."""
    made = (_state(facts) or {}).get("pmem")
    return str(made["name"]) if isinstance(made, Mapping) and made.get("name") else None


def _running(facts: Mapping[str, Any], layout: Layout | None) -> str:
    ids = cmdline.values(str(facts.get("cmdline", "")), "hotkit.id")
    if not ids:
        return "stock"
    return "this" if layout and layout.id in ids else str(ids[-1])


def _forecast(
    facts: Mapping[str, Any],
    layout: Layout,
    entry: EntryPlan,
    wish: KernelWish | None,
    trace: TraceWish | None,
    *,
    virtual: bool,
) -> Forecast | None:
    """What the layout will leave, from the boot that the facts show; None when they show little."""
    reference = reference_from_facts(facts, kernel=entry.kernel)
    if reference is None:
        return None
    return forecast(
        reference,
        layout,
        pmem_pages_bytes=pmem_cost_bytes(layout, virtual=virtual),
        image_change_bytes=image_change(facts, entry.kernel, wish.init_bytes if wish else 0),
        trace_bytes=trace.cost_bytes if trace else 0,
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
