"""The wall around ansible-runner: a playbook goes in, plain events come out one by one.

What ansible-runner does that this file keeps from everybody else: it reuses what it finds in a
directory, kills a run whose event handler is slow, hands our whole environment to the run and
writes it into a file, and turns host key checking off.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hotkit import assets
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.ansible_env import ansible_env, ansible_program
from hotkit.host.processes import end_marked
from hotkit.host.run import clean_env

# In the environment of every process of a run, so that all of them can be found again.
_MARK = "HOTKIT_RUN"

# Events of the runner that we pass on, under our own names.
_KINDS = {
    "playbook_on_play_start": "play",
    "playbook_on_task_start": "task",
    "runner_on_start": "started",
    "runner_on_ok": "ok",
    "runner_on_failed": "failed",
    "runner_on_skipped": "skipped",
    "runner_on_unreachable": "unreachable",
    "runner_retry": "retry",
    "playbook_on_stats": "recap",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened in a run.

    `kind` is one of play, task, started, ok, failed, skipped, unreachable, retry, recap; `host` is
    None for the first two and the last; `result` is the module's answer (with `changed`, `msg`,
    `diff` ...).
    """

    kind: str
    play: str
    task: str
    role: str | None = None
    host: str | None = None
    result: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def changed(self) -> bool:
        return self.kind == "ok" and bool(self.result.get("changed"))

    @property
    def message(self) -> str:
        """The module's own words on how it ended; of a loop, those of its item that failed."""
        result = self.result
        items = [item for item in result.get("results") or () if isinstance(item, dict)]
        for item in items if self.kind in ("failed", "unreachable") else ():
            if item.get("failed") or item.get("unreachable"):
                result = item
        said = result.get("msg") or result.get("stderr") or ""
        return str(said).strip().removeprefix("Task failed: ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many tasks of one host ended in which way."""

    ok: int = 0
    changed: int = 0
    skipped: int = 0
    failed: int = 0
    unreachable: int = 0


class PlaybookRun:
    """One run of one playbook: iterate over it for its events; afterwards `counts` and `rc`.

    `log` is Ansible's own output, kept below `folder` (mode 0700) whatever happens. Leaving the
    `with` block early (Ctrl-C) ends Ansible and waits for it; setting `cancelled` makes a thread
    leave it so. `idle` is called twice a second while nothing happens.
    """

    def __init__(
        self,
        playbook: str,
        inventory: Path,
        folder: Path,
        *,
        hosts: Sequence[str],
        tags: Sequence[str] = (),
        extra: Mapping[str, Any] | None = None,
        check: bool = False,
        diff: bool = False,
        cancelled: threading.Event | None = None,
        idle: Callable[[], None] | None = None,
    ) -> None:
        self.playbook = playbook
        self.folder = folder
        self.log = folder / "artifacts" / "ansible" / "stdout"
        self.counts: dict[str, Counts] = {}
        self.rc: int | None = None
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._cancelled = threading.Event()
        self._done = False
        self._cancel_asked = cancelled
        self._idle = idle
        self._crash: BaseException | None = None
        # Fresh, or ansible-runner mixes the variables of two runs (its issues 493 and 809).
        folder.mkdir(mode=0o700, parents=True, exist_ok=False)
        flags = (["--check"] if check else []) + (["--diff"] if diff else [])
        self._runner = self._make(
            playbook=str(assets.asset("playbooks") / f"{playbook}.yml"),
            inventory=str(inventory),
            limit=",".join(hosts),
            extravars=dict(extra or {}),
            tags=",".join(tags) or None,
            cmdline=" ".join(flags) or None,
        )
        self._thread = threading.Thread(target=self._run, name=f"ansible-{playbook}", daemon=True)

    def __enter__(self) -> PlaybookRun:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread.is_alive() and not self._done:
            # Politely first: Ansible then ends its workers. The runner's own way is SIGKILL.
            end_marked(_MARK, str(self.folder))
            self._cancelled.set()
        self._thread.join(30)

    def __iter__(self) -> Iterator[Event]:
        """Events as they come. Raises HotkitError when Ansible itself could not start or run."""
        while True:
            try:
                # A time-out, because a wait without one does not notice Ctrl-C on every platform.
                event = self._events.get(timeout=0.5)
            except queue.Empty:
                if self._cancel_asked is not None and self._cancel_asked.is_set():
                    raise KeyboardInterrupt from None
                if self._idle is not None:
                    self._idle()
                continue
            if event is None:
                self._done = True
                break
            yield event
        self._thread.join()
        if self._crash:
            raise HotkitError(
                f"ansible-runner failed: {self._crash}", hint=f"log: {self.log}",
                exit_code=ExitCode.VERDICT_FAILED,
            ) from self._crash  # fmt: skip
        if self.rc and not self.counts:
            raise HotkitError(
                f"Ansible ran nothing (status {self.rc}): {self.last_lines(3)}",
                hint=f"log: {self.log}",
                exit_code=ExitCode.VERDICT_FAILED,
            )

    def last_lines(self, count: int) -> str:
        """The end of Ansible's own output."""
        try:
            lines = self.log.read_text(errors="replace").strip().splitlines()
        except OSError:
            return "no output"
        return " | ".join(line.strip() for line in lines[-count:]) or "no output"

    def _make(self, **what: Any) -> Any:
        # Imported late: it pulls in pexpect and a good part of a second.
        from ansible_runner.interface import init_runner

        runner = init_runner(
            private_data_dir=str(self.folder),
            ident="ansible",
            quiet=True,
            # pexpect_timeout bounds how long Ctrl-C waits for the runner to look up.
            settings={"pexpect_timeout": 1, "suppress_ansible_output": True},
            event_handler=self._on_event,
            cancel_callback=self._cancelled.is_set,
            **{key: value for key, value in what.items() if value is not None},
        )
        runner.config.command[:1] = ansible_program("playbook")
        runner.config.env = _environment(runner.config.env) | {_MARK: str(self.folder)}
        return runner

    def _run(self) -> None:
        try:
            self._runner.run()
            self.rc = self._runner.rc
        except BaseException as error:
            self._crash = error
        finally:
            self._events.put(None)

    def _on_event(self, raw: dict[str, Any]) -> bool:
        # Runs inside the runner's read loop: anything slow here ends in a time-out of pexpect
        # (ansible-runner issue 1343), so it only sorts and enqueues.
        kind = _KINDS.get(raw.get("event", ""))
        if kind is None:
            return True
        data = raw.get("event_data") or {}
        if kind == "recap":
            self.counts = _counts(data)
        result = data.get("res")
        self._events.put(
            Event(
                kind=kind,
                play=str(data.get("play") or ""),
                task=str(data.get("task") or ""),
                role=data.get("role"),
                host=data.get("host"),
                result=result if isinstance(result, dict) else {},
            )
        )
        return True


def _environment(runners: Mapping[str, str]) -> dict[str, str]:
    """What Ansible sees: our clean environment, our settings, and what the runner itself needs.

    The runner copies our whole environment and stores it in artifacts/*/command: a token in it
    would end up in a log.
    """
    own = {
        key: value
        for key, value in runners.items()
        if key.startswith(("AWX_", "RUNNER_", "ORIGINAL_"))
        or key in ("ANSIBLE_CALLBACK_PLUGINS", "ANSIBLE_STDOUT_CALLBACK", "ANSIBLE_CACHE_PLUGIN",
                   "ANSIBLE_CACHE_PLUGIN_CONNECTION", "ANSIBLE_RETRY_FILES_ENABLED")
    }  # fmt: skip
    return clean_env(own | ansible_env())


def _counts(data: Mapping[str, Any]) -> dict[str, Counts]:
    def of(key: str, host: str) -> int:
        return int((data.get(key) or {}).get(host, 0))

    hosts = sorted(data.get("processed") or {})
    return {
        host: Counts(
            ok=of("ok", host),
            changed=of("changed", host),
            skipped=of("skipped", host),
            failed=of("failures", host),
            unreachable=of("dark", host),
        )
        for host in hosts
    }
