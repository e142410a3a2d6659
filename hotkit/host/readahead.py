"""Unpack and read in a thread of its own, while what came before is parsed."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator

_DEPTH = 4


def ahead(chunks: Iterator[bytes]) -> Generator[bytes, None, None]:
    """The same chunks, some of them made before they are asked for (zlib and read() let go of the
    interpreter). What `chunks` raises is raised here; who stops early stops it."""
    waiting: queue.Queue[bytes | BaseException | None] = queue.Queue(_DEPTH)
    stop = threading.Event()

    def put(item: bytes | BaseException | None) -> bool:
        while not stop.is_set():
            try:
                waiting.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for chunk in chunks:
                if not put(chunk):
                    return
            put(None)
        except BaseException as error:  # it belongs to whoever reads
            put(error)

    thread = threading.Thread(target=work, name="read-ahead", daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()
