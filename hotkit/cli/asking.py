"""Progress of commands that ask all hosts at once: nothing in the first 2 seconds, on stderr."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from hotkit.askhosts import Say

_QUIET_S = 2.0


@contextmanager
def asking() -> Iterator[Say]:
    """Yields what takes (host, what happens there). A live list on a terminal, else lines."""
    console = Console(stderr=True, highlight=False)
    began = time.monotonic()
    latest: dict[str, str] = {}
    if console.is_terminal:

        def draw() -> Text:
            passed = time.monotonic() - began
            rows = [f"{host}: {what}" for host, what in list(latest.items())]
            return Text("\n".join([*rows, f"{passed:.0f} s"]) if passed > _QUIET_S else "")

        with Live(
            console=console,
            get_renderable=draw,
            refresh_per_second=4,
            transient=True,
        ):
            yield latest.__setitem__
        return
    lock = threading.Lock()

    def tell(host: str, what: str) -> None:
        with lock:
            latest[host] = what
            if time.monotonic() - began > _QUIET_S:
                console.print(Text(f"{host}: {what}"), soft_wrap=True)

    def break_silence() -> None:
        with lock:
            for host, what in latest.items():
                console.print(Text(f"{host}: {what}"), soft_wrap=True)

    timer = threading.Timer(_QUIET_S, break_silence)
    timer.daemon = True
    timer.start()
    try:
        yield tell
    finally:
        timer.cancel()
