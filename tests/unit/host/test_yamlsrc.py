"""YAML with positions: every key and value is found, duplicates and nonsense are refused."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, ValidationError

from hotkit.errors import HotkitError
from hotkit.host.yamlsrc import Opaque, parse_yaml, read_yaml, schema_problem, unknown_key

FILE = Path("x.yml")
TEXT = """\
all:
  hosts:
    m1:
      profile: {base: big, cpus: 4}
      list: [a, b,
             c]
"""


@pytest.mark.parametrize(
    ("path", "key", "where"),
    [
        ((), False, "x.yml:1:1"),
        (("all",), True, "x.yml:1:1"),
        (("all", "hosts", "m1"), True, "x.yml:3:5"),
        (("all", "hosts", "m1", "profile"), False, "x.yml:4:16"),
        (("all", "hosts", "m1", "profile", "cpus"), True, "x.yml:4:28"),
        (("all", "hosts", "m1", "profile", "cpus"), False, "x.yml:4:34"),
        (("all", "hosts", "m1", "list", 2), False, "x.yml:6:14"),
        # What is not there has the position of what would hold it.
        (("all", "hosts", "m1", "profile", "slow", "size"), False, "x.yml:4:16"),
    ],
)
def test_positions(path: tuple[str | int, ...], key: bool, where: str) -> None:
    assert str(parse_yaml(TEXT, FILE).at(path, key=key)) == where


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "x.yml:3:1: duplicate key 'a', first given at x.yml:1:1"),
        ("a: {b: 1, b: 2}\n", "x.yml:1:11: duplicate key 'b'"),
        ("a: [1\nb: 2\n", "x.yml:2:2: not YAML"),
        ("a: 1\n\tb: 2\n", "x.yml:2:1: not YAML"),
        ("a: 1\n---\nb: 2\n", "x.yml:2:1: not YAML"),
        ("a: &x {b: *x}\n", "an alias leads back to itself"),
        ("? [a, b]\n: 1\n", "x.yml:1:3: a key must be a plain word"),
        ("a: \x07\n", "not YAML"),
        ("[" * 1000, "x.yml: nested too deep"),
        ("a: {" * 1000, "x.yml: nested too deep"),
    ],
)
def test_refused(text: str, said: str) -> None:
    with pytest.raises(HotkitError) as caught:
        parse_yaml(text, FILE)
    assert said in caught.value.message


def test_anchors_merge_and_foreign_tags() -> None:
    source = parse_yaml("a: &x {k: 1, j: 2}\nb: {<<: *x, j: 3}\nc: !vault abc\n", FILE)
    assert source.data == {"a": {"k": 1, "j": 2}, "b": {"k": 1, "j": 3}, "c": Opaque("!vault")}
    assert str(source.at(("b", "j"))) == "x.yml:2:16"


def test_aliases_that_multiply_end_early() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(HotkitError, match="aliases that grow"):
        parse_yaml("\n".join(lines), FILE)


def test_unreadable(tmp_path: Path) -> None:
    (tmp_path / "latin.yml").write_bytes(b"a: \xe4\n")
    with pytest.raises(HotkitError, match="not UTF-8"):
        read_yaml(tmp_path / "latin.yml")
    with pytest.raises(HotkitError, match="cannot be read: No such file"):
        read_yaml(tmp_path / "none.yml")


plain = st.text(string.ascii_letters + string.digits + " $#,:%'\"\\{}[]é", min_size=1, max_size=12)
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | plain,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(plain, inner, max_size=4),
    max_leaves=12,
)


@given(trees, st.booleans())
def test_reads_what_yaml_reads(tree: object, flow: bool) -> None:
    text = yaml.safe_dump(tree, default_flow_style=flow, allow_unicode=True, width=40)
    source = parse_yaml(text, FILE)
    assert source.data == tree
    lines = text.split("\n")
    for where in (*source.values.values(), *source.keys.values()):
        assert 1 <= where.line <= len(lines)
        assert 1 <= where.column <= len(lines[where.line - 1]) + 1


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")
    cpus: int
    names: list[str] = []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("m: {cpus: four}", "x.yml:1:11: cpus: Input should be a valid integer"),
        ("m: {cpu: 4, cpus: 4}", "x.yml:1:5: unknown key 'cpu': did you mean 'cpus'?"),
        ("m: {cpus: 4, names: [a, 2]}", "x.yml:1:25: names.1: Input should be a valid string"),
        ("m: {names: []}", "x.yml:1:4: cpus: Field required"),
    ],
)
def test_pydantic_errors_get_positions(text: str, said: str) -> None:
    source = parse_yaml(text, FILE)
    with pytest.raises(ValidationError) as caught:
        Model.model_validate(source.data["m"], strict=True)
    error = source.explain(caught.value, at=("m",), known=Model.model_fields)
    assert error.message.startswith(said)


def test_schema_problems() -> None:
    schema = {
        "type": "object",
        "additionalProperties": False,
        "required": ["a"],
        "properties": {"a": {"enum": ["x", "y"]}, "b": {"type": "integer", "minimum": 1}},
    }
    assert schema_problem(schema, {"a": "x", "b": 3}) is None
    for value, said in (
        ({"a": "z"}, "a: 'z' is none of x, y"),
        ({"a": "x", "b": 0}, "b: 0 is less than the minimum of 1"),
        ({"b": 2}, "the key 'a' is missing"),
        ({"a": "x", "bb": 1}, "unknown key 'bb': did you mean 'b'?"),
    ):
        problem = schema_problem(schema, value)
        assert problem is not None and problem.message == said


def test_nearest_key() -> None:
    assert unknown_key("hotkit_profil", ["hotkit_profile", "hotkit_style"]).endswith(
        "did you mean 'hotkit_profile'?"
    )
    assert unknown_key("zzz", ["a", "b"]) == "unknown key 'zzz': known are a, b"
