"""Finding profiles: shipped ones, files, mappings; errors point at the line."""

import pytest

from hotkit.core.profile import Profile
from hotkit.core.units import GIB, MIB
from hotkit.errors import HotkitError
from hotkit.host.profiles import load_profile, merge_settings, parse_setting, profile_names


@pytest.mark.parametrize(
    ("name", "cpus", "sizes"),
    [
        ("4C16G-remote", 4, {0: 3276 * MIB, 1: 13108 * MIB}),
        ("4C16G-pmem", 4, {0: 3276 * MIB}),
        ("36C144G-remote", 36, {0: 36 * GIB, 1: 108 * GIB}),
        ("36C36G-pmem", 36, {0: 36 * GIB}),
        ("4C16G-remote x 9", 36, {0: 29484 * MIB, 1: 117972 * MIB}),
        ("4C16G-remote*2", 8, {0: 6552 * MIB, 1: 26216 * MIB}),
    ],
)
def test_shipped(name, cpus, sizes):
    found = load_profile(name)
    assert (found.cpus, found.kept_by_node) == (cpus, sizes)


def test_there_are_four():
    assert profile_names() == ("4C16G-remote", "4C16G-pmem", "36C144G-remote", "36C36G-pmem")
    assert all(load_profile(name).description for name in profile_names())


def test_a_mapping_over_a_base():
    found = load_profile({"base": "36C144G-remote", "slow": {"size": "96G"}, "align": "1G"})
    assert found.kept_by_node == {0: 36 * GIB, 1: 96 * GIB}
    assert (found.name, found.align_bytes) == ("36C144G-remote", GIB)


def test_total_over_sizes():
    base = {"base": "36C36G-pmem", "total": "72G", "fast_share": "1/2"}
    assert load_profile(base).kept_by_node == {0: 36 * GIB}


def test_overrides_win():
    assert load_profile({"base": "4C16G-remote", "style": "%"}, {"style": "$"}).style == "$"


@pytest.fixture
def write(tmp_path):
    def do(text):
        path = tmp_path / "mine.yml"
        path.write_text(text, encoding="utf-8")
        return path

    return do


def test_a_file(write):
    path = write("schema_version: 1\nname: mine\nbase: 4C16G-remote\ncpus: 8\n")
    found = load_profile(path)
    assert isinstance(found, Profile)
    assert (found.name, found.cpus) == ("mine", 8)
    assert load_profile(str(path)) == found


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("cpus: 4\nfast: {node: 0, sise: 4G}\n", ":2:", "unknown key"),
        ("cpus: 4\nfats: {node: 0, size: 4G}\n", ":2:", "unknown key"),
        ("fast:\n  node: 0\n  size: 4GB\n", ":3:9", "unknown unit 'GB'"),
        ("fast:\n  node: 0\n  size: -4G\n", ":3:9", "is negative"),
        ("base: 4C16G-remote\nbase: 4C16G-pmem\n", ":2:1", "duplicate key"),
        ("base: nothing\n", ":1:7", "there is no profile 'nothing'"),
        ("- 4C16G\n", ":1:1", "a profile is a mapping"),
        ("fast: {node: 0\n", ":", "mine.yml"),
        ("schema_version: 9\nbase: 4C16G-pmem\n", ":1:", "version 9 is not known"),
        ("profiles: {}\n", ":1:", "holds one profile"),
    ],
)
def test_bad_files_say_where(write, text, place, message):
    path = write(text)
    with pytest.raises(HotkitError) as caught:
        load_profile(path)
    assert f"mine.yml{place}" in caught.value.message
    assert message in caught.value.message


def test_a_file_that_is_not_there():
    with pytest.raises(HotkitError, match="cannot be read"):
        load_profile("./nowhere.yml")


def test_an_unknown_name_lists_the_known():
    with pytest.raises(HotkitError, match="no profile '5C'") as caught:
        load_profile("5C")
    assert "4C16G-remote" in (caught.value.hint or "")


def test_settings():
    found = merge_settings([parse_setting("fast.size=4G"), parse_setting("fast.node=1")])
    assert found == {"fast": {"size": "4G", "node": 1}}
    assert parse_setting("extra=[panic=10, quiet]") == {"extra": ["panic=10", "quiet"]}
    assert parse_setting("fast_share=1/5") == {"fast_share": "1/5"}


@pytest.mark.parametrize("text", ["", "=", "cpus", "=4", "x=[1"])
def test_bad_settings(text):
    with pytest.raises(HotkitError, match="--set"):
        parse_setting(text)


def test_no_factor_of_zero():
    with pytest.raises(HotkitError, match="leaves nothing"):
        load_profile("4C16G-remote x 0")
