"""docs/memory.md shows what the commands print of the captured machine."""

from tests.unit.test_docs import tool


def test_the_page_has_what_is_printed_now():
    explain_docs = tool("explain_docs")
    text = explain_docs.DOCS.read_text()
    assert text == explain_docs.page(text), "run `make docs`"
    assert "5077.5 MiB with vmapped kernel stacks counted once" in text
