"""Writes docs/inventory.md from the inventory's schema, docs/roles.md from the roles' own.

tests/unit/test_reference_docs.py compares them.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = ROOT / "hotkit" / "data" / "inventory.schema.json"
ROLES = ROOT / "roles"
INVENTORY_PAGE = ROOT / "docs" / "inventory.md"
ROLES_PAGE = ROOT / "docs" / "roles.md"

_INVENTORY_HEAD = """# Inventory: every variable

Generated from `hotkit/data/inventory.schema.json` by `make docs`; a test compares it. Do not edit
by hand.

An inventory is plain Ansible YAML: a variable may stand at a host or a group, in `host_vars/` or
`group_vars/`. A key that begins with `hotkit_` and is not here is refused with file, line and
column; so is a value of another form. What the variables do: [provisioning](provisioning.md),
[profiles](layouts.md), [power](power.md), [guests](guests.md), [lab machines](lab.md).
`hotkit init HOST` writes a first inventory. Editors can use the schema itself.
"""
_ROLES_HEAD = """# Roles: every variable

Generated from the roles' `meta/argument_specs.yml` by `make docs`; a test compares it. Do not edit
by hand.

hotkit's own playbooks run them ([provisioning](provisioning.md)); plain `ansible-playbook` may,
too, with `roles_path` as in `playbooks/ansible.cfg`. Each changes one thing on a host, and its
README says how that is taken back. A plan (`*_plan`) comes from the filter `hotkit_plan`, which
decides as `hotkit provision` does.
"""
_KINDS = {"object": "mapping", "array": "list", "string": "text"}
# Ansible's own marks in descriptions: C(code), as in its documentation of modules.
_CODE = re.compile(r"C\(([^)]*)\)")


def inventory_page(schema: Mapping[str, Any]) -> str:
    """The page for a schema: one section per variable, a line for each key within it."""
    parts = [_INVENTORY_HEAD]
    for name, body in schema["properties"].items():
        found = _resolved(body, schema)
        parts.append(f"## {name}\n\n{_sentence(found)}\n")
        rows = [*_rows("", found, schema)]
        if rows:
            table = ["| key | what | form |", "|---|---|---|"]
            table += [f"| `{key}` | {what} | {form} |" for key, what, form in rows]
            parts.append("\n".join(table) + "\n")
        elif form := _form(found):
            parts.append(f"Form: {form}.\n")
    return "\n".join(parts)


def _resolved(body: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """A part of the schema without its $ref; of several ways to write it, the mapping or list."""
    found = dict(body)
    if "$ref" in found:
        name = found.pop("$ref").rpartition("/")[2]
        found = {**schema["$defs"][name], **found}
    for way in found.get("anyOf", ()):
        inner = _resolved(way, schema)
        if "properties" in inner:
            found = {**inner, **{k: v for k, v in found.items() if k != "anyOf"}}
    return found


def _rows(
    prefix: str, body: Mapping[str, Any], schema: Mapping[str, Any]
) -> Iterator[tuple[str, str, str]]:
    """(key, what it is, its form) of everything below `body`; [] stands for each item of a list."""
    if body.get("type") == "array":
        prefix, body = f"{prefix}[]", _resolved(body.get("items", {}), schema)
    for name, value in body.get("properties", {}).items():
        key = f"{prefix}.{name}".lstrip(".")
        found = _resolved(value, schema)
        needed = " (required)" if name in body.get("required", ()) else ""
        yield key, _cell(found.get("description", "")) + needed, _form(found)
        yield from _rows(key, found, schema)


def _form(body: Mapping[str, Any]) -> str:
    if "enum" in body:
        return ", ".join(f"`{_plain(item)}`" for item in body["enum"])
    kind = body.get("type", "any")
    kinds = kind if isinstance(kind, list) else [kind]
    words = [" or ".join(str(_KINDS.get(item, item)) for item in kinds)]
    words += [f"from {body['minimum']}"] if "minimum" in body else []
    words += [f"to {body['maximum']}"] if "maximum" in body else []
    words += [f"a multiple of {body['multipleOf']}"] if "multipleOf" in body else []
    return " ".join(word for word in words if word)


def _plain(value: Any) -> str:
    """As it is written in YAML."""
    return value if isinstance(value, str) else str(json.dumps(value))


def _sentence(body: Mapping[str, Any]) -> str:
    text = str(body.get("description", ""))
    return _linked(f"{text}.")


def _cell(text: str) -> str:
    """Text in a cell of a table: a bar would end it."""
    return _linked(text.replace("|", "\\|"))


def _linked(text: str) -> str:
    """Pages that a description names, as links."""
    return re.sub(r"docs/([a-z-]+\.md)", lambda page: f"[{page[1]}]({page[1]})", text)


def roles_page(specs: Mapping[str, Mapping[str, Any]]) -> str:
    """The page for roles: name -> what its argument_specs.yml holds."""
    parts = [_ROLES_HEAD]
    for name, spec in specs.items():
        for entry, body in spec["argument_specs"].items():
            title = name if entry == "main" else f"{name} ({entry})"
            parts.append(f"## {title}\n\n{_text(body['short_description'])}\n")
            if body.get("description"):
                lines = body["description"]
                lines = [lines] if isinstance(lines, str) else lines
                parts.append("\n".join(f"- {_text(line)}" for line in lines) + "\n")
            table = ["| variable | what | type | default |", "|---|---|---|---|"]
            table += [_option(key, value) for key, value in body.get("options", {}).items()]
            parts.append("\n".join(table) + "\n")
    return "\n".join(parts)


def _option(name: str, body: Mapping[str, Any]) -> str:
    kind = body.get("type", "str") + (f" of {body['elements']}" if "elements" in body else "")
    if "choices" in body:
        kind = ", ".join(f"`{item}`" for item in body["choices"])
    default = f"`{json.dumps(body['default'])}`" if "default" in body else ""
    default = "(required)" if body.get("required") else default
    return f"| `{name}` | {_cell(_text(body['description']))} | {kind} | {default} |"


def _text(text: str) -> str:
    return _CODE.sub(r"`\1`", text)


def current() -> dict[Path, str]:
    """Page -> its text, as the schema and the roles are now."""
    specs = {
        file.parents[1].name: yaml.safe_load(file.read_text())
        for file in sorted(ROLES.glob("*/meta/argument_specs.yml"))
    }
    return {
        INVENTORY_PAGE: inventory_page(json.loads(SCHEMA.read_text())),
        ROLES_PAGE: roles_page(specs),
    }


if __name__ == "__main__":
    for page, text in current().items():
        if "--write" in sys.argv[1:]:
            page.write_text(text)
        else:
            sys.stdout.write(text)
