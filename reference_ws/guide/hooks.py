"""What MkDocs calls while it builds the site (``hooks:`` in mkdocs.yml).

The i18n plugin builds the languages one after the other, each build inside the ``on_post_build`` of the first one; what
looks at the finished site therefore waits until the plugin is no longer `building`.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import jieba  # type: ignore[import-untyped]
from jinja2 import BytecodeCache, Environment, Template
from jinja2.bccache import Bucket
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.plugins import CombinedEvent, event_priority, get_plugin_logger
from mkdocs.structure.pages import Page

from reference_ws.guide import fences, links, peers, policy, search
from reference_ws.guide.glossary import read_terms, search_words
from reference_ws.guide.lab.contents import contents
from reference_ws.guide.lab.words import script
from reference_ws.guide.pages import PageError, read_page
from reference_ws.guide.tables import prose
from reference_ws.guide.words.catalogs import LANGUAGES, catalog
from reference_ws.transcript.diagram import STYLE
from reference_ws.transcript.mistakes import TranscriptError

log = get_plugin_logger("site")
# Pictures with their captions and buttons, source code and the colours of listings: nothing that somebody could search
# for. (The search leaves out what is marked so only up to the first end tag of the same name within it.)
_UNSOUGHT = re.compile(
    r'<div class="ws-transcript__diagram".*?</dialog></div>|<details class="mkdocstrings-source".*?</details>'
    r'|<sup class="ws-peer">.*?</sup>|</?span(?: (?:id|class)="[^"]*")*>',
    re.DOTALL,
)
logging.getLogger("jieba").setLevel(logging.WARNING)  # it tells how it loads its dictionary


class _Handlers(dict[str, Any]):
    """What reads and renders the API reference."""

    def clear(self) -> None:
        """Stay as it is: mkdocstrings would read the package anew for each language."""


_HANDLERS = _Handlers()


def _language(config: MkDocsConfig) -> tuple[str, str]:
    """Name the language that is being built and the folder of its pages: ``("zh", "")``, ``("pt", "pt/")``."""
    i18n: Any = config.plugins["i18n"]
    language: str = i18n.current_language
    return language, "" if i18n.is_default_language_build else f"{language}/"


def _before_reference(config: MkDocsConfig) -> MkDocsConfig:
    """Let the API reference speak the language that is built now.

    The configuration is the same for all languages: without this, the second build would still have the extension and
    the style sheet of the first one, and with them its language.
    """
    i18n: Any = config.plugins["i18n"]
    reference: Any = config.plugins["mkdocstrings"]
    extensions = config.markdown_extensions
    extensions[:] = [extension for extension in extensions if isinstance(extension, str)]
    config.extra_css[:] = [file for file in config.extra_css if str(file) != reference.css_filename]
    reference.config.locale = i18n.current_language or i18n.default_language
    reference.config.custom_templates = str(Path(__file__).parent / "templates")
    return config


def _after_reference(config: MkDocsConfig) -> MkDocsConfig:
    """Let the languages share what reads and renders the API reference: it is told the language with each block."""
    i18n: Any = config.plugins["i18n"]
    reference: Any = config.plugins["mkdocstrings"]
    if not i18n.building:  # the first language
        dict.clear(_HANDLERS)
    reference.handlers._handlers = _HANDLERS
    return config


on_config = CombinedEvent(event_priority(100)(_before_reference), event_priority(-100)(_after_reference))


class _Compiled(BytecodeCache):
    """The theme's templates as Jinja has compiled them: each language has an environment of its own."""

    def __init__(self) -> None:
        self.templates: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self.templates:
            bucket.bytecode_from_string(self.templates[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.templates[bucket.key] = bucket.bytecode_to_string()


_COMPILED = _Compiled()


def on_env(env: Environment, **_: Any) -> Environment:
    """Compile each template once."""
    env.bytecode_cache = _COMPILED
    return env


def on_pre_build(*, config: MkDocsConfig) -> None:
    """Check the pages of all languages before any is rendered: Markdown shows a mistyped fence as plain text."""
    if _language(config)[1]:
        return
    for term in read_terms(Path(config.docs_dir)):
        jieba.add_word(term.zh)  # else it takes some of the terms apart, and the search finds only their parts
    missing = [f"docs/{language}/{page}" for language in LANGUAGES for page in _nav_pages(config.nav)]
    missing = [page for page in missing if not Path(config.docs_dir, page.removeprefix("docs/")).is_file()]
    if missing:
        raise PluginError("\n".join(f"{page} is missing (nav of mkdocs.yml)" for page in missing))
    files = sorted(file for language in LANGUAGES for file in Path(config.docs_dir, language).rglob("*.md"))
    if problems := list(filter(None, map(_problem, files))):
        raise PluginError("\n".join(problems))


def _nav_pages(nav: Any) -> Iterator[str]:
    """List the pages of a nav, which nests lists and titles."""
    if isinstance(nav, str):
        yield nav
    elif isinstance(nav, dict | list):
        for part in nav.values() if isinstance(nav, dict) else nav:
            yield from _nav_pages(part)


def _problem(file: Path) -> str | None:
    try:
        page = read_page(file)
        for fence in page.fences:
            if fence.kind == "transcript":
                page.transcript(fence)
    except (PageError, TranscriptError) as error:
        return str(error)
    return None


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Tell the fences which page they are on, and put its exercises in their frames."""
    fences.PAGE.set(read_page(Path(page.file.src_dir or "", page.file.src_uri)))
    return fences.frame_exercises(markdown)


def on_page_content(html: str, *, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Translate Markdown's one own sentence, keep source code out of the search, and give the lab its words.

    A page with addresses to try out gets the sentence that says where they answer; docs/assets/site.js shows it where
    they don't.
    """
    words = catalog(_language(config)[0])
    try:
        html = peers.fill(html, fences.PAGE.get())
    except PageError as error:
        raise PluginError(str(error)) from None
    link = words.gettext("Permanent link")
    html = html.replace('title="Permanent link"', f'title="{link}"')
    source = '<details class="mkdocstrings-source"'
    html = html.replace(source, f'{source} data-search-exclude="true"')
    if "//127.0.0.1:8000" in (page.markdown or ""):
        told = words.gettext("The addresses on this page answer where `make serve` runs: on your own computer.")
        told = f'<p class="ws-elsewhere" data-search-exclude="true" hidden>{prose(words, told)}</p>'
        html = html.replace("</h1>", f"</h1>{told}", 1)
    if (example := '<figure class="ws-transcript"') not in html:
        told = words.gettext("This page has no example that can be presented.")
        return f'{html}<p class="ws-unpresented" role="status" data-search-exclude="true" hidden>{told}</p>'
    return html.replace(example, f"<style>{STYLE}</style>{example}", 1) + script(words)


def _before_search(context: Any, *, page: Page, **_: Any) -> Any:
    """Show the search what it looks for: it parses in Python, and most of a page is what it throws away."""
    context["whole"] = page.content
    page.content = _UNSOUGHT.sub("", page.content or "")
    return context


def _after_search(context: Any, *, page: Page, config: MkDocsConfig, **_: Any) -> Any:
    """Give the page back whole, and make the language switcher's links relative: the site works below any address."""
    page.content = re.sub(r'\s?data-search-\w+="[^"]+"', "", context.pop("whole"))  # as the search does
    extra: Any = config.extra  # the plugin sets an attribute that stands before the item of the same name
    for alternate in extra.alternate:
        alternate["link"] = alternate["link"].removeprefix(urlsplit(config.site_url or "/").path) or "./"
    return context


# The i18n plugin, which fills in the switcher's links, and the search, which reads the page, come between the two.
on_page_context = CombinedEvent(event_priority(100)(_before_search), event_priority(0)(_after_search))


def on_post_page(output: str, *, page: Page | None = None, config: MkDocsConfig, **_: Any) -> str:
    """Give a page what others show of it, the search index of its language, and links to its translations.

    Each item of the language switcher brings along how docs/assets/site.js offers that language, in that language.
    """
    language, prefix = _language(config)
    words = catalog(language)
    output = output.replace(f'<html lang="{language}"', f'<html lang="{_TAGS[language]}"', 1)
    address = (page and page.canonical_url) or config.site_url or ""

    # Material asks for a sitemap below each `link[rel=alternate]` and takes the language switcher over. With a space
    # in it the attribute means the same (it is a list of words), and no longer is what Material looks for.
    def alternate(match: re.Match[str]) -> str:
        return f'<link rel="alternate " href="{urljoin(address, match[1])}" hreflang="{_TAGS.get(match[2], match[2])}">'

    if page is None:  # there is no such page: it has no translations
        output = re.sub(rf"\s*{_ALTERNATE}", "", output)
    else:
        output = re.sub(_ALTERNATE, alternate, output)
        output = output.replace("</head>", f"{_shared(page, config)}</head>", 1)
    if page and page.url.removeprefix(prefix) in ("", "./"):
        matter = words.gettext("WebSocket in Python, step by step")
        title = escape(f"{config.site_name} - {matter}")
        output = re.sub("<title>.*?</title>", f"<title>{title}</title>", output, count=1)
    for other in LANGUAGES:
        words, link = catalog(other), f'hreflang="{other}" class="md-select__link"'
        offer, decline = escape(words.gettext("This page in your language")), escape(words.gettext("No, thanks"))
        output = output.replace(link, f'{link} data-offer="{offer}" data-decline="{decline}"')
    return search.use_index_of(output, prefix)


_ALTERNATE = r'<link rel="alternate" href="([^"]*)" hreflang="([^"]*)">'
_TAGS = {"zh": "zh-Hans", "pt": "pt", "ru": "ru"}  # what a page says that it is written in
_LOCALES = {"zh": "zh_CN", "pt": "pt_BR", "ru": "ru_RU"}


def _shared(page: Page, config: MkDocsConfig) -> str:
    """Write what a chat or a network shows where somebody shares the page; pictures need the site's address."""
    language, _ = _language(config)
    title = page.title if page.url not in ("", f"{language}/") else config.site_name
    told: dict[str, Any] = {
        "og:type": "article",
        "og:site_name": config.site_name,
        "og:title": title,
        "og:description": page.meta.get("description") or config.site_description,
        "og:locale": _LOCALES[language],
        "twitter:card": "summary_large_image" if config.site_url else "summary",
    }
    if config.site_url:
        image = {"og:image": "assets/share.png", "og:image:width": 1200, "og:image:height": 630}
        told |= {"og:url": page.canonical_url, **image, "og:image": urljoin(config.site_url, "assets/share.png")}
    properties = [("og:locale:alternate", _LOCALES[other]) for other in LANGUAGES if other != language]
    return "".join(
        f'<meta {"name" if name.startswith("twitter") else "property"}="{name}" content="{escape(str(value))}">'
        for name, value in [*told.items(), *properties]
    )


def on_pre_template(template: Template, *, template_name: str, config: MkDocsConfig) -> Template:
    """Say in the reader's language that there is no such page."""
    if template_name != "404.html":
        return template
    extra: Any = config.extra
    extra.alternate = extra["alternate"]  # the home pages; the last page of another language may have left its own
    language, prefix = _language(config)
    words = catalog(language)
    heading = escape(words.gettext("There is no such page"))
    # Material opens its search where an address has ?q=.
    links = {
        "?q=": words.gettext("Search for it"),
        f"{{{{ base_url }}}}{prefix}": words.gettext("Back to the first page"),
    }
    items = "".join(f'<li><a href="{link}">{escape(text)}</a></li>' for link, text in links.items())
    return template.environment.from_string(
        '{% extends "main.html" %}'
        f"{{% block htmltitle %}}<title>404 · {heading} - {escape(config.site_name)}</title>{{% endblock %}}"
        f"{{% block content %}}<h1>404 · {heading}</h1><ul>{items}</ul>{{% endblock %}}"
    )


def on_post_template(output: str, *, template_name: str, config: MkDocsConfig) -> str:
    """Keep a 404 page for each language: ``404.html``, ``pt/404.html``, ``ru/404.html``.

    A sitemap is full addresses: without the site's own there is none.
    """
    if template_name.startswith("sitemap.xml"):
        return output.replace('hreflang="zh"', f'hreflang="{_TAGS["zh"]}"') if config.site_url else ""
    if template_name != "404.html":
        return output
    output = on_post_page(output, config=config)
    prefix = _language(config)[1]
    if not prefix:
        return output
    file = Path(config.site_dir, prefix, "404.html")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(output, "utf-8")
    return ""


def _leave_lab(_: Any = None, /, *, config: MkDocsConfig) -> None:
    """Leave beside each page of a language what the lab plays there: its code, its examples, its exercises."""
    language, prefix = _language(config)
    for path in sorted(Path(config.docs_dir, language).glob("*.md")):
        folder = Path(config.site_dir, prefix, "" if path.stem == "index" else path.stem)
        text = json.dumps(contents(read_page(path)), ensure_ascii=False, separators=(",", ":"))
        (folder / "lab.json").write_text(text, "utf-8")


def _finish(_: Any = None, /, *, config: MkDocsConfig) -> None:
    """Finish the search and follow all links, once the last language is built."""
    i18n: Any = config.plugins["i18n"]
    if i18n.building:
        return
    site = Path(config.site_dir)
    for problem in search.split_index(site, search_words(Path(config.docs_dir))):
        log.warning(problem)
    search.teach_lunr(site)
    _leave_out_maps(site)
    if config.site_url:  # read only at the root of a host, and no harm elsewhere
        (site / "robots.txt").write_text(f"User-agent: *\nAllow: /\nSitemap: {config.site_url}sitemap.xml\n", "utf-8")
    policy.write(site)
    for problem in links.check(site, config.site_url or "http://localhost/"):
        log.warning(problem)


def _leave_out_maps(site: Path) -> None:
    """Take the theme's source maps out, and the line by which a file names its own: they are as large as the rest."""
    for source_map in site.rglob("*.map"):
        source_map.unlink()
        if (file := source_map.with_suffix("")).is_file():
            file.write_text(re.sub(r"\n/[/*]# sourceMappingURL=.*", "", file.read_text("utf-8")), "utf-8")


# The i18n plugin, which builds the other languages and writes the search index, comes between the two.
on_post_build = CombinedEvent(event_priority(0)(_leave_lab), event_priority(-200)(_finish))
