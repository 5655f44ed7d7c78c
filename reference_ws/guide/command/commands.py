"""What the command line takes: the commands, their arguments and their help, in the reader's language."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable
from gettext import NullTranslations
from typing import Any

import click

from reference_ws import __version__
from reference_ws.guide.command import Problem, conform, connect, explain, missing, run_pages, serve, tell
from reference_ws.guide.command.screen import Screen
from reference_ws.guide.words.catalogs import (
    ENGLISH,
    LANGUAGES,
    catalog,
    click_speaks,
    language_called,
    language_of_environment,
)
from reference_ws.transcript.mistakes import TranscriptError, visible

Action = Callable[[], int | None]
"""What a command does once all arguments are read; an exit code other than 0 is returned."""

SETTINGS = {"help_option_names": ["-h", "--help"]}


def run(arguments: list[str]) -> int:
    """Run the command with these arguments; returns the exit code."""
    language = language_of_environment()
    try:
        language = _language(arguments, language)
        action = _read(arguments, language)
        return (action() if callable(action) else action) or 0
    except Problem as problem:
        return tell(visible(str(problem)))
    except TranscriptError as error:
        return tell(visible(error.told(catalog(language).gettext)))
    except ModuleNotFoundError as error:
        return tell(missing(error, catalog(language)))
    except (KeyboardInterrupt, CancelledError):  # the latter is what Python 3.10 makes of Ctrl-C in an event loop
        return 0 if Screen.unread else 130


def _read(arguments: list[str], language: str) -> Action | int:
    """Let click read the arguments: gives what they ask for, or the exit code after a help text. Raises `Problem`.

    What was asked for runs afterwards, in the environment as it was.
    """
    with click_speaks(language):
        try:
            result: Action | int = _command(language).main(arguments, "reference-ws", standalone_mode=False)
        except click.exceptions.NoArgsIsHelpError as help_:
            help_.show()
            return 2
        except click.ClickException as error:
            raise Problem(" ".join(error.format_message().split())) from None
        except UnicodeEncodeError as error:  # no shell passes such an argument, a Python program that calls us may
            problem = catalog(language).gettext("%(given)r is no text that can be passed on: it has half a character")
            raise Problem(problem % {"given": error.object}) from None
        return result


def _language(arguments: list[str], default: str) -> str:
    """Find ``--lang`` wherever it stands: all else, help and complaints included, is said in that language."""
    settings = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
    only = click.Command("language", params=[click.Option(["--lang"])], context_settings=settings)
    given: str | None = only.make_context("language", list(arguments), resilient_parsing=True).params["lang"]
    if given is None:
        return default
    if language := language_called(given):
        return language
    problem = catalog(default).gettext("there is no language %(given)r: choose one of %(languages)s")
    raise Problem(problem % {"given": given, "languages": ", ".join((*LANGUAGES, ENGLISH))})


def _command(language: str) -> click.Group:
    words: NullTranslations = catalog(language)
    _ = words.gettext
    lang: Callable[[Any], Any] = click.option(
        "--lang",
        expose_value=False,
        metavar="|".join((*LANGUAGES, ENGLISH)),
        help=_("The language; without it LC_ALL, LC_MESSAGES or LANG tells."),
    )
    url: Callable[[Any], Any] = click.option(
        "--url", metavar="ws://HOST:PORT", help=_("Talk to this running server instead, over a real socket.")
    )
    quiet: Callable[[Any], Any] = click.option("--quiet", "-q", is_flag=True, help=_("Show the verdict only."))

    @click.group(
        context_settings=SETTINGS,
        help=_(
            "Learn how a WebSocket lives: documentation in Chinese, Portuguese and Russian whose every example runs."
        ),
    )
    @click.version_option(__version__, message="%(prog)s %(version)s")
    @lang
    def reference_ws() -> None:
        pass

    def command(name: str, summary: str, *more: str) -> Callable[[Callable[..., Action]], click.Command]:
        help_ = "\n\n".join((summary, *more))

        def add(function: Callable[..., Action]) -> click.Command:
            return reference_ws.command(name, help=help_, short_help=summary)(lang(function))

        return add

    @command("examples", _("List every example with its page, its title and its live addresses."))
    def examples_() -> Action:
        return lambda: run_pages.show_examples(words, language)

    @command(
        "run",
        _("Play the transcripts of a PAGE, or of one section of it, line by line."),
        _("Each line is shown as it happens, with both states after it and what it means."),
        _("The exit code is 1 when something differs from what is written."),
    )
    @click.argument("page", metavar="PAGE[#ANCHOR]")
    @url
    @quiet
    def run_(page: str, url: str | None, quiet: bool) -> Action:
        return lambda: run_pages.run(words, page, language=language, url=url, quiet=quiet)

    @command(
        "play",
        _("Play your own FILE: one transcript, or a Markdown document with transcripts."),
        _("Without --app and --url, the Python code of a Markdown document runs too, from top to bottom."),
        _("The exit code is 1 when something differs from what is written."),
    )
    @click.argument("file", type=click.Path(exists=True, dir_okay=False))
    @click.option("--app", metavar="MODULE:APP", help=_("The ASGI application to talk to; the module may be here."))
    @click.option("--held-time", is_flag=True, help=_("Let no real time pass (in memory, without sockets)."))
    @url
    @quiet
    def play(file: str, app: str | None, held_time: bool, url: str | None, quiet: bool) -> Action:
        return lambda: run_pages.play_file(words, file, app=app, url=url, quiet=quiet, held_time=held_time)

    @command(
        "conform",
        _("Play the suite of the page conform against your application, behaviour by behaviour."),
        _("Each is kept, or differs, with what was expected and what came, or its endpoint is not offered."),
        _("The exit code is 1 when something differs from what is written."),
    )
    @click.option(
        "--app",
        required=True,
        metavar="MODULE:APP",
        help=_("The ASGI application to talk to; the module may be here."),
    )
    @quiet
    def conform_(app: str, quiet: bool) -> Action:
        return lambda: conform.run(words, app, language=language, quiet=quiet)

    @command(
        "connect",
        _("Talk to the server at URL by hand."),
        _("""Type what the client does: text "hi", json {"n": 1}, bytes 00 ff, close 4000, drop."""),
        _(""""save FILE" writes the transcript; "quit" or the end of the input closes the connection."""),
        _(""""help" lists all that can be typed."""),
    )
    @click.argument("url")
    @click.option(
        "--header", "-H", "headers", multiple=True, metavar="NAME:VALUE", help=_("Add this to the handshake.")
    )
    def connect_(url: str, headers: tuple[str, ...]) -> Action:
        return lambda: connect.run(words, url, headers)

    @command(
        "explain",
        _("Explain a state, a message, an error id, an exception or a close code; without WORD, list them all."),
    )
    @click.argument("word", required=False)
    def explain_(word: str | None) -> Action:
        return lambda: explain.show(words, language, word)

    @command(
        "serve",
        _("Read the documentation, with its examples live."),
        _("It is built first, if it has changed."),
        _("The examples are under ws://HOST:PORT/live/..., each at the address beside it on its page."),
    )
    @click.option("--host", default="127.0.0.1", show_default=True, help=_("Address to listen on; 0.0.0.0 for all."))
    @click.option(
        "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help=_("0 takes a free one.")
    )
    @click.option(
        "--allow-host",
        "allow_hosts",
        multiple=True,
        metavar="NAME",
        help=_("Answer to this host name too; may be given several times."),
    )
    @click.option("--no-browser", is_flag=True, help=_("Don't open a browser."))
    @click.option("--no-fetch", is_flag=True, help=_("Don't fetch what runs the examples in the browser."))
    def serve_(host: str, port: int, allow_hosts: tuple[str, ...], no_browser: bool, no_fetch: bool) -> Action:
        return lambda: serve.run(words, host, port, allow_hosts=allow_hosts, browser=not no_browser, fetch=not no_fetch)

    return reference_ws
