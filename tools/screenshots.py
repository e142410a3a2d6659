"""Makes the pictures of docs/images from what commands really print, of captured and measured data.

Each command runs as a person would run it, for a terminal with colours; what it prints becomes an
SVG without a font or anything else of another host. tests/unit/test_screenshots.py compares them.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
SWEEP = "tests/data/sweeps/uffd-wp-three-intervals"
REFUSED = "tests/data/sweeps/off-runs-apart"
CAPTURE = "tests/data/captures/lab-2s-256g"
# rich's own format names a web font of another host.
_FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


class Picture(NamedTuple):
    """One command; of what it prints the lines before the first that begins with `until`."""

    name: str
    words: tuple[str, ...]
    until: str | None = None
    columns: int = 120


PICTURES = (
    Picture("report", ("report", SWEEP), until="Fixed and per-sample cost"),
    Picture("refused", ("report", REFUSED), until="  drift:"),
    Picture("plan", ("layout", "plan", "4C16G-remote", "--topology", CAPTURE), columns=150),
)


def printed(picture: Picture) -> str:
    """What the command prints at a terminal, colours included."""
    environment = {
        "PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "FORCE_COLOR": "1",
        "TERM": "xterm-256color", "COLUMNS": str(picture.columns), "LINES": "50",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-P", "-m", "hotkit", *picture.words],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    if done.returncode not in (0, 5):  # 5: a sweep that is refused, which is a picture, too
        raise RuntimeError(f"hotkit {' '.join(picture.words)}: {done.stderr}")
    lines = done.stdout.splitlines()
    if picture.until is not None:
        plain = [Text.from_ansi(line).plain for line in lines]
        lines = lines[: next(at for at, line in enumerate(plain) if line.startswith(picture.until))]
    return "\n".join(lines)


def svg(picture: Picture) -> str:
    """The picture, titled with its command."""
    console = Console(record=True, width=picture.columns, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(printed(picture)))
    return console.export_svg(
        title=f"hotkit {' '.join(picture.words)}",
        theme=DEFAULT_TERMINAL_THEME,
        code_format=_FORMAT,
        unique_id=f"hotkit-{picture.name}",
    )


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    for item in PICTURES:
        (IMAGES / f"{item.name}.svg").write_text(svg(item))
