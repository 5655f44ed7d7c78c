"""What a page of the site allows to run and to be loaded: nothing from elsewhere, and only the site's own scripts.

The policy stands in the pages themselves, so that it holds on any host. What a page can't say of itself, that others
may not show it in a frame, is left to headers: those of `reference-ws serve` are here, and SECURITY.md has a sample.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Final

# Pictures have their sizes in `style` attributes.
_COMMON = "style-src 'self' 'unsafe-inline'; img-src 'self' data:"
_COMMON += "; object-src 'none'; base-uri 'self'; form-action 'self'"
HEADER: Final = f"default-src 'self'; {_COMMON}; frame-ancestors 'self'"
"""For every answer that is no page, among them the scripts of workers: those have a policy of their own."""
PAGE_HEADER: Final = "frame-ancestors 'self'"
_PAGE: Final = f"default-src 'self'; script-src 'self' 'wasm-unsafe-eval' blob:%s; worker-src 'self' blob:; {_COMMON}"
"""WebAssembly, and what a blob holds, are for the frame in which Python runs: it inherits this, and narrows it."""
_FRAME: Final = Path("assets/lab/frame.js")
"""The script that docs/assets/lab/python.js writes into that frame."""


def write(site: Path) -> None:
    """Write its policy into each page below `site`, with the hashes of the scripts that stand in it."""
    frame = [(site / _FRAME).read_text("utf-8")] if (site / _FRAME).is_file() else []
    for page in site.rglob("*.html"):
        html = page.read_text("utf-8")
        scripts = re.findall(r"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", html, re.DOTALL)
        hashes = {b64encode(sha256(script.encode()).digest()).decode() for script in (*scripts, *frame)}
        policy = _PAGE % "".join(f" 'sha256-{digest}'" for digest in sorted(hashes))
        meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        if head := re.search(r"<head>(\s*<meta charset[^>]*>)?", html):
            page.write_text(html[: head.end()] + meta + html[head.end() :], "utf-8")
