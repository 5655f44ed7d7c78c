"""What a connection knows before the first message: its URL, headers, cookies, client and state.

`Connection` is Starlette's ``HTTPConnection``, with the few answers that this library promises and Starlette gives
differently. `WebSocket` adds the life cycle to it. Each answer is worked out when it is first asked for: an idle
connection should weigh little.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple, cast

from starlette import datastructures
from starlette.datastructures import State
from starlette.requests import HTTPConnection


class Address(NamedTuple):
    """Where the client connects from; each part is ``None`` when the server doesn't tell."""

    host: str | None
    port: int | None


class URL(str, datastructures.URL):
    """A URL that is a `str`, and knows its components.

    ``scheme``, ``netloc``, ``hostname``, ``port``, ``path``, ``query``, ``fragment``, ``username``, ``password``,
    ``is_secure``; ``include_query_params(**)``, ``replace_query_params(**)`` and ``remove_query_params(keys)`` return
    another one. It is also a ``starlette.datastructures.URL``.
    """

    def __new__(cls, url: str | datastructures.URL = "") -> URL:
        """Make one from a string, or from Starlette's URL."""
        return super().__new__(cls, str(url))

    def __init__(self, url: str | datastructures.URL = "") -> None:
        datastructures.URL.__init__(self, str(url))

    def replace(self, *args: Any, **components: Any) -> URL:
        """Return another URL with some components exchanged: ``url.replace(path="/b", port=8000)``.

        With positional arguments it is `str.replace`, so that code that takes a `str` goes on working.
        """
        if args:
            return URL(str.replace(self, *args))
        return URL(datastructures.URL(str(self)).replace(**components))

    def __repr__(self) -> str:
        return f"URL({str(self)!r})"


# RFC 6265, section 4.1.1: a cookie's name is a token (RFC 9110, section 5.6.2).
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")


class Connection(HTTPConnection):
    """A read-only mapping over the ASGI scope, with the handshake's parts as attributes."""

    @property
    def url(self) -> URL:
        """The address that the client asked for, as a `str` with components."""
        if not hasattr(self, "_own_url"):
            self._know_scheme()
            self._own_url = URL(super().url)
        return self._own_url

    def url_for(self, name: str, /, **path_params: Any) -> URL:
        """Build the absolute URL of a route: ``ws(s)://`` for WebSocket routes, ``http(s)://`` for HTTP routes.

        Raises ``starlette.routing.NoMatchFound`` when no route has this name and these parameters.
        """
        self._know_scheme()
        return URL(super().url_for(name, **path_params))

    def _know_scheme(self) -> None:
        # ASGI: a server may leave the scheme out, and it is ws then; Starlette takes http.
        if self.scope["type"] == "websocket":
            self.scope.setdefault("scheme", "ws")

    @property
    def client(self) -> Address:  # type: ignore[override]
        """The client's address: always an `Address`, whose parts are ``None`` when the server doesn't tell."""
        return Address(*(self.scope.get("client") or (None, None)))

    @property
    def cookies(self) -> dict[str, str]:
        """Cookie name -> value. A cookie whose name is not a token is left out; the others beside it are kept."""
        if not hasattr(self, "_own_cookies"):
            self._own_cookies = {name: value for name, value in super().cookies.items() if _TOKEN.match(name)}
        return self._own_cookies

    @property
    def state(self) -> State:
        """Attributes of this connection alone: write, read and delete them as you like.

        What the application's lifespan put there can be read too; changes stay with this connection.
        """
        if not hasattr(self, "_own_state"):
            # Some servers hand the same dict to every connection. Other objects for this connection, in a middleware
            # for example, must still see what is written here: so the copy goes back into the scope.
            if not isinstance(self.scope.get("state"), _OwnState):
                self.scope["state"] = _OwnState(cast("dict[str, Any]", self.scope.get("state") or {}))
            self._own_state = State(self.scope["state"])
        return self._own_state


class _OwnState(dict[str, Any]):
    """The ``state`` of one connection: a copy, marked by its type so that it is copied once."""
