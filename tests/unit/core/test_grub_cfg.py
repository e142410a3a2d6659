"""Reading a menu: entries, ids, and which one boots by default."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotkit.core.grub_cfg import Menu, predicted_cmdline, read_menu, stock_entry
from hotkit.errors import HotkitError

DATA = Path(__file__).parents[2] / "data" / "grub"
UUID = "6a1f0f7e-0000-4000-8000-000000000001"


def menu(name: str = "debian12-separate-boot.cfg", **grubenv: str) -> Menu:
    return read_menu((DATA / name).read_text(), grubenv)


def test_the_lab_image() -> None:
    found = menu("debian12.cfg")
    assert found.default == "0"
    assert found.sources_custom_cfg
    assert [item.places for item in found.entries] == [(0,), (1, 0), (1, 1)]
    stock = stock_entry(found)
    assert stock.path == f"gnulinux-simple-{UUID}"
    assert stock.title == "Debian GNU/Linux"
    assert predicted_cmdline(stock, found) == (
        f"BOOT_IMAGE=/boot/vmlinuz-6.1.0-56-cloud-amd64 root=UUID={UUID} ro console=ttyS0,115200"
    )


ADVANCED = f"gnulinux-advanced-{UUID}"
OLDER = f"{ADVANCED}>gnulinux-6.1.0-38-amd64-advanced-{UUID}"


@pytest.mark.parametrize(
    ("default", "place"),
    [
        ("0", (0,)),
        ("1>2", (1, 2)),
        ("1", (1, 0)),  # a submenu's first entry
        (OLDER, (1, 2)),
        ("Advanced options for Debian GNU/Linux>2", (1, 2)),
        ("Debian GNU/Linux", (0,)),
        ("1hotkit", (1, 0)),  # GRUB reads the leading digits as a place
        ("no such entry", (0,)),
        ("9", (0,)),
    ],
)
def test_stock_entry_is_what_boots_by_default(default: str, place: tuple[int, ...]) -> None:
    text = (DATA / "debian12-separate-boot.cfg").read_text()
    text = text.replace('set default="0"', 'set default="${saved_entry}"')
    found = read_menu(text, {"saved_entry": default})
    assert stock_entry(found).places == place


def test_a_pending_next_entry_is_not_the_default() -> None:
    assert stock_entry(menu(next_entry="1>2")).places == (0,)


def test_our_own_entry_is_never_the_stock_entry() -> None:
    text = (
        "set default=hotkit-x\nmenuentry a --id hotkit-x {\nlinux /a\n}\nmenuentry b {\nlinux /b\n}"
    )
    assert stock_entry(read_menu(text)).title == "b"


def test_options_of_menuentry() -> None:
    text = (
        "menuentry --class os 'A title' --unrestricted --id=x --hotkey=a b --users '' {\n a\n}\n"
        "menuentry $menuentry_id_option y 'Other' {\n b\n}\n"
        "submenu 'More > less' {\n menuentry inner {\n c\n }\n}\n"
    )
    found = read_menu(text).entries
    assert [item.path for item in found] == ["x", "y", "More >> less>inner"]
    assert found[0].params == ("A title", "b")
    assert found[0].unrestricted and not found[1].unrestricted
    assert read_menu(text).find("More >> less>inner") == found[2]


def test_carriage_returns_are_dropped_as_grub_does() -> None:
    found = read_menu("menuentry a {\r\n linux /k a\r\n}\r\n")
    assert predicted_cmdline(found.entries[0], found) == "BOOT_IMAGE=/k a"


def test_without_the_snippet_custom_cfg_is_not_read() -> None:
    text = (DATA / "debian12.cfg").read_text().split("### BEGIN /etc/grub.d/41_custom")[0]
    assert not read_menu(text).sources_custom_cfg


def test_a_menu_without_entries_is_refused_by_name() -> None:
    with pytest.raises(HotkitError) as caught:
        stock_entry(read_menu("insmod blscfg\nblscfg\n"))
    assert "loader/entries" in (caught.value.hint or "")


def test_an_entry_that_boots_no_linux() -> None:
    found = read_menu("menuentry 'UEFI Firmware Settings' {\n fwsetup\n}\n")
    with pytest.raises(HotkitError, match="boots no Linux"):
        predicted_cmdline(found.entries[0], found)


@pytest.mark.parametrize("default", ["7", "9" * 5000, "0x" + "f" * 5000])
def test_a_default_beyond_all_entries_is_the_first_as_in_grub(default: str) -> None:
    text = f"set default={default}\nmenuentry a {{\nlinux /a\n}}\n"
    assert stock_entry(read_menu(text)).title == "a"
