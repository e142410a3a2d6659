"""Runs one step of hotkit_entry again and again, and kills it before its 1st, 2nd, 3rd ... change.

    python crash_driver.py JOB.json

JOB names a `template` (the root directory as it is before the step), a `work` folder, and the
`arguments` of the step, of the same step done `again`, and of the `restore` afterwards. For every
change that the step makes to the file system (Python's audit events on paths below the root, and
programs started) there is afterwards WORK/<n>/crashed, .../again and .../restored, the three roots.
Prints the number of changes, and what the second try and the restore answered.
"""

from __future__ import annotations

import json
import os
import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

# os.open tells flags, not a mode: whoever reads is not counted.
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.chown", "os.utime",
           "os.truncate", "subprocess.Popen")  # fmt: skip
KILLED = 137


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text())
    template, work = Path(job["template"]), Path(job["work"])
    import ansible.module_utils as utils

    utils.__path__.append(job["module_utils"])
    import ansible.module_utils.basic  # noqa: F401 (loaded once, for every child)

    answers = []
    number = 1
    while True:
        here = work / str(number)
        crashed = fresh(template, here / "crashed")
        if run(job["module"], job["step"], crashed, die_before=number)[0] != KILLED:
            break
        again = fresh(crashed, here / "again")
        restored = fresh(crashed, here / "restored")
        answers.append(
            {
                "again": run(job["module"], job["again"], again)[1],
                "restored": run(job["module"], job["restore"], restored)[1],
            }
        )
        number += 1
    json.dump(answers, sys.stdout)


def fresh(source: Path, target: Path) -> Path:
    shutil.copytree(source, target)
    return target


def run(
    module: str, arguments: dict[str, Any], root: Path, die_before: int = 0
) -> tuple[int, dict[str, Any]]:
    """The step on `root` in a child; its exit status and answer."""
    given = root.parent / "arguments.json"
    given.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments | {"root": str(root)}}))
    said = root.parent / "answer.json"
    child = os.fork()
    if child == 0:
        os.dup2(os.open(given, os.O_RDONLY), 0)
        os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
        sys.stdin, sys.argv = open(0, closefd=False), ["hotkit_entry"]  # noqa: SIM115
        if die_before:
            die_at(die_before, str(root))
        try:
            runpy.run_path(module, run_name="__main__")
        except SystemExit as end:
            sys.stdout.flush()
            os._exit(int(end.code or 0))
        os._exit(99)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    text = said.read_text()
    return status, json.loads(text) if text else {}


def die_at(number: int, root: str) -> None:
    seen = 0

    def count(event: str, args: tuple[Any, ...]) -> None:
        nonlocal seen
        if event == "open":
            path, _, flags = args
            changes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            mine = changes and str(path).startswith(root)
        elif event in CHANGES:
            mine = root in str(args)
        else:
            return
        if mine:
            seen += 1
            if seen == number:
                os._exit(KILLED)

    sys.addaudithook(count)


main()
