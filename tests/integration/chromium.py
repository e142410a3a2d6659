"""A headless Chromium: pages as a reader sees them, what they ask for and what they complain of.

Debian's chromium and its driver through selenium. Without a sandbox: containers often forbid the
namespaces that it is made of, root may not use it at all, and the pages are our own.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
_PROBE = Path(__file__).with_name("page_probe.js").read_text()
_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
    # Of its own accord it asks for updates and lists; nothing of that is of the page.
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run",
)  # fmt: skip


@contextmanager
def chromium(home: Path) -> Iterator[Browser]:
    """One browser for some pages; it keeps what it writes below `home`."""
    options = Options()
    options.binary_location = str(CHROMIUM)
    for flag in (*_FLAGS, f"--user-data-dir={home / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # Named, so that selenium does not look for (and fetch) one.
    service = Service(executable_path=str(DRIVER), env={"HOME": str(home), "PATH": "/usr/bin:/bin"})
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield Browser(driver)
    finally:
        driver.quit()


class Browser:
    """`open` first; widths in CSS px."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self._driver = driver

    def open(self, page: Path) -> None:
        """Load a file; what earlier pages asked for is forgotten."""
        self.visit(page.as_uri())

    def visit(self, url: str) -> None:
        """Load an address; what earlier pages asked for is forgotten."""
        self._driver.get("about:blank")  # whatever went before, its first tab too, ends here
        self.complaints()
        self.requests()
        self._driver.get(url)

    def title(self) -> str:
        """What the window is called."""
        return str(self._driver.title)

    def picture(self) -> bytes:
        """PNG of what is on the screen."""
        return bytes(self._driver.get_screenshot_as_png())

    def unfold(self) -> None:
        """Open all that a reader can open by a click."""
        self._driver.execute_script("document.querySelectorAll('details').forEach(d => d.open = 1)")

    def look(self, *, width: int, scheme: str = "light", media: str = "screen") -> dict[str, Any]:
        """What page_probe.js says, at this width, in the light or dark scheme, on screen or paper.

        Below 600 px as on a telephone: that is where the page's viewport counts.
        """
        self._driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"media": media, "features": features}
        )
        said: dict[str, Any] = self._driver.execute_script(_PROBE)
        return said

    def print(self) -> bytes:
        """The page as PDF on A4 with margins of 1 cm, as a reader's print dialog makes it."""
        self._driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        self._driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
        inch = 2.54
        said = self._driver.execute_cdp_cmd(
            "Page.printToPDF",
            {
                "paperWidth": 21 / inch, "paperHeight": 29.7 / inch,
                **{f"margin{side}": 1 / inch for side in ("Top", "Bottom", "Left", "Right")},
            },
        )  # fmt: skip
        return base64.b64decode(said["data"])

    def complaints(self) -> list[str]:
        """What the console says since the last call."""
        return [entry["message"] for entry in self._log("browser")]

    def requests(self) -> list[str]:
        """Every address that was asked for since the last call, the page's own too."""
        found = []
        for entry in self._log("performance"):
            event = json.loads(entry["message"])["message"]
            if event["method"] == "Network.requestWillBeSent":
                found.append(event["params"]["request"]["url"])
            elif event["method"] in ("Network.webSocketCreated", "Network.webTransportCreated"):
                found.append(event["params"]["url"])
        return found

    def _log(self, kind: str) -> list[dict[str, Any]]:
        """The entries of a log of the driver since the last call."""
        found: list[dict[str, Any]] = self._driver.get_log(kind)  # type: ignore[no-untyped-call]
        return found
