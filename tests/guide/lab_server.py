"""The site, its live examples and its lab as `reference-ws serve` serves them, in a thread of this process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from reference_ws.guide.lab.clock import LabLoop
from reference_ws.guide.serving import application, listen
from reference_ws.guide.site import build, default_output, is_stale, source_root

DOCS = source_root() / "docs"


def built_site() -> Path:
    """Build the real site where `make check` builds it, unless it is there already."""
    site = default_output()
    if is_stale(site):
        build(output=site, progress=lambda _: None)
    return site


@contextmanager
def serving(site: Path) -> Iterator[str]:
    """Serve on a free port; gives ``http://127.0.0.1:PORT``."""
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(
        application(site, DOCS),
        interface="asgi3",
        loop=f"{LabLoop.__module__}:{LabLoop.__name__}",
        log_config=None,
        ws="websockets-sansio",
        lifespan="on",
        timeout_graceful_shutdown=0,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        assert not thread.is_alive()
