"""The parts of `hotkit kernel` around the compiler, with the real dpkg-deb, tar, patch and apt."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from hotkit import kernel
from hotkit.cli import main
from hotkit.core.patchseries import Patch
from hotkit.core.vmproof import notes
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.kernelbase import fragment, kernel_base
from hotkit.host.kernelbuild import BuiltKernel, Recipe
from hotkit.host.kernelpackage import make_packages
from hotkit.host.kernelsource import SourcePackage, apply_series, unpack
from hotkit.host.kernelwitness import WITNESSES

SOURCE = SourcePackage("linux-source-6.1", "6.1.192-2", "0" * 64)
RELEASE = "6.1.192-hotkit-lab-0123456789ab"
DATE = 1_700_000_000


def recipe(**changes: object) -> Recipe:
    base = kernel_base("6.1")
    plain = Recipe(base=base, source=SOURCE, flavour="lab", options=fragment("lab"))
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def test_the_key_is_of_everything_that_decides() -> None:
    base = kernel_base("6.1")
    fewer = dataclasses.replace(base, patches=base.patches[:-1])
    changed = [
        recipe(),
        recipe(base=fewer),
        recipe(source=dataclasses.replace(SOURCE, sha256="1" * 64)),
        recipe(options=fragment("lab")[:-1]),
        recipe(config="CONFIG_X86_64=y\n"),
        recipe(config="CONFIG_X86_64=y\n", modules="ext4\n"),
        recipe(variant="kasan"),
        recipe(flavour="host"),
    ]
    assert len({item.key for item in changed}) == len(changed)
    assert recipe().key == recipe().key
    assert recipe().release == f"6.1.192-hotkit-lab-{recipe().key}"


def source_package(tmp_path: Path) -> Path:
    """A package like linux-source-6.1: an archive of a tree in /usr/src."""
    tree, root = tmp_path / "linux-source-6.1", tmp_path / "root"
    (tree / "mm").mkdir(parents=True)
    (tree / "mm/some.c").write_text("one\ntwo\nthree\n")
    (tree / "mm/some.h").touch()
    (tree / "tools/mm").mkdir(parents=True)
    (tree / "tools/mm/some.c").touch()
    (root / "usr/src").mkdir(parents=True)
    subprocess.run(
        ["tar", "-C", tmp_path, "-cJf", root / "usr/src/linux-source-6.1.tar.xz", tree.name],
        check=True,
    )
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN/control").write_text(
        "Package: linux-source-6.1\nVersion: 1\nArchitecture: all\nMaintainer: m\nDescription: d\n"
    )
    deb = tmp_path / "source.deb"
    subprocess.run(["dpkg-deb", "-b", root, deb], check=True, capture_output=True)
    return deb


PATCH = Patch(
    "1.patch", "--- a/mm/some.c\n+++ b/mm/some.c\n@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n"
)


def test_unpacks_and_patches(tmp_path: Path) -> None:
    target = tmp_path / "out/source"
    assert unpack(source_package(tmp_path), target) > DATE
    apply_series(target, [PATCH])
    assert (target / "mm/some.c").read_text() == "one\nTWO\nthree\n"
    with pytest.raises(HotkitError) as caught:
        apply_series(target, [PATCH])
    assert caught.value.message == "1.patch does not apply: hunk 1 of mm/some.c, at line 1"
    assert caught.value.exit_code == ExitCode.VERDICT_FAILED
    assert sorted(path.name for path in (target / "mm").iterdir()) == ["some.c", "some.h"]
    assert [path.name for path in target.parent.iterdir()] == ["source"]


def test_unpacks_no_more_than_it_is_told(tmp_path: Path) -> None:
    unpack(source_package(tmp_path), tmp_path / "source", ["mm/*.c"])
    files = [path for path in (tmp_path / "source").rglob("*") if path.is_file()]
    assert files == [tmp_path / "source/mm/some.c"]


def test_a_source_without_the_kvm_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Says why there is no witness, in a sentence for each; leaves nothing of the attempt."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    sources = tmp_path / "cache/hotkit/kernels/sources"
    sources.mkdir(parents=True)
    source_package(tmp_path).rename(sources / f"linux-source-6.1_{SOURCE.sha256[:16]}.deb")
    built = BuiltKernel(tmp_path, {"source": dataclasses.asdict(SOURCE)})
    programs, lines = kernel.witness_programs(built, lambda text: None)
    assert programs == {}
    assert notes(lines) == tuple(
        f"{name} is no witness here: it could not be built: tar: Exiting with failure status due"
        " to previous errors"
        for name in WITNESSES
    )
    assert list((tmp_path / "cache/hotkit/kernels/witness").iterdir()) == []


def staged(tmp_path: Path) -> Path:
    stage = tmp_path / "stage"
    (stage / "boot/hotkit").mkdir(parents=True)
    (stage / f"boot/hotkit/vmlinuz-{RELEASE}").write_text("kernel")
    (stage / f"lib/modules/{RELEASE}").mkdir(parents=True)
    (stage / f"lib/modules/{RELEASE}/modules.builtin").write_text("")
    return stage


def test_the_package_stays_out_of_the_way_of_update_grub(tmp_path: Path) -> None:
    (deb, *_) = make_packages(staged(tmp_path), tmp_path / "out", RELEASE, DATE)
    listed = subprocess.run(["dpkg-deb", "-c", deb], check=True, capture_output=True, text=True)
    names = [line.split()[-1] for line in listed.stdout.splitlines()]
    assert f"./boot/hotkit/vmlinuz-{RELEASE}" in names
    # 10_linux looks for /boot/vmlinuz-*, /boot/vmlinux-*, /boot/kernel-* and the same in /.
    assert not [name for name in names if name.startswith(("./boot/vm", "./boot/k", "./vm"))]
    assert all(" root/root " in line for line in listed.stdout.splitlines())
    again, *_ = make_packages(staged(tmp_path / "2"), tmp_path / "out2", RELEASE, DATE)
    assert again.read_bytes() == deb.read_bytes()


def test_its_scripts_are_clean(tmp_path: Path) -> None:
    (deb, *_) = make_packages(staged(tmp_path), tmp_path / "out", RELEASE, DATE)
    subprocess.run(["dpkg-deb", "-e", deb, tmp_path / "control"], check=True)
    scripts = [tmp_path / "control" / name for name in ("postinst", "prerm", "postrm")]
    assert shutil.which("shellcheck")
    subprocess.run(["shellcheck", *scripts], check=True)
    # dpkg asks it before an upgrade too; only a removal may be refused.
    assert subprocess.run([scripts[1], "upgrade"], check=False).returncode == 0


def test_a_dry_run_builds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert main(["kernel", "build", "--dry-run"]) == ExitCode.OK
    said = capsys.readouterr().out
    assert "would build 6.1." in said and said.count("  patch ") == 6
    assert not list(tmp_path.rglob("*.deb"))
    assert main(["kernel", "list", "--json"]) == ExitCode.OK
    document = json.loads(capsys.readouterr().out)
    assert document["built"] == [] and [item["linux"] for item in document["bases"]][0] == "6.1"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["build", "--linux", "5.4"], "there are no patches for Linux 5.4"),
        (["build", "--base", "host"], "on top of the machine's own configuration"),
        (["build", "--config", __file__], "--config and --modules are for --base host"),
        (["build", "--base", "host", "--config", __file__], "no configuration of an x86-64 kernel"),
        (["show", "zzz"], "no kernel begins with 'zzz'"),
    ],
)
def test_bad_input(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kernel", *words]) == ExitCode.BAD_INPUT
    shown = capsys.readouterr().err
    assert said in shown and "Traceback" not in shown


def test_modules_count_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two looks at one machine are one build; something else than lsmod's output is refused."""
    config = tmp_path / "config"
    config.write_text("CONFIG_X86_64=y\n")
    releases = []
    for text in ("ext4 90 1\nnfit 70 0\n", "nfit 70 3\next4 96 2 nfit\n", "ext4 90 1\n"):
        loaded = tmp_path / "lsmod"
        loaded.write_text("Module                  Size  Used by\n" + text)
        words = ["kernel", "build", "--base", "host", "--config", str(config), "--dry-run"]
        assert main([*words, "--modules", str(loaded)]) == ExitCode.OK
        releases.append(capsys.readouterr().out.splitlines()[0])
    assert releases[0] == releases[1] != releases[2]
    assert main([*words, "--modules", str(config)]) == ExitCode.BAD_INPUT
    assert f"{config}:1: is not what lsmod says" in capsys.readouterr().err
