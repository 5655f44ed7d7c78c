"""``reference-ws serve``: the documentation, with its examples live."""

from __future__ import annotations

import errno
import threading
import time
import webbrowser
from collections.abc import Collection
from contextlib import closing
from gettext import NullTranslations

from rich.console import Console

from reference_ws.guide.command import Problem
from reference_ws.guide.pages import PageError, read_pages, source_root
from reference_ws.guide.words.catalogs import LANGUAGES


def run(
    words: NullTranslations, host: str, port: int, *, allow_hosts: Collection[str], browser: bool, fetch: bool
) -> None:
    """Build the site if its sources have changed, and serve it until Ctrl-C. Raises `Problem`.

    With `fetch`, what runs the examples in the browser is fetched meanwhile, if the site lacks it.
    """
    # What builds and serves takes long to load: no other command should wait for it.
    from reference_ws.guide import serving
    from reference_ws.guide.lab.runtime import RuntimeMissingError
    from reference_ws.guide.site import BuildError, add_python, build, default_output, has_python, is_stale

    _ = words.gettext
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)

    def tell(line: str) -> None:
        # A line a step, on a terminal or not: who waits sees where it is, and a log keeps it.
        console.print(line)

    def tell_language(language: str) -> None:
        number, count = LANGUAGES.index(language) + 1, len(LANGUAGES)
        tell(
            _("Building the pages in %(language)s, step %(number)d of %(count)d (about 10 seconds, once) ...")
            % {"language": language, "number": number, "count": count}
        )

    try:
        listener = serving.listen(host, port)
    except (OSError, UnicodeError) as error:  # the latter for a name that no host can have
        problem = _("can't listen on port %(port)s of %(host)s: choose another --host or --port (%(reason)s)")
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            problem = _(
                "port %(port)s of %(host)s is in use:"
                " stop what listens there, or choose another one with --port (make: PORT=)"
            )
        raise Problem(problem % {"port": port, "host": host, "reason": getattr(error, "strerror", error)}) from None

    with closing(listener):
        docs, site = source_root() / "docs", default_output()
        try:
            if is_stale(site):
                read_pages(docs)  # a mistake in a page is told at once
                began = time.monotonic()
                build(output=site, progress=tell_language)
                tell(_("The documentation is built: %(seconds)d s") % {"seconds": round(time.monotonic() - began)})
        except PageError as error:
            raise Problem(str(error)) from None
        except OSError as error:
            problem = _("the documentation can't be built in %(folder)s: %(reason)s")
            raise Problem(problem % {"folder": site, "reason": error.strerror or error}) from None
        except BuildError as error:
            first, *more = error.problems  # a transcript's has its source and a caret below
            problem = _("the documentation can't be built: %(reason)s") % {"reason": first.partition("\n")[0]}
            if more:
                problem += " " + _("(and %(count)d more)") % {"count": len(more)}
            raise Problem(problem) from None

        def bring_python() -> None:
            tell(_("Fetching what runs the examples in the browser (once, about half a minute) ..."))
            try:
                add_python(site)
                tell(_("The examples run in the browser now."))
            except (RuntimeMissingError, OSError) as error:
                problem = _(
                    "What runs the examples in the browser can't be had (%(reason)s): they stay pictures."
                    " With a network, and npm or pip, start again."
                )
                tell(problem % {"reason": error})

        if fetch and not has_python(site):
            threading.Thread(target=bring_python, name="fetch", daemon=True).start()

        address, port = listener.getsockname()[:2]
        everywhere = address in ("0.0.0.0", "::")  # no address that a browser could open
        if everywhere:
            address = "127.0.0.1"
        url = f"http://{f'[{address}]' if ':' in address else address}:{port}/"
        told = _("%(url)s (and this machine's other addresses)") % {"url": url} if everywhere else url

        def ready() -> None:
            line = _("Serving %(url)s - press Ctrl-C to stop") % {"url": told}
            Console(soft_wrap=True).print(line, highlight=False, markup=False)
            if browser:
                # A browser in the terminal would hold up the server until it is closed.
                threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

        def full() -> None:
            tell(_("Too many connections at once: new ones wait until others end (too many open files)."))

        app = serving.application(site, docs, host="0.0.0.0" if everywhere else host, allow_hosts=allow_hosts)
        serving.serve(app, listener, ready=ready, full=full)
