"""Our block in custom.cfg leaves every other byte alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.grub_block import BEGIN, END, block_of, insert, remove
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
