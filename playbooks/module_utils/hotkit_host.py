"""A host's files and hotkit's journal, for the module hotkit_entry. Standard library only."""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import hashlib
import json
import os
import shutil
from pathlib import Path

STATE_DIR = "/var/lib/hotkit"
SCHEMA_VERSION = 1
TMP_SUFFIX = ".hotkit-tmp"
BOOT_ID = "/proc/sys/kernel/random/boot_id"
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
