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

from jinja2 import BytecodeCache, Environment, Template
from jinja2.bccache import Bucket
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.plugins import CombinedEvent, event_priority, get_plugin_logger
from mkdocs.structure.pages import Page

from reference_ws.guide import fences, links, policy, search
from reference_ws.guide.lab.contents import contents
from reference_ws.guide.lab.words import script
from reference_ws.guide.pages import PageError, read_page
from reference_ws.guide.words.catalogs import LANGUAGES, catalog
from reference_ws.transcript.diagram import STYLE
from reference_ws.transcript.mistakes import TranscriptError

log = get_plugin_logger("site")
# Pictures, source code and the colours of listings: nothing that somebody could search for.
_UNSOUGHT = re.compile(
    r'<svg class="ws-diagram".*?</svg>|<details class="mkdocstrings-source".*?</details>'
    r'|</?span(?: (?:id|class)="[^"]*")*>',
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


def on_page_content(html: str, *, config: MkDocsConfig, **_: Any) -> str:
    """Translate Markdown's one own sentence, keep source code out of the search, and give the lab its words."""
    title = catalog(_language(config)[0]).gettext("Permanent link")
    html = html.replace('title="Permanent link"', f'title="{title}"')
    source = '<details class="mkdocstrings-source"'
    html = html.replace(source, f'{source} data-search-exclude="true"')
    if (example := '<figure class="ws-transcript"') not in html:
        told = catalog(_language(config)[0]).gettext("This page has no example that can be presented.")
        return f'<p class="ws-unpresented" role="status" hidden>{told}</p>{html}'
    return html.replace(example, f"<style>{STYLE}</style>{example}", 1) + script(catalog(_language(config)[0]))


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
        alternate["link"] = alternate["link"].removeprefix("/") or "./"
    return context


# The i18n plugin, which fills in the switcher's links, and the search, which reads the page, come between the two.
on_page_context = CombinedEvent(event_priority(100)(_before_search), event_priority(0)(_after_search))


def on_post_page(output: str, *, config: MkDocsConfig, **_: Any) -> str:
    """Give a page the search index of its language, and leave the languages to the switcher's plain links.

    Each of these brings along how docs/assets/site.js offers that language, in that language.

    Where a page's head names its translations, Material asks each of them for a sitemap, which only the root has, and
    takes the switcher over. The sitemap names the translations too.
    """
    output = re.sub(r'\s*<link rel="alternate"[^>]*hreflang[^>]*>', "", output)
    for language in LANGUAGES:
        words, link = catalog(language), f'hreflang="{language}" class="md-select__link"'
        offer, decline = escape(words.gettext("This page in your language")), escape(words.gettext("No, thanks"))
        output = output.replace(link, f'{link} data-offer="{offer}" data-decline="{decline}"')
    return search.use_index_of(output, _language(config)[1])


def on_pre_template(template: Template, *, template_name: str, config: MkDocsConfig) -> Template:
    """Say in the reader's language that there is no such page."""
    if template_name != "404.html":
        return template
    extra: Any = config.extra
    extra.alternate = extra["alternate"]  # the home pages; the last page of another language may have left its own
    language, prefix = _language(config)
    words = catalog(language)
    heading = words.gettext("There is no such page")
    remedy = words.gettext("Search for it, or go back to the first page.")
    block = f'<h1>404 · {heading}</h1><p><a href="{{{{ base_url }}}}{prefix}">{remedy}</a></p>'
    return template.environment.from_string(f'{{% extends "main.html" %}}{{% block content %}}{block}{{% endblock %}}')


def on_post_template(output: str, *, template_name: str, config: MkDocsConfig) -> str:
    """Keep a 404 page for each language: ``404.html``, ``pt/404.html``, ``ru/404.html``."""
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
    search.split_index(site)
    search.teach_lunr(site)
    policy.write(site)
    for problem in links.check(site, config.site_url or "/"):
        log.warning(problem)


# The i18n plugin, which builds the other languages and writes the search index, comes between the two.
on_post_build = CombinedEvent(event_priority(0)(_leave_lab), event_priority(-200)(_finish))
