"""The environment block; tests/integration/test_grub_tools.py holds it against grub-editenv."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.grubenv import HEAD, SIGNATURE, SIZE_BYTES, parse, render
from hotkit.errors import HotkitError

names = st.text("abc_XYZ09", min_size=1, max_size=8)
values = st.text(
    st.characters(max_codepoint=0x2FF, exclude_characters="\0", exclude_categories=["Cs"]),
    max_size=30,
)


@given(st.dictionaries(names, values, max_size=6))
def test_parse_undoes_render(variables: dict[str, str]) -> None:
    block = render(variables)
    assert len(block) == SIZE_BYTES
    assert block.startswith(HEAD)
    assert parse(block) == variables


def test_escapes_and_comments() -> None:
    block = SIGNATURE + b"a=b\\\\c\\\nd\n# no=variable\na=last\nx=\xff\n" + b"#" * 100
    assert parse(block) == {"a": "last", "x": "\udcff"}
    assert render({"x": "\udcff"}).count(b"\xff") == 1


def test_what_is_left_is_filled_as_grub_does() -> None:
    assert render({}) == HEAD + b"#" * (SIZE_BYTES - len(HEAD))
    assert render({"a": "1"}).endswith(b"\na=1\n" + b"#" * (SIZE_BYTES - len(HEAD) - 4))


def test_a_name_may_be_odd_and_even_empty() -> None:
    assert parse(SIGNATURE + b"=x\na=1\n") == {"": "x", "a": "1"}
    assert parse(SIGNATURE + b"n\xff=1\n") == {"n\udcff": "1"}
    assert render({"n\udcff": "1"}, head=b"").startswith(b"n\xff=1\n#")


@pytest.mark.parametrize("value", ["x\\", "\\\\", "\n", "\\\n", "x\n\\"])
def test_what_is_escaped_ends_where_it_ends(value: str) -> None:
    assert parse(render({"a": value, "b": "2"})) == {"a": value, "b": "2"}


def test_a_cut_off_block_is_read_as_far_as_grub_reads_it() -> None:
    assert parse(SIGNATURE + b"a=1\nb=2") == {"a": "1"}
    assert parse(SIGNATURE + b"a=1\nno equals sign") == {"a": "1"}


def test_what_is_no_block() -> None:
    with pytest.raises(HotkitError) as caught:
        parse(b"0123456789abcdefghijklmnopqrstuvwxyz")
    assert caught.value.message == (
        "this is no GRUB environment block: it begins with b'0123456789abcdefghijklmn'"
    )
    assert "grub-editenv FILE create" in (caught.value.hint or "")


@pytest.mark.parametrize("variables", [{"": "x"}, {"a=b": "x"}, {"#a": "x"}, {"a\nb": "x"}])
def test_bad_names(variables: dict[str, str]) -> None:
    with pytest.raises(HotkitError, match="cannot name"):
        render(variables)


def test_too_much_is_refused() -> None:
    room = SIZE_BYTES - len(HEAD) - len("a=\n")
    assert render({"a": "x" * room}).endswith(b"x\n")
    with pytest.raises(HotkitError, match=f"need {SIZE_BYTES + 1}"):
        render({"a": "x" * (room + 1)})
