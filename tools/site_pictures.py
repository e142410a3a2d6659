"""Makes docs/images/site-*.png: pages of the documentation (`make site`) as Chromium shows them.

What a browser draws depends on its version and on fonts, so no test compares them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "build" / "site"
IMAGES = ROOT / "docs" / "images"
# Picture, page, width and height in CSS px: a screen, and what is narrow as a telephone.
PICTURES = (
    ("site-home", "index.html", 1280, 860),
    ("site-tutorial", "laptop-lab.html", 500, 860),
)


def main() -> int:
    """0 when all were made."""
    if not (SITE / "index.html").exists():
        print("there is no site yet: make site", file=sys.stderr)  # noqa: T201
        return 2
    for name, page, width, height in PICTURES:
        with tempfile.TemporaryDirectory(prefix="hotkit-site-") as home:
            subprocess.run(
                ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                 f"--user-data-dir={home}", f"--window-size={width},{height}",
                 f"--screenshot={IMAGES / name}.png", (SITE / page).as_uri()],
                check=True, capture_output=True, timeout=120,
            )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
