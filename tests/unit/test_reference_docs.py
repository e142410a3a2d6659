"""The generated pages on inventories and roles are current, and leave nothing out."""

import json

from test_docs import tool

reference_docs = tool("reference_docs")


def test_pages_are_current():
    for page, text in reference_docs.current().items():
        assert page.read_text() == text, "run `make docs`"


def test_every_key_of_the_schema_is_described():
    """Also within lists, and behind $ref and anyOf: each row says what it is and its form."""
    schema = json.loads(reference_docs.SCHEMA.read_text())
    rows = [
        (f"{name}.{key}", what, form)
        for name, body in schema["properties"].items()
        for key, what, form in reference_docs._rows(
            "", reference_docs._resolved(body, schema), schema
        )
    ]
    assert {"hotkit_profile.slow.pmem", "hotkit_guests.[].nodes[].memory"} <= {
        row[0] for row in rows
    }
    for key, what, form in rows:
        assert what and form, key


def test_a_bar_does_not_end_a_cell():
    assert reference_docs._cell("a|b, see docs/power.md") == "a\\|b, see [power.md](power.md)"
