"""What becomes of a spelling, stage by stage, down to the kernel: explains a lost `$`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hotkit.core import memmap
from hotkit.core.blscfg import expand_options
from hotkit.core.grub_eval import kernel_cmdline
from hotkit.core.sh_lexer import source
from hotkit.errors import HotkitError

# The title that `$1` stands for in the explanation: what update-grub calls the first entry.
EXAMPLE_TITLE = "Debian GNU/Linux"


@dataclass(frozen=True, slots=True)
class Stage:
    """The text as one reader leaves it to the next; `reader` did it."""

    reader: str
    text: str


@dataclass(frozen=True, slots=True)
class Undone:
    """Every stage of a spelling, and in sentences what the kernel does with the last one."""

    stages: tuple[Stage, ...]
    effects: tuple[str, ...]

    @property
    def kernel(self) -> str:
        return self.stages[-1].text


def undo(spelling: str, written_in: str, *, title: str = EXAMPLE_TITLE) -> Undone:
    """Follow `spelling`, as it stands in the file `written_in` (a key of READERS), to the kernel.

    HotkitError when one of the readers would refuse it.
    """
    stages = [Stage(f"as written ({written_in})", spelling)]
    for reader, read in READERS[written_in]:
        try:
            stages.append(Stage(reader, read(stages[-1].text, title)))
        except HotkitError as error:
            raise HotkitError(f"{reader} refuses {stages[-1].text!r}: {error.message}") from error
    outcome = memmap.apply((), stages[-1].text)
    return Undone(tuple(stages), tuple(item.sentence for item in outcome.entries))


def _sh(text: str, title: str) -> str:
    # A whole line may be pasted, or only what stands behind the equals sign.
    line = text if "=" in text and text.startswith("GRUB_CMDLINE") else f"X={text}"
    values = source(line, name="the drop-in")
    if not values:
        raise HotkitError("the value needs a command's output")
    return next(iter(values.values())).strip()


def _grub(text: str, title: str) -> str:
    return (
        kernel_cmdline(f"linux /k {text}\n", params=(title,)).removeprefix("BOOT_IMAGE=/k").strip()
    )


def _blscfg(text: str, title: str) -> str:
    return expand_options(text, understands_escape=True)


def _older_blscfg(text: str, title: str) -> str:
    return expand_options(text, understands_escape=False)


_GRUB = ("GRUB, to the kernel", _grub)
# Where a spelling may stand, and who reads it from there on.
READERS: dict[str, tuple[tuple[str, Callable[[str, str], str]], ...]] = {
    "drop-in": (("sh, into grub.cfg", _sh), _GRUB),
    "grub": (_GRUB,),
    "bls": (("blscfg (since May 2025)", _blscfg), _GRUB),
    "bls-old": (("blscfg (older)", _older_blscfg), _GRUB),
    "systemd-boot": (("systemd-boot, to the kernel", lambda text, title: text),),
}
