"""The command ``reference-ws``. Exit code 0 is a good end, Ctrl-C included; 2 is a problem, told in one line."""

from __future__ import annotations

import errno
import sys
import threading
import webbrowser
from contextlib import closing
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import click

__all__ = ["main"]


def main() -> None:
    """Run the command with the arguments of the process."""
    try:
        command = _command()
    except ModuleNotFoundError as error:
        _stop(_missing(error))
    command(prog_name="reference-ws")


def _stop(problem: str) -> NoReturn:
    print(f"reference-ws: {problem}", file=sys.stderr)
    raise SystemExit(2)


def _missing(error: ModuleNotFoundError) -> str:
    return f"{(error.name or '').partition('.')[0]} is not installed: run `pip install 'reference-ws[serve]'`"


def _command() -> click.Group:
    # In a function, so that a missing extra is one line and no traceback.
    import click

    @click.group(context_settings={"help_option_names": ["-h", "--help"]})
    @click.version_option(package_name="reference-ws", message="%(prog)s %(version)s")
    def reference_ws() -> None:
        """Learn how a WebSocket lives: documentation in Chinese, Portuguese and Russian whose every example runs."""

    @reference_ws.command(short_help="Read the documentation, with its examples live.")
    @click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
    @click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
    @click.option("--no-browser", is_flag=True, help="Don't open a browser.")
    def serve(host: str, port: int, no_browser: bool) -> None:
        """Build the documentation if it has changed, and serve it with its examples live.

        The examples of a page are under ws://HOST:PORT/live/PAGE/..., each at the address that stands beside it on the
        page. Ctrl-C stops the server.
        """
        try:
            _serve(host, port, browser=not no_browser)
        except KeyboardInterrupt:  # while it was still building
            return

    return reference_ws


def _serve(host: str, port: int, *, browser: bool) -> None:
    try:
        from rich.console import Console

        from reference_ws.guide import server
        from reference_ws.guide.pages import PageError, read_pages
        from reference_ws.guide.site import BuildError, build, default_output, is_stale, source_root
    except ModuleNotFoundError as error:
        _stop(_missing(error))

    try:
        listener = server.listen(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            _stop(f"port {port} of {host} is in use: stop what listens there, or choose another one with --port")
        _stop(f"can't listen on port {port} of {host}: choose another --host or --port ({error.strerror})")

    with closing(listener):
        docs, site = source_root() / "docs", default_output()
        try:
            read_pages(docs)
            if is_stale(site):
                with Console(stderr=True).status("Building the documentation") as status:
                    build(output=site, progress=status.update)
        except PageError as error:
            _stop(str(error))
        except OSError as error:
            _stop(f"the documentation can't be built in {site}: {error.strerror or error}")
        except BuildError as error:
            first, *more = error.problems
            others = f" (and {len(more)} more: `make check` lists them)" if more else ""
            _stop(f"the documentation can't be built: {' '.join(first.split())}{others}")

        address, port = listener.getsockname()[:2]
        url = f"http://{f'[{address}]' if ':' in address else address}:{port}/"

        def ready() -> None:
            Console(soft_wrap=True).print(f"Serving {url} - press Ctrl-C to stop", highlight=False)
            if browser:
                # A browser in the terminal would hold up the server until it is closed.
                threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

        server.serve(server.application(site, docs), listener, ready=ready)
