#!/usr/bin/python
"""A kernel's package: installed beside the stock kernel, removed again. Standard library only."""

from __future__ import annotations

import os

from ansible.module_utils.hotkit_host import (
    Journal,
    Refused,
    run_module,
    sha256,
)

DOCUMENTATION = r"""
---
module: hotkit_kernel
short_description: Install a kernel that hotkit built, or remove the one that it installed
description:
  - C(look) tells whether the kernel of the plan is whole on the host.
  - C(install) installs its package, whose checksum must be that of the plan. Neither GRUB's
    configuration nor its environment block may change by it.
  - C(remove) removes the kernels, and only those, that the journal in
    C(/var/lib/hotkit/state.json) says hotkit installed; never the running one.
options:
  step:
    description: What to do.
    choices: [look, install, remove]
    required: true
    type: str
  plan:
    description: The plan of this host, made by the filter C(hotkit_plan).
    type: dict
  package:
    description: The package on this host, for C(install). It is gone afterwards.
    type: path
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
- name: Install the kernel
  hotkit_kernel:
    step: install
    plan: "{{ hotkit_plan }}"
    package: /var/tmp/hotkit-kernel.deb
"""

RETURN = r"""
installed:
  description: Whether the kernel of the plan is there, whole.
  returned: look, install
  type: bool
pending:
  description: Whether a kernel of hotkit's is left, because it runs.
  returned: remove
  type: bool
notes:
  description: Sentences for people.
  returned: always
  type: list
"""

FOLDER = "/boot/hotkit"
PACKAGE = "hotkit-kernel-"


def is_installed(host, kernel):
    """The very file of the build, and an initramfs beside it."""
    vmlinuz = host.read("{}/vmlinuz-{}".format(FOLDER, kernel["release"]))
    initrd = host.path("{}/initrd.img-{}".format(FOLDER, kernel["release"]))
    return sha256(vmlinuz) == kernel["vmlinuz_sha256"] and initrd.is_file()


def boot_files(host, plan):
    """What decides which entry boots: it must be as it was."""
    return [sha256(host.read(plan[key])) for key in ("grub_cfg", "grubenv", "custom_cfg")]


def install(host, journal, plan, package):
    kernel = plan["kernel_build"]
    if is_installed(host, kernel):
        return False, {"installed": True}
    if host.module.check_mode:
        return True, {"installed": False}
    wanted = kernel["packages"][plan["kernel_package"]]["sha256"]
    if sha256(host.read(package)) != wanted:
        raise Refused(f"{package} is not the package that was planned: its sha256 is another one")
    before = boot_files(host, plan)
    if not journal.of(plan):
        journal.enter("planned", plan)
    # Known before it is there: a call that is cut off here leaves nothing that nobody owns.
    if kernel["release"] not in journal.data.get("kernels", []):
        journal.data["kernels"] = [*journal.data.get("kernels", []), kernel["release"]]
        journal.save()
    if plan["kernel_package"] == "deb":
        host.command(["dpkg", "--install", str(host.path(package))])
    else:
        host.command(["rpm", "--upgrade", "--force", str(host.path(package))])
    # GRUB reads the file system without its journal.
    os.sync()
    host.remove(package)
    if not is_installed(host, kernel):
        raise Refused("the package was installed, and its kernel is not whole in " + FOLDER)
    if boot_files(host, plan) != before:
        raise Refused("installing the kernel changed GRUB's files: hotkit rollback puts them back")
    return True, {"installed": True}


def remove(host, journal):
    """Every kernel that hotkit installed here; the running one stays until another boot."""
    releases = (journal.data or {}).get("kernels", [])
    if not releases:
        return False, {"pending": False}
    running = host.text("/proc/sys/kernel/osrelease").strip()
    if running in releases:
        host.notes.append(f"{running} runs here; it goes with a rollback after the next reboot")
        return False, {"pending": True}
    if host.module.check_mode:
        return True, {"pending": False}
    for name in releases:
        _remove_package(host, PACKAGE + name)
    os.sync()
    journal.taken_back("kernels")
    return True, {"pending": False}


def _remove_package(host, package):
    for look, purge in (
        (["dpkg-query", "--show", package], ["dpkg", "--purge", package]),
        (["rpm", "--query", package], ["rpm", "--erase", package]),
    ):
        try:
            code, _, _ = host.module.run_command(look, handle_exceptions=False)
        except OSError:
            continue  # the other family of distributions
        if code == 0:
            host.command(purge)
            return


def run_step(host, params):
    journal = Journal(host)
    if params["step"] == "remove":
        return remove(host, journal)
    plan = params["plan"]
    if params["step"] == "look":
        return False, {"installed": is_installed(host, plan["kernel_build"])}
    return install(host, journal, plan, params["package"])


def main():
    run_module(
        run_step,
        {
            "step": {"type": "str", "required": True, "choices": ["look", "install", "remove"]},
            "plan": {"type": "dict"},
            "package": {"type": "path"},
        },
        required_if=[
            ("step", "look", ["plan"]),
            ("step", "install", ["plan", "package"]),
        ],
    )


if __name__ == "__main__":
    main()
