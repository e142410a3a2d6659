"""The series of kernel/patches, and what patch(1) says of one that does not fit."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from hotkit.core.patchseries import Failure, Patch, parse_series, read_failure, series_sha256
from hotkit.host.kernelbase import kernel_bases

PATCHES = Path(__file__).resolve().parents[3] / "kernel/patches"


def test_parse():
    assert parse_series("# ours\none.patch\n\ntwo.patch -p1 # why\n") == ("one.patch", "two.patch")


def test_the_hash_is_of_names_order_and_text():
    one, two = Patch("1", "a"), Patch("2", "b")
    sums = {series_sha256(item) for item in ([one, two], [two, one], [one], [Patch("1", "b"), two])}
    assert len(sums) == 4


def test_a_subject_on_two_lines():
    assert Patch("n", "Subject: [PATCH 1/2] mm: a\n b\n\ntext").subject == "mm: a b"
    assert Patch("n", "--- a\n").subject == "n"


BASES, _ = kernel_bases()


@pytest.mark.parametrize("base", BASES, ids=lambda base: base.name)
def test_ours(base):
    names = [patch.name for patch in base.patches]
    assert names == sorted(path.name for path in (PATCHES / base.name).glob("*.patch"))
    for patch in base.patches:
        message = patch.text.partition("\n---\n")[0]
        assert "Signed-off-by:" in message and len(message.splitlines()) > 10, patch.name
        assert patch.subject.startswith("mm")


def test_the_same_subjects_everywhere():
    assert len({tuple(patch.subject for patch in base.patches) for base in BASES}) == 1


GOOD = "one\ntwo\nthree\n"
DIFF = """\
diff --git a/mm/some.c b/mm/some.c
--- a/mm/some.c
+++ b/mm/some.c
@@ -1,3 +1,3 @@
 one
-two
+TWO
 three
"""


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("one\n2\nthree\n", "p.patch does not apply: hunk 1 of mm/some.c, at line 1"),
        (None, "p.patch does not apply: mm/some.c is not there"),
    ],
)
def test_says_where(tmp_path, text, sentence):
    """With the real patch(1)."""
    (tmp_path / "mm").mkdir()
    if text:
        (tmp_path / "mm/some.c").write_text(text)
    done = subprocess.run(
        ["patch", "-p1", "--fuzz=0", "--force", "-r-", "--dry-run"], cwd=tmp_path, input=DIFF,
        text=True, capture_output=True, check=False, env={"LC_ALL": "C", "PATH": "/usr/bin"},
    )  # fmt: skip
    assert done.returncode
    assert read_failure("p.patch", done.stdout + done.stderr).sentence == sentence


def test_the_hash_is_that_of_a_line_per_patch():
    """As `sha256sum` of the file of names and sums would be."""
    one, two = (hashlib.sha256(text).hexdigest() for text in (b"a", "\u00e9".encode()))
    whole = hashlib.sha256(f"1 {one}\n2 {two}\n".encode()).hexdigest()
    assert series_sha256([Patch("1", "a"), Patch("2", "\u00e9")]) == whole
    assert series_sha256([]) == hashlib.sha256(b"").hexdigest()


def test_a_series_ends_names_at_white_space_and_at_a_comment():
    assert parse_series("  a.patch\t-p0\nb.patch#c#d\n#\n \nc d e") == (
        "a.patch", "b.patch", "c",
    )  # fmt: skip


MISSING = """\
can't find file to patch at input line 4
Perhaps you used the wrong -p or --strip option?
The text leading up to this was:
|diff --git a/mm/some.c b/mm/some.c
|--- a/mm/some.c
|+++ b/mm/some.c
"""


@pytest.mark.parametrize(
    ("output", "failure"),
    [
        ("checking file mm/a.c\nHunk #2 FAILED at 30.\n", ("mm/a.c", 2, 30)),
        ("patching file 'mm/a b.c'\nHunk #12 FAILED at 345 (different line endings).\n",
         ("mm/a b.c", 12, 345)),
        # The first one counts, of the file that was named last.
        ("checking file a.c\nHunk #1 succeeded at 9.\nchecking file b.c (renamed from c.c)\n"
         "Hunk #3 FAILED at 4.\nHunk #5 FAILED at 6.\nchecking file d.c\n", ("b.c", 3, 4)),
        ("Hunk #1 FAILED at 1.\n", ("?", 1, 1)),
        (MISSING, ("mm/some.c", None, None)),
        ("checking file a.c\n" + MISSING, ("mm/some.c", None, None)),
        # A new file's diff has no file before it.
        ("can't find file to patch at input line 4\n|--- /dev/null\n|+++ b/mm/x/new.c\n",
         ("mm/x/new.c", None, None)),
        ("|--- a/mm/gone.c\n|+++ /dev/null\n", ("mm/gone.c", None, None)),
        ("checking file a.c\ncan't find file to patch at input line 4\n", ("a.c", None, None)),
        ("", ("?", None, None)),
    ],
)  # fmt: skip
def test_the_first_thing_that_could_not_be_done(output, failure):
    assert read_failure("p", output) == Failure("p", *failure)
