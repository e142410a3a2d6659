"""How new a kernel is: its release first, then the fields that came with one."""

import pytest

from hotkit.core.kernelage import is_since
from hotkit.core.memfacts import MemoryFacts


def facts(release, *fields):
    return MemoryFacts(name="x", kernel_release=release, meminfo=dict.fromkeys(fields, 0))


@pytest.mark.parametrize(
    ("release", "version", "since"),
    [
        ("6.1.0-56-amd64", (6, 0), True),
        ("6.1.0-56-amd64", (6, 1), True),
        ("6.1.0-56-amd64", (6, 2), False),
        ("6.1.0-56-amd64", (5, 19), True),
        ("6.10.3", (6, 9), True),
        ("5.19", (6, 1), False),
        ("1234.5678", (1234, 5678), True),
        ("12345.1", (1, 0), None),
        ("odd", (3, 10), None),
        ("v6.1", (3, 10), None),
        ("6-1", (3, 10), None),
        ("", (3, 10), None),
        (None, (0, 0), None),
    ],
)
def test_a_release_tells(release, version, since):
    assert is_since(facts(release), version) is since


@pytest.mark.parametrize(
    ("field", "version"),
    [
        ("Percpu", (4, 19)), ("KReclaimable", (4, 20)), ("Zswapped", (5, 19)),
        ("SecPageTables", (6, 1)), ("Unaccepted", (6, 5)), ("Balloon", (6, 16)),
    ],
)  # fmt: skip
def test_a_field_tells_of_its_version_and_of_none_later(field, version):
    major, minor = version
    for release in (None, "odd"):
        assert is_since(facts(release, "MemTotal", field), version) is True
        assert is_since(facts(release, field), (major, minor - 1)) is True
        assert is_since(facts(release, field), (major, minor + 1)) is None
    # A backport of a field makes no new kernel.
    assert is_since(facts("3.10.0", field), version) is False


def test_the_newest_field_counts():
    assert is_since(facts(None, "Percpu", "SecPageTables"), (6, 1)) is True
    assert is_since(facts(None, "SecPageTables", "Percpu"), (6, 2)) is None
    assert is_since(facts(None, "MemTotal", "Slab"), (2, 6)) is None
