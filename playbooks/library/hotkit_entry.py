#!/usr/bin/python
"""One step of hotkit's way through GRUB on one host, done atomically in one round trip.

What is to be written was decided on the controller (hotkit.core); here it is only compared, backed
up, written, read back and journalled. Standard library only.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import hashlib
import json
import os
import shutil
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

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
    choices: [stage, arm, confirm, record, restore]
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
fell_back:
  description: The machine came up without the token of the layout.
  returned: confirm
  type: bool
notes:
  description: Sentences for people.
  returned: always
  type: list
"""

STATE_DIR = "/var/lib/hotkit"
SCHEMA_VERSION = 1
TMP_SUFFIX = ".hotkit-tmp"
BOOT_ID = "/proc/sys/kernel/random/boot_id"
# States in which the layout has booted at least once, and the running kernel carries the token.
RUNNING = ("trial", "verified", "committed")


_FROM_PLAN = (
    "entry_id", "token", "method", "layout", "args", "cmdline", "kernel", "update_grub", "editenv",
)  # fmt: skip


class Refused(Exception):
    """A step that must not be done; the message is for people."""


class Host:
    """Files of one machine below `root`: read, written atomically, backed up."""

    def __init__(self, module):
        self.module = module
        self.root = Path(module.params["root"])
        self.diffs = []
        self.notes = []

    def path(self, name):
        return self.root / name.lstrip("/")

    def read(self, name):
        """The bytes of a file, or None when it is not there."""
        try:
            return self.path(name).read_bytes()
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                return None
            raise

    def text(self, name):
        return (self.read(name) or b"").decode("utf-8", "replace")

    @property
    def boot_id(self):
        return self.text(BOOT_ID).strip()

    @property
    def cmdline(self):
        return self.text("/proc/cmdline").split()

    def write(self, name, data, like=None, mode=0o644, check=None):
        """Write a whole file: temporary file, fsync, rename, fsync of the directory.

        `like` is the record of an original whose owner, mode and times are taken over; `check` a
        command that must accept the temporary file before it gets its name.
        """
        target = self.path(name)
        target.parent.mkdir(0o755, parents=True, exist_ok=True)
        # GRUB and grub-mkconfig read names that end in .cfg: the temporary one must not.
        temporary = target.with_name(target.name + TMP_SUFFIX)
        temporary.unlink(missing_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            if check:
                rc, out, err = self.module.run_command([*check, str(temporary)])
                if rc != 0:
                    raise Refused(
                        f"{name}: {check[0]} refuses the new text: {(err or out).strip()}"
                    )
            temporary.chmod(like["mode"] if like else mode)
            if like:
                self.own(temporary, like)
            temporary.rename(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(target.parent)

    def own(self, path, like):
        try:
            os.chown(path, like["uid"], like["gid"])
        except OSError as error:
            # A /boot on VFAT has no owners to set.
            if error.errno != errno.EPERM:
                raise
        os.utime(path, ns=(like["mtime_ns"], like["mtime_ns"]))

    def remove(self, name):
        path = self.path(name)
        path.unlink(missing_ok=True)
        sync_folder(path.parent)

    def diff(self, name, before, after):
        self.diffs.append(
            {
                "before_header": name if before is not None else name + " (absent)",
                "after_header": name if after is not None else name + " (absent)",
                "before": (before or b"").decode("utf-8", "replace"),
                "after": (after or b"").decode("utf-8", "replace"),
            }
        )

    def command(self, argv):
        """Run a tool of the host; its failure ends the step."""
        rc, out, err = self.module.run_command(list(argv))
        if rc != 0:
            raise Refused("{} exited with {}: {}".format(" ".join(argv), rc, (err or out).strip()))
        return out


class Journal:
    """state.json and the copies of the originals beside it."""

    def __init__(self, host):
        self.host = host
        self.file = STATE_DIR + "/state.json"
        raw = host.read(self.file)
        try:
            self.data = json.loads(raw.decode("utf-8")) if raw else None
        except ValueError:
            raise Refused(
                f"{self.file} is not JSON; look at it, then remove it or restore it by hand"
            ) from None
        if self.data and self.data.get("schema_version") != SCHEMA_VERSION:
            raise Refused(
                "{} has schema_version {}, this hotkit writes {}".format(
                    self.file, self.data.get("schema_version"), SCHEMA_VERSION
                )
            )

    @property
    def state(self):
        return self.data["state"] if self.data else None

    @property
    def originals(self):
        return self.data.get("originals", {}) if self.data else {}

    def of(self, plan):
        """Whether the journal speaks of this plan's entry."""
        return bool(self.data) and all(
            self.data.get(key) == plan[key] for key in ("token", "entry_id", "method")
        )

    def enter(self, state, plan=None, **more):
        """Record a state, with when and in which boot it began."""
        if self.data is None:
            self.data = {"schema_version": SCHEMA_VERSION, "originals": {}, "history": []}
        if plan is not None:
            for key in _FROM_PLAN:
                self.data[key] = plan[key]
        now = datetime.datetime.now(datetime.timezone.utc)  # noqa: UP017 (Python 3.9)
        now = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        self.data.update(more, state=state, since=now)
        self.data["history"].append({"state": state, "at": now, "boot_id": self.host.boot_id})
        del self.data["history"][:-50]
        self.save()

    def save(self):
        text = json.dumps(self.data, indent=1, sort_keys=True) + "\n"
        self.host.write(self.file, text.encode("utf-8"), mode=0o600)

    def keep(self, name):
        """Copy an original before the first write to it; a second call keeps the first copy."""
        if name in self.originals:
            return
        self.host.path(STATE_DIR + "/originals").mkdir(0o700, parents=True, exist_ok=True)
        data = self.host.read(name)
        record = {"existed": data is not None}
        if data is not None:
            status = self.host.path(name).stat()
            copy = "originals/" + hashlib.sha256(name.encode()).hexdigest()[:16]
            self.host.write(STATE_DIR + "/" + copy, data, mode=0o600)
            record.update(
                copy=copy,
                sha256=sha256(data),
                mode=status.st_mode & 0o7777,
                uid=status.st_uid,
                gid=status.st_gid,
                mtime_ns=status.st_mtime_ns,
            )
        self.data["originals"][name] = record
        self.save()

    def copy_of(self, record):
        data = self.host.read(STATE_DIR + "/" + record["copy"])
        if data is None or sha256(data) != record["sha256"]:
            raise Refused(
                "the copy {}/{} of an original is damaged".format(STATE_DIR, record["copy"])
            )
        return data


def sha256(data):
    return None if data is None else hashlib.sha256(data).hexdigest()


def sync_folder(folder):
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def parse_env(data):
    """The variables of a GRUB environment block (1024 bytes; grub-core/lib/envblk.c)."""
    pairs = []
    for line in (data or b"").decode("utf-8", "replace").split("\n"):
        if line and not line.startswith("#") and "=" in line:
            key, value = line.split("=", 1)
            pairs.append((key, value))
    return dict(pairs)


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
        # Remembered before it is written: a power cut in between must not make it foreign.
        journal.data["originals"][item["path"]]["written"] = sha256(after)
        journal.save()
        like = journal.originals[item["path"]]
        like = dict(like, mtime_ns=time.time_ns()) if like["existed"] else None
        host.write(item["path"], after, like=like, check=item.get("check"))
    if plan["update_grub"]:
        host.command(plan["update_grub"])
        journal.data["originals"][plan["grub_cfg"]]["written"] = sha256(host.read(plan["grub_cfg"]))
    journal.enter("staged", plan)
    return True, {"state": "staged"}


def arm(host, journal, plan):
    """Make the entry the next boot's, once, and read back that GRUB will see it."""
    running = plan["token"] in host.cmdline
    if journal.of(plan) and running and journal.state in ("armed",) + RUNNING:
        return False, {"state": journal.state, "reboot_needed": False}
    once = plan["boot_once"]
    armed = journal.of(plan) and journal.state == "armed"
    env = parse_env(host.read(plan["grubenv"]))
    set_already = not once or env.get("next_entry") == plan["entry_id"]
    if armed and set_already and journal.data["armed_boot_id"] == host.boot_id:
        return False, {"state": "armed", "reboot_needed": True}
    host.notes.extend(_why_again(host, journal, plan))
    if host.module.check_mode:
        return True, {"state": journal.state, "reboot_needed": True}
    if not journal.of(plan):
        raise Refused("the entry {} is not staged on this machine".format(plan["entry_id"]))
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
        if not host.module.check_mode and journal.state != "fell-back":
            journal.enter("fell-back")
        return True, dict(result, state="fell-back", fell_back=True)
    if journal.state in RUNNING:
        return False, dict(result, state=journal.state)
    if not host.module.check_mode:
        journal.enter("trial")
    return True, dict(result, state="trial")


def record(host, journal, plan, state):
    """Record that every check passed; with committed, make the entry the default."""
    if not journal.of(plan) or plan["token"] not in host.cmdline:
        raise Refused(
            "the layout {} is not running here: nothing to record".format(plan["entry_id"])
        )
    if journal.state == state or journal.state == "committed":
        return False, {"state": journal.state}
    if state == "committed":
        for item in plan["committed_files"]:
            before, after = host.read(item["path"]), item["text"].encode("utf-8")
            if before == after:
                continue
            if sha256(before) != journal.originals[item["path"]].get("written"):
                raise Refused("{} was changed by somebody else; plan again".format(item["path"]))
            host.diff(item["path"], before, after)
            if not host.module.check_mode:
                journal.data["originals"][item["path"]]["written"] = sha256(after)
                journal.save()
                host.write(item["path"], after, check=item.get("check"))
    if not host.module.check_mode:
        journal.enter(state)
    return True, {"state": state}


def restore(host, journal, stripped):
    """Put back every original, to the byte where nobody else wrote; leave nothing behind."""
    changed = False
    check = host.module.check_mode
    regenerate = None
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
        elif name.endswith("/grub.cfg") and sha256(now) != record.get("written"):
            regenerate = journal.data["update_grub"]
            host.notes.append(f"{name} was made anew by others since; it is regenerated")
            continue
        elif sha256(now) != record.get("written"):
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
    if folder.is_dir():
        changed = True
        if not check:
            os.sync()
            forget(folder)
    running = any(word.startswith("hotkit.id=") for word in host.cmdline)
    return changed, {"state": None, "reboot_needed": running}


def forget(folder):
    """Remove the journal, state.json last: a removal that was cut off can then be done again."""
    shutil.rmtree(folder / "originals", ignore_errors=True)
    for item in sorted(folder.iterdir(), key=lambda path: path.name == "state.json"):
        if item.is_dir():
            shutil.rmtree(item)
        else:
            item.unlink()
    folder.rmdir()
    sync_folder(folder.parent)


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


@contextlib.contextmanager
def locked(host):
    """Hold the lock beside the journal, so that two controllers do not write at once."""
    folder = host.path(STATE_DIR)
    if host.module.check_mode or (host.module.params["step"] == "restore" and not folder.is_dir()):
        yield
        return
    folder.mkdir(0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Refused(
                f"another hotkit is at work on this machine ({STATE_DIR}/lock is held)"
            ) from None
        try:
            yield
        finally:
            # A step that was refused leaves nothing behind.
            if folder.is_dir() and [item.name for item in folder.iterdir()] == ["lock"]:
                shutil.rmtree(folder)


def run_step(host, params):
    journal, plan, step = Journal(host), params["plan"], params["step"]
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
    module = AnsibleModule(
        argument_spec={
            "step": {
                "type": "str",
                "required": True,
                "choices": ["stage", "arm", "confirm", "record", "restore"],
            },
            "plan": {"type": "dict"},
            "state": {"type": "str", "choices": ["verified", "committed"]},
            "stripped": {"type": "dict", "default": {}},
            "root": {"type": "path", "default": "/"},
        },
        required_if=[
            ("step", "stage", ["plan"]),
            ("step", "arm", ["plan"]),
            ("step", "confirm", ["plan"]),
            ("step", "record", ["plan", "state"]),
        ],
        supports_check_mode=True,
    )
    host = Host(module)
    try:
        with locked(host):
            changed, result = run_step(host, module.params)
    except Refused as error:
        module.fail_json(msg=str(error), notes=host.notes)
    except OSError as error:
        module.fail_json(
            msg="{}: {}".format(error.filename or module.params["step"], error.strerror),
            notes=host.notes,
        )
    module.exit_json(
        changed=changed, diff=host.diffs, notes=host.notes, boot_id=host.boot_id, **result
    )


if __name__ == "__main__":
    main()
