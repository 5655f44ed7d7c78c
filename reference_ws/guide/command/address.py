"""Whether an address is that of a WebSocket server, and whether somebody listens there."""

from __future__ import annotations

from gettext import NullTranslations
from urllib.parse import SplitResult, urlsplit

import anyio

from reference_ws.guide.command import Problem


def read(words: NullTranslations, url: str) -> SplitResult:
    """Take `url` apart; raises `Problem` for one that isn't ``ws://`` or ``wss://``."""
    try:
        parts = urlsplit(url)
        if parts.scheme in ("ws", "wss") and parts.hostname and parts.port != 0:
            return parts
    except ValueError:  # such as a port that is no number
        pass
    raise Problem(words.gettext("%(url)s is no WebSocket address: write ws://HOST:PORT/PATH") % {"url": url})


async def reach(words: NullTranslations, url: str) -> None:
    """See that somebody listens at `url`, before anything is expected from there. Raises `Problem`."""
    parts = read(words, url)
    try:
        stream = await anyio.connect_tcp(parts.hostname or "", parts.port or (443 if parts.scheme == "wss" else 80))
    except (OSError, UnicodeError) as error:  # the latter for a name that no host can have
        problem = words.gettext("nobody answers at %(url)s: is the server running? (%(reason)s)")
        raise Problem(problem % {"url": url, "reason": error}) from None
    await stream.aclose()
