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
