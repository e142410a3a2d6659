#!/usr/bin/python
"""One step of hotkit's way through GRUB on one host, done atomically in one round trip.

What is to be written was decided on the controller (hotkit.core); here it is only compared, backed
up, written, read back and journalled. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import time

from ansible.module_utils.hotkit_host import (
    STATE_DIR,
    TMP_SUFFIX,
    Journal,
    Refused,
    disarm_guard,
    extend_guard,
    forget,
    parse_env,
    release,
    run_module,
    sha256,
)

DOCUMENTATION = r"""
---
module: hotkit_entry
short_description: Stage, arm, confirm, record or take back a hotkit boot entry
description:
  - Writes the files of a plan made by the filter C(hotkit_plan), after a copy of each original.
  - Arms the entry for one boot, tells after the boot what became of it, and takes everything back.
  - Every state is journalled in C(/var/lib/hotkit/state.json), so that a second call goes on where
    the first was cut off.
options:
  step:
    description: What to do.
    choices: [stage, arm, confirm, record, release, restore]
    required: true
    type: str
  plan:
    description: The plan of this host. Not needed for C(restore).
    type: dict
  state:
    description: With C(record), the state to record.
    choices: [verified, committed]
    type: str
  stripped:
    description: With C(restore), texts to leave behind in files that others changed as well.
    type: dict
    default: {}
  holder:
    description:
      - Who works on this machine (C(id), C(who), and what tells whether it lives). A lease in the
        state directory keeps others away until it is released or runs out, across reboots.
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
    description: Directory that stands for C(/); for tests and for images that are not running.
    type: path
    default: /
author: hotkit
"""

EXAMPLES = r"""
- name: Write the entry
  hotkit_entry:
    step: stage
    plan: "{{ facts | hotkit_plan(hostvars[inventory_hostname]) }}"
"""

RETURN = r"""
state:
  description: The state recorded in the journal after the step.
  returned: always
  type: str
reboot_needed:
  description: Whether the machine has to boot to go on.
  returned: arm, restore
  type: bool
pmem_left:
  description: A namespace is to be given back by M(hotkit_pmem) once the stock entry runs.
  returned: restore
  type: bool
kernels_left:
  description: A kernel is to be removed by M(hotkit_kernel) once the stock entry runs.
  returned: restore
  type: bool
fell_back:
  description: The machine came up without the token of the layout.
  returned: confirm
  type: bool
notes:
  description: Sentences for people.
  returned: always
  type: list
"""

OWN_FILES = ("lease.json", "lock")
# States in which the layout has booted at least once, and the running kernel carries the token.
RUNNING = ("trial", "verified", "committed")


def stage(host, journal, plan):
    """Write the plan's files; nothing to do when they stand there already."""
    if host.boot_id != plan["boot_id"]:
        raise Refused("the machine was rebooted after this plan was made; plan again")
    wanted = []
    for item in plan["files"]:
        before = host.read(item["path"])
        after = item["text"].encode("utf-8")
        if before == after:
            continue
        if "sha256_before" in item and sha256(before) != item["sha256_before"]:
            raise Refused("{} changed after this plan was made; plan again".format(item["path"]))
        host.diff(item["path"], before, after)
        wanted.append((item, after))
    cut_off = journal.of(plan) and journal.state == "planned"
    changed = bool(wanted) or not journal.of(plan) or cut_off
    if host.module.check_mode or not changed:
        return changed, {"state": journal.state}
    journal.enter("planned", plan)
    journal.keep(plan["grubenv"])
    if plan["update_grub"]:
        journal.keep(plan["grub_cfg"])
    for item, after in wanted:
        journal.keep(item["path"])
        journal.will_write(item["path"], after)
        like = journal.originals[item["path"]]
        like = dict(like, mtime_ns=time.time_ns()) if like["existed"] else None
        host.write(item["path"], after, like=like, check=item.get("check"))
    if plan["update_grub"]:
        host.command(plan["update_grub"])
        journal.will_write(plan["grub_cfg"], host.read(plan["grub_cfg"]))
    journal.enter("staged", plan)
    return True, {"state": "staged"}


def arm(host, journal, plan):
    """Make the entry the next boot's, once, and read back that GRUB will see it."""
    running = plan["token"] in host.cmdline
    if journal.of(plan) and running and journal.state in ("armed",) + RUNNING:
        return False, {"state": journal.state, "reboot_needed": False}
    once = plan["boot_once"]
    guards = plan.get("guard", ())
    armed = journal.of(plan) and journal.state == "armed"
    env = parse_env(host.read(plan["grubenv"]))
    set_already = not once or env.get("next_entry") == plan["entry_id"]
    guarded = all(host.text(item["path"]) == item["text"] for item in guards)
    if armed and set_already and guarded and journal.data["armed_boot_id"] == host.boot_id:
        return False, {"state": "armed", "reboot_needed": True}
    host.notes.extend(_why_again(host, journal, plan))
    if host.module.check_mode:
        return True, {"state": journal.state, "reboot_needed": True}
    if not journal.of(plan):
        raise Refused("the entry {} is not staged on this machine".format(plan["entry_id"]))
    for item in guards:
        journal.keep(item["path"])
        journal.will_write(item["path"], item["text"].encode("utf-8"))
        host.write(item["path"], item["text"].encode("utf-8"))
    if once:
        if plan["method"] == "entry" and "--id {} ".format(plan["entry_id"]) not in host.text(
            plan["custom_cfg"]
        ):
            # GRUB boots its first entry when next_entry names none, and says nothing.
            raise Refused("{} has no entry {}".format(plan["custom_cfg"], plan["entry_id"]))
        command = [plan["editenv"], str(host.path(plan["grubenv"]))]
        if host.read(plan["grubenv"]) is None:
            host.command(command + ["create"])
        host.command(command + ["set", "next_entry={}".format(plan["entry_id"])])
        block = host.read(plan["grubenv"])
        if parse_env(block).get("next_entry") != plan["entry_id"] or len(block) != 1024:
            raise Refused("{} does not hold next_entry after it was set".format(plan["grubenv"]))
    journal.enter("armed", armed_boot_id=host.boot_id)
    # GRUB reads the file system without its journal: what was written must be in its place.
    os.sync()
    return True, {"state": "armed", "reboot_needed": True}


def _why_again(host, journal, plan):
    if (
        journal.of(plan)
        and journal.state == "armed"
        and journal.data["armed_boot_id"] != host.boot_id
    ):
        yield "the machine booted since it was armed, but not this layout; armed again"
    elif journal.of(plan) and journal.state == "fell-back":
        yield "the last trial fell back to the stock entry; armed again"


def confirm(host, journal, plan):
    """After the boot: the layout's trial, or back on the stock entry."""
    if not journal.of(plan):
        raise Refused("the entry {} is not staged on this machine".format(plan["entry_id"]))
    if journal.data.get("armed_boot_id") == host.boot_id:
        raise Refused("the machine has not rebooted since it was armed")
    result = {"fell_back": False, "cmdline": " ".join(host.cmdline)}
    if plan["token"] not in host.cmdline:
        if not host.module.check_mode:
            unguard(host, journal, plan)
            if journal.state != "fell-back":
                journal.enter("fell-back")
            release(host)
        return True, dict(result, state="fell-back", fell_back=True)
    if journal.state in RUNNING:
        if not host.module.check_mode:
            if journal.state == "trial":
                extend_guard(host, plan["deadman_s"])
            else:
                release(host)  # nothing is left to record
        return False, dict(result, state=journal.state)
    if not host.module.check_mode:
        extend_guard(host, plan["deadman_s"])
        journal.enter("trial")
    return True, dict(result, state="trial")


def record(host, journal, plan, state):
    """Record that every check passed; with committed, make the entry the default."""
    if not journal.of(plan) or plan["token"] not in host.cmdline:
        why = "nothing to record"
        if journal.of(plan) and journal.state == "trial":
            why = "it was up and has rebooted since (its guard after {} s, or somebody)".format(
                plan["deadman_s"]
            )
        raise Refused("the layout {} is not running here: {}".format(plan["entry_id"], why))
    if journal.state == state or journal.state == "committed":
        if not host.module.check_mode:
            release(host)
        return False, {"state": journal.state}
    if not host.module.check_mode:
        # Before the entry can become the default: a guard there would reboot it for ever.
        unguard(host, journal, plan)
    if state == "committed":
        for item in plan["committed_files"]:
            before, after = host.read(item["path"]), item["text"].encode("utf-8")
            if before == after:
                continue
            if not journal.wrote(item["path"], before):
                raise Refused("{} was changed by somebody else; plan again".format(item["path"]))
            host.diff(item["path"], before, after)
            if not host.module.check_mode:
                journal.will_write(item["path"], after)
                host.write(item["path"], after, check=item.get("check"))
    if not host.module.check_mode:
        journal.enter(state)
        release(host)
    return True, {"state": state}


def unguard(host, journal, plan):
    """Disarm the guard of the trial; its files are as before."""
    names = [item["path"] for item in plan.get("guard", ())]
    disarm_guard(host, names)
    for name in names:
        remove_made_folder(host, name, journal.originals.get(name, {}))


def remove_made_folder(host, name, record):
    """The folder that was made for a file, when it is empty again."""
    if record.get("made_folder"):
        with contextlib.suppress(OSError):
            host.path(name).parent.rmdir()


def restore(host, journal, stripped):
    """Put back every original, to the byte where nobody else wrote; leave nothing behind."""
    changed = False
    check = host.module.check_mode
    regenerate = None
    if not check:
        disarm_guard(host, ())
    for name, record in sorted(journal.originals.items()):
        if not check:
            leftover = host.path(name + TMP_SUFFIX)
            leftover.unlink(missing_ok=True)
        now = host.read(name)
        before = journal.copy_of(record) if record["existed"] else None
        if now == before:
            if record["existed"] and not check:
                host.own(host.path(name), record)  # the time stamp too
            continue
        if name.endswith("/grubenv"):
            before = _grubenv(host, name, now, before)
        elif name.endswith("/grub.cfg") and not journal.wrote(name, now):
            regenerate = journal.data["update_grub"]
            host.notes.append(f"{name} was made anew by others since; it is regenerated")
            continue
        elif not journal.wrote(name, now):
            before = stripped[name].encode("utf-8") if name in stripped else now
            before = before or (b"" if record["existed"] else None)
            host.notes.append(f"{name} was changed by others since; only hotkit's part goes")
        if now == before:
            continue
        changed = True
        host.diff(name, now, before)
        if check:
            continue
        if before is None:
            host.remove(name)
            remove_made_folder(host, name, record)
        else:
            host.write(name, before, like=record if record["existed"] else None)
    for name, text in sorted(stripped.items()):
        # No copy of the original (a lost journal): what carries our markers still goes.
        now, after = host.read(name), text.encode("utf-8") or None
        if name not in journal.originals and now is not None:
            changed = True
            host.diff(name, now, after)
            host.notes.append(f"{name}: no copy in {STATE_DIR}, hotkit's part goes by its markers")
            if not check:
                host.write(name, after) if after else host.remove(name)
    if regenerate and not check:
        host.command(regenerate)
    folder = host.path(STATE_DIR)
    # In use until the reboot: the journal stays until they are taken back by their own modules.
    left = journal.made
    if folder.is_dir():
        # The lease and the lock are this call's own: on a clean host they alone are no change.
        changed = changed or any(item.name not in OWN_FILES for item in folder.iterdir())
        if not check:
            os.sync()
            if journal.data:
                # All is back: a restore that is cut off from here on must not miss its copies.
                journal.data["originals"] = {}
                journal.enter("planned")
            if not left:
                forget(folder)
    running = any(word.startswith("hotkit.id=") for word in host.cmdline)
    return changed, {
        "state": None,
        "reboot_needed": running,
        "pmem_left": "pmem" in left,
        "kernels_left": "kernels" in left,
    }


def _grubenv(host, name, now, before):
    """What grubenv should hold: the copy, unless others changed their variables since."""
    current, original = parse_env(now), parse_env(before)
    ours = "next_entry"
    theirs = {key: value for key, value in current.items() if key != ours}
    if theirs == {key: value for key, value in original.items() if key != ours}:
        return before
    if ours in original:
        theirs[ours] = original[ours]
    if theirs == current:
        return now
    host.notes.append(f"{name} was changed by others since; only next_entry is reverted")
    lines = [line for line in now.split(b"\n") if not line.startswith(b"next_entry=")]
    if ours in original:
        lines.insert(1, ("next_entry=" + original[ours]).encode("utf-8"))
    return b"\n".join(lines)[:1024].ljust(1024, b"#")


def run_step(host, params):
    step, plan = params["step"], params["plan"]
    if step == "release":
        release(host)
        return False, {"state": Journal(host).state}
    journal = Journal(host)
    if step == "stage":
        return stage(host, journal, plan)
    if step == "arm":
        return arm(host, journal, plan)
    if step == "confirm":
        return confirm(host, journal, plan)
    if step == "record":
        return record(host, journal, plan, params["state"])
    return restore(host, journal, params["stripped"])


def main():
    run_module(
        run_step,
        {
            "step": {
                "type": "str",
                "required": True,
                "choices": ["stage", "arm", "confirm", "record", "release", "restore"],
            },
            "plan": {"type": "dict"},
            "state": {"type": "str", "choices": ["verified", "committed"]},
            "stripped": {"type": "dict", "default": {}},
        },
        required_if=[
            ("step", "stage", ["plan"]),
            ("step", "arm", ["plan"]),
            ("step", "confirm", ["plan"]),
            ("step", "record", ["plan", "state"]),
        ],
    )


if __name__ == "__main__":
    main()
