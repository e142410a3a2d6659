"""The story of `hotkit verify`: what each host should be, the testinfra suite, the verdicts."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from hotkit.agentplace import Place, find_place, install
from hotkit.core.hostverdict import HostVerdict, Outcome, verdict_from_results
from hotkit.core.labels import machine_label
from hotkit.core.layout import Layout
from hotkit.core.tierprobe import TierProbe, probe_from_events
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.agentlink import ask_agent
from hotkit.host.inventory import Host, Inventory, load_inventory
from hotkit.host.memorypairs import keep_pairs
from hotkit.host.profiles import load_profile
from hotkit.host.run import run
from hotkit.host.sshconfig import write_ssh_config
from hotkit.host.workload import build_hotset
from hotkit.host.zipapp import build_agent
from hotkit.topology import gather_over

WANTED_SCHEMA_VERSION = 1
# An emulated machine takes some seconds to gather; ssh itself gives up after ten.
_SECONDS = 180
_SECONDS_PER_HOST = 20
# Of one host with its agent: a large machine has 2 x 4 pairs of nodes, a few seconds each.
_PROBE_SECONDS = 1800


def verify(
    inventory: str,
    *,
    limit: str | None = None,
    kernel: str | None = None,
    junit: Path | None = None,
) -> list[HostVerdict]:
    """Verify every host of an inventory against its profile, planned on its live topology.

    Raises HotkitError (exit code 2) for a bad inventory or profile, before any host is contacted.
    """
    found = load_inventory(inventory, limit)
    for host in found.hosts:
        _check_profile(found, host)
    kernels = {host.name: kernel for host in found.hosts} if kernel else None
    return verify_hosts(found.hosts, kernels=kernels, junit=junit)


def verify_hosts(
    hosts: Sequence[Host],
    *,
    layouts: Mapping[str, Layout] | None = None,
    kernels: Mapping[str, str] | None = None,
    builds: Mapping[str, Mapping[str, Any]] | None = None,
    junit: Path | None = None,
) -> list[HostVerdict]:
    """Run the suite on `hosts` in a process of its own; a verdict for each, in their order.

    A host is compared with its layout in `layouts` if it is there, else with its inventory profile
    planned on the topology that its firmware shows now, else with what provisioning recorded on
    it. `kernels` names the kernel release that must run, per host; `builds` the patched kernel (as
    KernelWish.to_dict), where none is given the one that is recorded on the host; `junit` a file
    for JUnit XML.
    A new process each time, because testinfra's caches do not survive a reboot of the host.
    """
    if not hosts:
        return []
    # Short: a socket path below it must fit 108 bytes.
    with tempfile.TemporaryDirectory(prefix="hotkit-verify-") as name:
        wanted = {
            host.name: wanted_of(
                host,
                (layouts or {}).get(host.name),
                (kernels or {}).get(host.name),
                (builds or {}).get(host.name),
            )
            for host in hosts
        }
        results = _run_suite(Path(name), hosts, wanted, junit)
    verdicts = [_verdict(host, results) for host in hosts]
    keep_pairs([verdict.memory for verdict in verdicts if verdict.memory])
    return verdicts


def probe_tiers(inventory: str, verdicts: Sequence[HostVerdict], folder: Path) -> list[TierProbe]:
    """Measure how far each node's memory is, on every host that could be checked.

    The agent is installed there first; `folder` keeps the log of that. Raises HotkitError.
    """
    found = []
    for verdict in verdicts:
        if verdict.outcome in (Outcome.UNREACHABLE, Outcome.PROBLEM):
            continue
        place = find_place(inventory, verdict.host, local=False)
        found.append(probe_place(place, folder / verdict.host))
    return found


def probe_place(place: Place, folder: Path) -> TierProbe:
    """Measure it at one place; see probe_tiers."""
    agent, program = install(place, (build_agent(), build_hotset()), folder)
    argv = place.words([place.python, agent, "tiers", "--binary", program])
    done = run(argv, check=False, timeout=_PROBE_SECONDS)
    hello, event = ask_agent(done, host=place.name)[:2]
    machine = hello["machine"]
    label = machine_label(machine)
    return probe_from_events(place.name, label, event)


def _verdict(host: Host, results: Mapping[str, Any]) -> HostVerdict:
    verdict = verdict_from_results(host.name, results.get(host.name))
    if verdict.outcome is Outcome.UNREACHABLE and host.machine is not None:
        return replace(verdict, problem=f"{verdict.problem} (is it up? hotkit lab up {host.name})")
    return verdict


def wanted_of(
    host: Host, layout: Layout | None, kernel: str | None, build: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What the suite shall expect of one host (checks/judging.py: judge)."""
    wanted: dict[str, Any] = {"kernel": kernel, "kernel_build": build}
    if layout is not None:
        wanted["layout"] = layout.to_dict()
    elif host.profile is not None:
        wanted["profile"] = host.profile
        wanted["overrides"] = {"style": host.style} if host.style else {}
    return wanted


def _gathered(hosts: Sequence[Host]) -> dict[str, dict[str, Any]]:
    """The facts of hosts whose sudo asks for a password: testinfra has no way to answer it."""
    asked = [host for host in hosts if host.way.become_password is not None]
    if not asked:
        return {}
    with ThreadPoolExecutor(max_workers=len(asked)) as pool:
        return dict(zip((host.name for host in asked), pool.map(_gather, asked), strict=True))


def _gather(host: Host) -> dict[str, Any]:
    try:
        return {"facts": gather_over(host.way)}
    except HotkitError as error:
        silent = error.exit_code == ExitCode.UNREACHABLE
        return {"problem": error.message, "unreachable": silent}


def _check_profile(inventory: Inventory, host: Host) -> None:
    if host.profile is None:
        return
    load_profile(
        host.profile,
        {"style": host.style} if host.style else None,
        locate=lambda path: inventory.where(host.name, "hotkit_profile", *path),
    )


def _run_suite(
    folder: Path,
    hosts: Sequence[Host],
    expected: dict[str, dict[str, Any]],
    junit: Path | None,
) -> dict[str, Any]:
    """Run pytest on hotkit.checks; what it wrote about each host."""
    config, wanted, results = (folder / name for name in ("ssh_config", "wanted", "results"))
    write_ssh_config({host.name: host.way for host in hosts}, config)
    for name, found in _gathered(hosts).items():
        expected[name].update(found)
    wanted.write_text(json.dumps({"schema_version": WANTED_SCHEMA_VERSION, "hosts": expected}))
    # An empty configuration: the suite must not depend on a pytest.ini where the user stands.
    (folder / "pytest.ini").write_text("[pytest]\n")
    specs = (f"ssh://{host.name}{'?sudo=true' if host.way.become else ''}" for host in hosts)
    argv: list[str | Path] = [
        sys.executable, "-m", "pytest", "--pyargs", "hotkit.checks", "-q", "--tb=short",
        "-p", "testinfra.plugin", "-p", "hotkit.checks.options", "-p", "no:cacheprovider",
        "-c", folder / "pytest.ini", f"--rootdir={folder}",
        f"--hosts={','.join(specs)}", f"--ssh-config={config}",
        f"--hotkit-wanted={wanted}", f"--hotkit-results={results}",
    ]  # fmt: skip
    if junit is not None:
        argv += [f"--junitxml={junit.resolve()}", "-o", "junit_suite_name=hotkit verify"]
    done = run(
        argv,
        check=False,
        timeout=_SECONDS + _SECONDS_PER_HOST * len(hosts),
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=folder,
    )
    # 0: all passed, 1: some failed; everything else is a suite that did not run (pytest.ExitCode).
    if done.returncode not in (0, 1) or not results.exists():
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-12:])
        raise HotkitError(
            f"the checks did not run (pytest ended with {done.returncode}):\n{tail}",
            exit_code=ExitCode.VERDICT_FAILED,
        )
    document = json.loads(results.read_text())
    hosts_found: dict[str, Any] = document["hosts"]
    failed_hosts = any(item["outcome"] != "pass" for item in hosts_found.values())
    if bool(document["failed"]) != (failed_hosts or len(hosts_found) < len(hosts)):
        # pytest and the values that it asserted on must say the same, or neither is to be trusted.
        raise HotkitError(
            f"the checks contradict themselves: pytest counts {document['failed']} failures",
            exit_code=ExitCode.VERDICT_FAILED,
        )
    return hosts_found
