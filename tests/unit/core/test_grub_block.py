"""Our block in custom.cfg leaves every other byte alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.grub_block import (
    BEGIN,
    BEGIN_AFTER_OPEN_LINE,
    END,
    block_of,
    insert,
    remove,
)
from hotkit.errors import HotkitError

bodies = st.text(st.characters(exclude_categories=["Cs"])).map(lambda text: f"entry {text} end")
texts = st.text(st.characters(exclude_categories=["Cs"])) | st.lists(
    st.sampled_from(["menuentry a {", "}", "", "# ### BEGIN hotkit", "\r", "\\", BEGIN + " "])
).map("\n".join)


@given(texts, bodies)
def test_remove_undoes_insert(text: str, body: str) -> None:
    assert remove(insert(text, body)) == text
    assert block_of(insert(text, body)) == body.strip() + "\n"
    assert block_of(text) is None


@given(texts, bodies, bodies, texts)
def test_a_block_is_replaced_in_place(before: str, one: str, two: str, after: str) -> None:
    text = insert(before, one) + after
    assert insert(text, two) == insert(before, two) + after
    assert insert(insert(before, one), one) == insert(before, one)
    assert remove(text) == before + after


@pytest.mark.parametrize(
    "text",
    [f"{BEGIN}\na\n", f"a\n{END}\n", f"{END}\n{BEGIN}\n", f"{BEGIN}\n{BEGIN}\n{END}\n"],
)
def test_broken_markers_are_refused(text: str) -> None:
    for edit in (remove, block_of, lambda text: insert(text, "body")):
        with pytest.raises(HotkitError, match="BEGIN and"):
            edit(text)


def test_a_body_may_not_hold_a_marker() -> None:
    with pytest.raises(HotkitError, match="own markers"):
        insert("", f"a\n{END}\nb")


@pytest.mark.parametrize(
    ("text", "body", "whole"),
    [
        ("", "a", f"{BEGIN}\na\n{END}\n"),
        ("x\n", "\n a\nb \n\n", f"x\n{BEGIN}\na\nb\n{END}\n"),
        ("x", "a", f"x\n{BEGIN_AFTER_OPEN_LINE}\na\n{END}\n"),
        ("\n", "a", f"\n{BEGIN}\na\n{END}\n"),
        (f"x\n{BEGIN}\nold\n{END}\ny", "a", f"x\n{BEGIN}\na\n{END}\ny"),
        (f"{BEGIN}\nold\n{END}", "a", f"{BEGIN}\na\n{END}\n"),
        # The block of an open line is replaced by one, also where the line has gone.
        (f"x\n{BEGIN_AFTER_OPEN_LINE}\nold\n{END}\ny", "a",
         f"x\n{BEGIN_AFTER_OPEN_LINE}\na\n{END}\ny"),
        (f"{BEGIN_AFTER_OPEN_LINE}\nold\n{END}\ny", "a", f"{BEGIN}\na\n{END}\ny"),
    ],
)  # fmt: skip
def test_the_whole_text(text: str, body: str, whole: str) -> None:
    assert insert(text, body) == whole


@pytest.mark.parametrize(
    ("text", "inside", "without"),
    [
        ("x\n", None, "x\n"),
        (f"x\n{BEGIN}\na\n\nb\n{END}\ny\n", "a\n\nb\n", "x\ny\n"),
        (f"x\n{BEGIN_AFTER_OPEN_LINE}\na\n{END}\ny\n", "a\n", "xy\n"),
        (f"{BEGIN_AFTER_OPEN_LINE}\na\n{END}\ny\n", "a\n", "y\n"),
        (f"\n{BEGIN_AFTER_OPEN_LINE}\na\n{END}\ny\n", "a\n", "y\n"),
        (f"{BEGIN}\n{END}", "\n", ""),
        (f"x {BEGIN}\n{END} y\n", None, f"x {BEGIN}\n{END} y\n"),
    ],
)
def test_inside_and_without(text: str, inside: str | None, without: str) -> None:
    assert (block_of(text), remove(text)) == (inside, without)


@pytest.mark.parametrize("marker", [BEGIN, BEGIN_AFTER_OPEN_LINE, END])
def test_each_marker_is_refused_in_a_body(marker: str) -> None:
    with pytest.raises(HotkitError) as caught:
        insert("", f"a\n{marker}\nb")
    assert caught.value.message == "the entry's text holds one of hotkit's own markers"
    assert f"a {marker}" in insert("", f"a {marker}")


@pytest.mark.parametrize(
    ("text", "begins", "ends"),
    [
        (f"{BEGIN}\n", 1, 0),
        (f"{END}\n", 0, 1),
        (f"{BEGIN}\n{BEGIN_AFTER_OPEN_LINE}\n{END}\n", 2, 1),
        (f"{BEGIN}\n{END}\n{END}\n", 1, 2),
        (f"{END}\n{BEGIN}\n", 1, 1),
    ],
)
def test_what_is_broken_is_counted(text: str, begins: int, ends: int) -> None:
    with pytest.raises(HotkitError) as caught:
        remove(text)
    assert caught.value.message == (
        f"custom.cfg holds {begins} BEGIN and {ends} END markers of hotkit, not one of each"
    )
    assert caught.value.hint == (
        "take the broken block out by hand, from its BEGIN line to its END line"
    )
