"""A host's files, hotkit's journal, lock and lease, for its modules. Standard library only."""

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

STATE_DIR = "/var/lib/hotkit"
SCHEMA_VERSION = 1
TMP_SUFFIX = ".hotkit-tmp"
LEASE = STATE_DIR + "/lease.json"
RUN_DIR = "/run/hotkit"
LOCK_SECONDS = 30
BOOT_ID = "/proc/sys/kernel/random/boot_id"
_FROM_PLAN = (
    "entry_id", "token", "method", "layout", "args", "cmdline", "kernel", "kernel_build",
    "update_grub", "editenv",
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
        self.held_by_others = False

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
            self.data["memory"] = plan.get("memory")
        now = utc(0)
        self.data.update(more, state=state, since=now)
        self.data["history"].append({"state": state, "at": now, "boot_id": self.host.boot_id})
        del self.data["history"][:-50]
        self.save()

    def save(self):
        text = json.dumps(self.data, indent=1, sort_keys=True) + "\n"
        self.host.write(self.file, text.encode("utf-8"), mode=0o600)

    @property
    def made(self):
        """What other steps than the entry's have to take back, by the name of their record."""
        return {key for key in ("pmem", "kernels") if self.data and self.data.get(key)}

    def taken_back(self, key):
        """A record is done with; when it was the last thing, the journal goes as well."""
        del self.data[key]
        self.save()
        if not self.originals and not self.made:
            forget(self.host.path(STATE_DIR))

    def keep(self, name):
        """Copy an original before the first write to it; a second call keeps the first copy."""
        if name in self.originals:
            return
        self.host.path(STATE_DIR + "/originals").mkdir(0o700, parents=True, exist_ok=True)
        data = self.host.read(name)
        record = {"existed": data is not None}
        if not self.host.path(name).parent.is_dir():
            record["made_folder"] = True
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

    def will_write(self, name, data):
        """Remember what is about to be written, so that a power cut does not make it foreign."""
        record = self.data["originals"][name]
        record["written"] = [*record.get("written", [])[-1:], sha256(data)]
        self.save()

    def wrote(self, name, data):
        """Whether the file's bytes are ours: the last ones, or those that they were to replace."""
        return sha256(data) in self.originals.get(name, {}).get("written", [])

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


def hold(host, holder, take_over, seconds):
    """Take or renew the lease: who works on this machine, beyond the reboots of the work.

    The lock keeps two steps apart, the lease two controllers. `holder` has `id` and `who` (and what
    tells its controller whether it lives); without one a lease of somebody else is still
    respected. `take_over` is the id of the lease that may be broken, and of no other.
    """
    lease = read_lease(host)
    if lease and lease["id"] not in (holder.get("id"), take_over):
        host.held_by_others = True
        raise Refused(
            "{who} is at work on this machine since {since} (its lease ends {until}); wait, or "
            "--take-over when you know that it is dead".format(**lease)
        )
    if host.module.check_mode or not holder:
        return
    mine = lease and lease["id"] == holder["id"]
    record = dict(
        holder,
        schema_version=SCHEMA_VERSION,
        since=lease["since"] if mine else utc(0),
        until=utc(seconds),
        until_epoch_s=int(time.time() + seconds),
    )
    text = json.dumps(record, indent=1, sort_keys=True) + "\n"
    host.write(LEASE, text.encode("utf-8"), mode=0o600)


def release(host):
    """Give the lease back: the work is over, whatever came of it."""
    host.path(LEASE).unlink(missing_ok=True)


def read_lease(host):
    """The lease that is in force, or None: nobody's, damaged, or run out (by this host's clock)."""
    try:
        lease = json.loads(host.text(LEASE) or "null")
        if lease and {"id", "who", "since", "until"} <= set(lease):
            return lease if time.time() < lease["until_epoch_s"] else None
    except (ValueError, TypeError, KeyError):
        pass
    return None


def utc(seconds_from_now):
    then = datetime.datetime.now(datetime.timezone.utc)  # noqa: UP017 (Python 3.9)
    then += datetime.timedelta(seconds=seconds_from_now)
    return then.strftime("%Y-%m-%dT%H:%M:%SZ")


def extend_guard(host, seconds):
    """The guard of the trial that runs waits `seconds` from now on: the machine was reached."""
    if host.path(RUN_DIR).is_dir():
        up = time.clock_gettime(time.CLOCK_BOOTTIME)
        host.write(RUN_DIR + "/deadline", f"{int(up + seconds)}\n".encode("ascii"))


def disarm_guard(host, names):
    """End the guard of the trial that runs, put its settings back, remove its files."""
    if host.path(RUN_DIR).is_dir():
        # The guard looks for this file every two seconds, and stops its watchdog before it goes.
        host.write(RUN_DIR + "/confirmed", b"")
        for line in host.text(RUN_DIR + "/sysctl").splitlines():
            name, _, value = line.partition(" ")
            with contextlib.suppress(OSError):
                host.path("/proc/sys/" + name).write_text(value + "\n")
        host.path(RUN_DIR + "/sysctl").unlink(missing_ok=True)
    for name in reversed(names):
        # What starts it goes first.
        if host.read(name) is not None:
            host.remove(name)


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


def _take_lock(folder):
    """The lock's open file, ours. A step takes seconds: who waits for one finds its lease then,
    which says whose it is."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        folder.mkdir(0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # the folder went meanwhile: a rollback ended
            handle = (folder / "lock").open("w")
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(handle.fileno()).st_ino == (folder / "lock").stat().st_ino:
                    return handle
            except OSError:
                pass
            handle.close()
        if time.monotonic() > deadline:
            raise Refused(f"another hotkit is at work on this machine ({STATE_DIR}/lock is held)")
        time.sleep(0.2)


@contextlib.contextmanager
def locked(host):
    """Hold the lock beside the journal, so that two controllers do not write at once."""
    folder = host.path(STATE_DIR)
    leaving = host.module.params["step"] in ("restore", "give_back", "remove")
    if host.module.check_mode or (leaving and not folder.is_dir()):
        yield
        return
    with _take_lock(folder):
        try:
            yield
        except Refused:
            if not (folder / "state.json").exists() and not host.held_by_others:
                (folder / "lease.json").unlink(missing_ok=True)
            raise
        finally:
            # A step that was refused leaves nothing behind.
            if folder.is_dir() and {item.name for item in folder.iterdir()} <= {"lock"}:
                shutil.rmtree(folder)


def run_module(run_step, arguments, required_if=()):
    """A module's main(): `run_step(host, params)` under the lock and the lease, its result told.

    It returns (changed, more results); what it raises as Refused is for people.
    """
    module = AnsibleModule(
        argument_spec=dict(
            arguments,
            holder={"type": "dict", "default": {}},
            take_over={"type": "str", "default": ""},
            lease_seconds={"type": "int", "default": 3600},
            root={"type": "path", "default": "/"},
        ),
        required_if=list(required_if),
        supports_check_mode=True,
    )
    host = Host(module)
    params = module.params
    try:
        with locked(host):
            hold(host, params["holder"], params["take_over"], params["lease_seconds"])
            changed, result = run_step(host, params)
    except Refused as error:
        module.fail_json(msg=str(error), notes=host.notes)
    except OSError as error:
        module.fail_json(
            msg="{}: {}".format(error.filename or params["step"], error.strerror), notes=host.notes
        )
    module.exit_json(
        changed=changed, diff=host.diffs, notes=host.notes, boot_id=host.boot_id, **result
    )
