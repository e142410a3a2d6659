"""One fuzzing process: `python -m tests.fuzz.fuzz --finds DIR --seconds 60 [TARGET ...]`.

libFuzzer through atheris, guided by the coverage of hotkit and of the YAML reader. The first byte
of an input says which target it is for, and is never changed. What a reader raises that it must not
is written to DIR/finds.jsonl, once per place, and the run goes on; libFuzzer itself ends it (exit
code above 0) where an input takes longer than `--slow` seconds or more memory than `--memory-mib`.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import traceback
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["hotkit", "yaml"]):
    from hotkit.errors import HotkitError
    from tests.fuzz.targets import TARGETS, Target

from tests.fuzz.changes import changed_json
from tests.fuzz.seeds import MOST_BYTES, seeds


class Run:
    """What one input does, and the finds so far."""

    def __init__(self, finds: Path, scratch: Path) -> None:
        self.finds = finds
        self.scratch = scratch
        self.seen: set[tuple[str, str]] = set()

    def one(self, data: bytes) -> None:
        if not data or data[0] >= len(TARGETS):
            return
        target = TARGETS[data[0]]
        try:
            target.read(data[1:], self.scratch)
        except (HotkitError, *target.allowed):
            return
        except Exception as error:  # the point of it all
            self.found(target, data[1:], error)

    def found(self, target: Target, data: bytes, error: Exception) -> None:
        """Note it, once per target and place in the code."""
        frames = traceback.extract_tb(error.__traceback__)
        ours = [f"{f.filename.partition('/hotkit/')[2]}:{f.lineno}" for f in frames
                if "/hotkit/" in f.filename]  # fmt: skip
        where = ours[-1] if ours else "?"
        if (target.name, where) in self.seen:
            return
        self.seen.add((target.name, where))
        find = {
            "target": target.name,
            "raised": type(error).__name__,
            "said": str(error)[:200],
            "where": where,
            "through": ours[-4:],
            "input": base64.b64encode(data).decode(),
        }
        with (self.finds / "finds.jsonl").open("a") as file:
            file.write(json.dumps(find) + "\n")


def change(data: bytes, most: int, seed: int) -> bytes:
    """The next input: of the same target, in its form."""
    head, body = data[:1], data[1:]
    if head and head[0] < len(TARGETS) and TARGETS[head[0]].form == "json" and seed % 8:
        made = changed_json(body, seed, lambda text: atheris.Mutate(text, len(text) + 16))
        if made is not None and len(made) < most:
            return head + made
    return head + bytes(atheris.Mutate(body, max(most - 1, 1)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", nargs="*", help="all when none is named")
    parser.add_argument("--finds", type=Path, required=True, help="an empty directory")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--runs", type=int, default=-1, help="at most so many inputs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--slow", type=int, default=10, help="seconds that an input may take")
    parser.add_argument("--memory-mib", type=int, default=1024)
    options = parser.parse_args()
    known = [target.name for target in TARGETS]
    corpus = options.finds / "corpus"
    corpus.mkdir(parents=True)
    for name in options.target or known:
        for place, seed in enumerate(seeds(name)):
            (corpus / f"{name}-{place}").write_bytes(bytes([known.index(name)]) + seed)
    scratch = options.finds / "scratch"  # libFuzzer ends the process: it could clear up nothing
    scratch.mkdir()
    run = Run(options.finds, scratch / "input.yml")
    flags = [
        f"-max_total_time={options.seconds}", f"-runs={options.runs}", f"-seed={options.seed}",
        f"-timeout={options.slow}", f"-rss_limit_mb={options.memory_mib}",
        f"-max_len={MOST_BYTES + (8 << 10)}", f"-artifact_prefix={options.finds}/",
        "-print_final_stats=1", "-close_fd_mask=0", "-len_control=0",
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *flags, str(corpus)], run.one, custom_mutator=change)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
