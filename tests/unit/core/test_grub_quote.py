"""Every layer's own reader undoes what was quoted for it; what no layer carries is refused."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core import grub_quote
from hotkit.core.blscfg import expand_options
from hotkit.core.cmdline import argument_problem
from hotkit.core.cmdline import parse as parse_cmdline
from hotkit.core.grub_eval import kernel_cmdline
from hotkit.core.sh_lexer import source
from hotkit.errors import HotkitError

# What can be a kernel argument at all: printable ASCII without quotes, backslash, white space.
arguments = st.lists(
    st.text(
        st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="\\'\""),
        min_size=1,
    ).map(lambda text: f"a={text}"),
    min_size=1,
    max_size=5,
)
EXAMPLE = ["maxcpus=4", "memmap=127796M$5324M,117964M$146228M"]


@given(arguments)
def test_grub_script(values: list[str]) -> None:
    line = f"linux /k {grub_quote.grub_script(values)}"
    found = kernel_cmdline(line, params=("the title",))
    assert [item.text for item in parse_cmdline(found)][1:] == values
    assert found == " ".join(["BOOT_IMAGE=/k", *values])


@given(arguments)
def test_grub_dropin(values: list[str]) -> None:
    before = {"GRUB_CMDLINE_LINUX_DEFAULT": "quiet"}
    value = source(grub_quote.grub_dropin(values), before)["GRUB_CMDLINE_LINUX_DEFAULT"]
    found = kernel_cmdline(f"linux /k {value}", params=("the title",))
    assert found == " ".join(["BOOT_IMAGE=/k", "quiet", *values])


@given(arguments)
def test_bls(values: list[str]) -> None:
    options = grub_quote.bls_options(values, understands_escape=True)
    expanded = expand_options(options, understands_escape=True)
    found = kernel_cmdline(f"linux /k {expanded}", params=("the title",))
    assert found == " ".join(["BOOT_IMAGE=/k", *values])


@given(arguments, st.booleans())
def test_bls_with_grubenv(values: list[str], understands_escape: bool) -> None:
    variables = {"hotkit_args": grub_quote.bls_grubenv(values)}
    expanded = expand_options(
        "root=/dev/sda1 ro $hotkit_args", variables, understands_escape=understands_escape
    )
    found = kernel_cmdline(f"linux /k {expanded}", params=("the title",))
    assert found == " ".join(["BOOT_IMAGE=/k", "root=/dev/sda1", "ro", *values])


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])))
def test_yaml(text: str) -> None:
    try:
        scalar = grub_quote.yaml_scalar(text)
    except HotkitError:
        assert not text.isprintable()
        return
    assert yaml.safe_load(f"key: {scalar}\n") == {"key": text}
    assert yaml.safe_load(f"- {scalar}\n") == [text]


@pytest.mark.parametrize(
    ("text", "scalar"),
    [
        ("maxcpus=4", "maxcpus=4"),
        ("memmap=1G$5G", "memmap=1G$5G"),
        ("yes", "'yes'"), ("No", "'No'"), ("NULL", "'NULL'"), ("yess", "yess"),
        ("", "''"), ("4", "'4'"), ("it's", "'it''s'"), ("a: b", "'a: b'"), ("ä", "'ä'"),
    ],
)  # fmt: skip
def test_yaml_is_plain_where_that_is_safe(text: str, scalar: str) -> None:
    assert grub_quote.yaml_scalar(text) == scalar
    assert yaml.safe_load(scalar) == text


@pytest.mark.parametrize("char", "\0\t\n\x1f\x7f\x80\x85\x9f\u2028\u2029\ufeff\ufffe\ud800")
def test_what_yaml_does_not_take(char: str) -> None:
    """Those above 0x7f were let through, and refused by YAML or read as a line break (found by a
    mutant that lived)."""
    with pytest.raises(HotkitError, match="holds a control character; write it without"):
        grub_quote.yaml_scalar(f"a{char}b")


@given(arguments)
def test_every_layer_has_a_text_or_a_way_out(values: list[str]) -> None:
    for row in grub_quote.every_layer(values):
        assert row.text or (row.refusal and row.way_out)


def test_the_spellings_that_people_look_for() -> None:
    text = {row.layer: row.text for row in grub_quote.every_layer(EXAMPLE)}
    assert text["YAML"] == "'maxcpus=4 memmap=127796M$5324M,117964M$146228M'"
    assert text["GRUB script"] == "maxcpus=4 memmap=127796M\\$5324M,117964M\\$146228M"
    assert text["grub.d drop-in"] == (
        'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT"'
        "' maxcpus=4 memmap=127796M\\$5324M,117964M\\$146228M'"
    )
    assert text["kernel"] == text["systemd-boot"] == " ".join(EXAMPLE)
    assert text["BLS entry"] == text["BLS + grubenv"] == text["GRUB script"]
    assert text["BLS entry, older"] is None
    reasons = {row.layer: row.reason for row in grub_quote.every_layer(EXAMPLE)}
    assert reasons["kernel"] == "what /proc/cmdline must show"
    assert reasons["BLS entry, older"].startswith("blscfg of RHEL 8, 9.0 to 9.4")


def test_an_older_blscfg_carries_percent() -> None:
    values = ["memmap=512M%1G-1+2"]
    assert grub_quote.bls_options(values, understands_escape=False) == values[0]
    with pytest.raises(HotkitError) as caught:
        grub_quote.bls_options(EXAMPLE, understands_escape=False)
    assert "style '%'" in (caught.value.hint or "")
    assert "hotkit_args" in (caught.value.hint or "")


@pytest.mark.parametrize("bad", ["a\\b", "a'b", 'a"b', "a b", "a\tb", "a\nb", "", "a\x7f", "ü"])
def test_what_no_loader_passes_on(bad: str) -> None:
    assert argument_problem(bad)
    for quote in (grub_quote.grub_script, grub_quote.grub_dropin, grub_quote.systemd_boot):
        with pytest.raises(HotkitError, match="cannot be a kernel argument"):
            quote(["fine", bad])
    with pytest.raises(HotkitError):
        grub_quote.every_layer([bad])


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\0b"])
def test_no_word_holds_a_line_end(bad: str) -> None:
    with pytest.raises(HotkitError, match="line end"):
        grub_quote.grub_word(bad)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "''"), ("$", "\\$"), ("a$b", "a\\$b"), ("a b$", "'a b'\\$"),
        ("it's $1", "'it'\\''s '\\$1"), ("'", "''\\'''"),
    ],
)  # fmt: skip
def test_words_of_nothing_and_of_dollars(text: str, word: str) -> None:
    assert grub_quote.grub_word(text) == word
