"""A quilt-style series: the patches in their order, and where one does not apply."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

_SUBJECT = re.compile(r"^Subject: (?:\[PATCH[^\]]*\] )?(.*(?:\n [^\n]*)*)", re.MULTILINE)
_FILE = re.compile(r"^(?:checking|patching) file '?(.+?)'?(?: \(.*\))?$")
_REJECTED = re.compile(r"^Hunk #(\d+) FAILED at (\d+)")
_MISSING = re.compile(r"^(?:\|?(?:---|\+\+\+) (?P<file>\S+)|can't find file to patch.*)")


@dataclass(frozen=True, slots=True)
class Patch:
    """One patch of a series: its file's name and text."""

    name: str
    text: str

    @property
    def subject(self) -> str:
        """The first line of its message, on one line; its name when it has none."""
        match = _SUBJECT.search(self.text)
        return " ".join(match[1].split()) if match else self.name

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Failure:
    """Where a patch does not apply; `hunk` is its number in that file, None when the file lacks."""

    patch: str
    file: str
    hunk: int | None
    line: int | None

    @property
    def sentence(self) -> str:
        if self.hunk is None:
            return f"{self.patch} does not apply: {self.file} is not there"
        return f"{self.patch} does not apply: hunk {self.hunk} of {self.file}, at line {self.line}"


def parse_series(text: str) -> tuple[str, ...]:
    """The names in a `series` file; comments and what quilt lets stand behind a name are left."""
    lines = (line.partition("#")[0].split() for line in text.splitlines())
    return tuple(words[0] for words in lines if words)


def series_sha256(patches: Sequence[Patch]) -> str:
    """One hash over all of a series, names and order too."""
    digest = hashlib.sha256()
    for patch in patches:
        digest.update(f"{patch.name} {patch.sha256}\n".encode())
    return digest.hexdigest()


def read_failure(patch: str, output: str) -> Failure:
    """The first thing that patch(1) could not do, from its output."""
    file = "?"
    wanted = "?"
    for line in output.splitlines():
        if match := _FILE.match(line):
            file = match[1]
        elif match := _REJECTED.match(line):
            return Failure(patch, file, int(match[1]), int(match[2]))
        elif (match := _MISSING.match(line)) and match["file"] not in (None, "/dev/null"):
            # "a/mm/rmap.c" in the words that patch repeats of the diff
            wanted = match["file"].partition("/")[2]
    return Failure(patch, wanted if wanted != "?" else file, None, None)
