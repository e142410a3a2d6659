"""blscfg's own expansion: outcomes of research 2.4, run there on the extracted C function."""

from __future__ import annotations

import pytest

from hotkit.core.blscfg import expand_options

PLAIN = "memmap=127796M$5324M,117964M$146228M maxcpus=4"
ESCAPED = PLAIN.replace("$", "\\$")


@pytest.mark.parametrize(
    ("options", "older", "since_2025"),
    [
        (PLAIN, "memmap=127796M,117964Mmaxcpus=4", "memmap=127796M,117964Mmaxcpus=4"),
        (ESCAPED, "memmap=127796M\\,117964M\\maxcpus=4", ESCAPED),
        ("root=x $known ro", "root=x a\\$b ro", "root=x a\\$b ro"),
        ("root=x $known", "root=x a\\$b ", "root=x a\\$b "),
        ("memmap=1G%2G-1+2", "memmap=1G%2G-1+2", "memmap=1G%2G-1+2"),
        ("", "", ""),
    ],
)
def test_expand_options(options: str, older: str, since_2025: str) -> None:
    known = {"known": "a\\$b"}
    assert expand_options(options, known, understands_escape=False) == older
    assert expand_options(options, known, understands_escape=True) == since_2025


@pytest.mark.parametrize(
    ("options", "older", "since_2025"),
    [
        # start != end in the C code: a field of one character is lost, at the end too.
        ("a", "", ""),
        ("ro a$a_1 b", "ro aone ", "ro aone "),
        ("$a_1,$a_1", "one one ", "one one "),
        ("ro $b", "ro ", "ro "),
        ("ro $b xy", "ro B xy", "ro B xy"),
        # A first field that is an unknown name, and another name behind it: nothing is left.
        ("$no$a_1 xy", "", ""),
        ("ro $no$a_1 xy", "ro one xy", "ro one xy"),
        ("$no $a_1$a_1 xy", "one one xy", "one one xy"),
        ("$no $no$a_1", "one ", "one "),
        ("$no-$a_1", "one ", "one "),
        # A name ends at what is no letter, digit or _ of ASCII; two in a row have one space each.
        ("$a_1$a_1", "one one ", "one one "),
        ("$a_1é", "one ", "one "),
        ("$a_1é1", "one é1", "one é1"),
        ("$a_1  b", "one  b", "one  b"),
        ("$", "", ""),
        ("ro $ x$", "ro ", "ro "),
        # A backslash in the first place is before the second, and the last is before none.
        ("\\$a_1 bc", "one bc", "\\$a_1 bc"),
        ("$a_1 b\\", "one b\\", "one b\\"),
    ],
)
def test_fields_as_the_c_code_counts_them(options, older, since_2025):
    known = {"a_1": "one", "b": "B"}
    assert expand_options(options, known, understands_escape=False) == older
    assert expand_options(options, known, understands_escape=True) == since_2025
