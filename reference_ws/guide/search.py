"""Search in one language at a time, in all of its inflections.

The i18n plugin leaves one index for all languages, whose stemmed Russian and Portuguese words no query can reach:
Material appends a wildcard to each word of a query, and lunr doesn't stem words with wildcards. So the index is split,
and the scripts that the site ships get a few lines more. They patch Material 9.7 and 9.8:
tests/guide/test_browser.py tells when a later version needs something else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from reference_ws.guide.pages import section_path

_STEMMED: Final = {"zh": False, "pt": True, "ru": True}
# Material's own separator for Chinese knows no Latin punctuation: "close()" and "1000," would be words.
_SEPARATOR: Final = r"[\s\u200b\u3000\-、。，．？！；.,:;()\[\]«»\"'`=/]+"

# How much a match counts beside an exact one. A title counts a thousand times as much as the text below it, so it takes
# this much to put a whole word in a text before a word in a title that only begins alike.
_BEGINS_ALIKE: Final = 1e-6
# Material gives every word of a query a trailing wildcard, and a wildcard keeps lunr from looking for the word's stem.
# Instead: first what has the same stem, far below it what begins alike, and last what begins with the stem alone (that
# of обрыв is "обр", as обработчик begins). Of a Chinese word that no page has, Material keeps single characters: with a
# wildcard each would find all words that begin with it. A result names the word that it was found by, not the word's
# stem: else the page would be said to lack it.
_STEM_QUERIES: Final = f"""
;(function () {{
  const lunr = (typeof self === "undefined" ? this : self).lunr, query = lunr.Index.prototype.query
  lunr.Index.prototype.query = function (build) {{
    const stems = new Map()
    const results = query.call(this, q => {{
      build.call(q, q)
      for (const clause of q.clauses.splice(0)) {{
        const word = clause.term.replace(/\\*$/, "")
        if (clause.usePipeline || word === clause.term) {{ q.clauses.push(clause); continue }}
        const add = (term, weight) => q.clauses.push({{ ...clause, term, boost: clause.boost * weight }})
        for (const stem of this.pipeline.runString(word, {{ fields: clause.fields }})) {{
          stems.set(stem, word)
          add(stem, 1)
          if (stem !== word) add(`${{stem}}*`, {_BEGINS_ALIKE**2})
        }}
        if (!/^\\p{{Script=Han}}$/u.test(word)) add(`${{word}}*`, {_BEGINS_ALIKE})
      }}
    }})
    for (const {{ matchData: {{ metadata }} }} of results)
      for (const [stem, word] of stems) if (stem in metadata) metadata[word] ??= {{}}
    return results
  }}
}})();
"""
# People type Portuguese without its accents. The stemmer wants those of its endings (autenticacao is no word to it);
# unfolded afterwards, the stems of conexão, conexões and conexao differ.
_FOLD_PORTUGUESE: Final = """
;(function () {
  const lunr = (typeof self === "undefined" ? this : self).lunr, stem = lunr.pt.stemmer
  const accents = word => word.replace(/c(?=(ao|oes)$)/, "ç").replace(/a(?=o$)|o(?=es$)/, "$&\\u0303").normalize("NFC")
  lunr.pt.stemmer = token => {
    const stemmed = stem(token.update(accents))
    return stemmed && stemmed.update(
      word => word.normalize("NFD").replace(/[\\u0300-\\u036f]/g, "").replace(/oe?$|a$/, ""))
  }
  lunr.Pipeline.registerFunction(lunr.pt.stemmer, "stemmer-pt-folded")
})();
"""


def use_index_of(html: str, prefix: str) -> str:
    """Point a page's search at the index in its language's folder, `prefix`: ``"pt/"``; ``""`` is the root."""

    def deeper(match: re.Match[str]) -> str:
        base = match[2]
        # An error page has an absolute base, all others climb to the root: one step less ends in the language's folder.
        inner = f"{base}{prefix}" if base.startswith("/") else base.removesuffix("..").rstrip("/") or "."
        return match[1] + inner

    return re.sub(r'("base":\s*")([^"]*)', deeper, html, count=1) if prefix else html


def split_index(site: Path, words: Mapping[str, Mapping[str, Sequence[str]]]) -> Iterator[str]:
    """Split ``search/search_index.json`` below `site` into one index a language, each beside its language's pages.

    `words` holds, for each language, the words by which a section is found too: ``{"ru": {"closing#denial": [...]}}``.
    Yields a problem for each section that there isn't.
    """
    whole = json.loads((site / "search/search_index.json").read_text("utf-8"))
    # Tags are shown below a title: a reader sees why the section was found. They count as the title does.
    fields = {**whole["config"]["fields"], "tags": {"boost": whole["config"]["fields"]["title"]["boost"]}}
    entries: dict[str, dict[str, dict[str, Any]]] = {language: {} for language in _STEMMED}
    for entry in whole["docs"]:
        language, _, rest = entry["location"].partition("/")
        language, location = (language, rest) if language in ("pt", "ru") else ("zh", entry["location"])
        entries[language][location] = {**entry, "location": location}
    for language, stemmed in _STEMMED.items():
        for section, found_by in words.get(language, {}).items():
            location = section_path(section)
            if location in entries[language]:
                entries[language][location]["tags"] = list(found_by)
            else:
                yield f"docs/glossary.toml: the pages in {language} have no section {section}"
        pipeline = ["stemmer"] if stemmed else []
        config = {
            **whole["config"],
            "fields": fields,
            "lang": [language],
            "pipeline": pipeline,
            "separator": _SEPARATOR,
        }
        folder = site / ("" if language == "zh" else language) / "search"
        folder.mkdir(parents=True, exist_ok=True)
        index = json.dumps({"config": config, "docs": list(entries[language].values())}, ensure_ascii=False)
        (folder / "search_index.json").write_text(index, "utf-8")


def teach_lunr(site: Path) -> None:
    """Append to the site's copies of lunr: stems in queries, accents folded in Portuguese. Leave out other languages.

    And let the theme's script find a Chinese word that is the whole query: it looks at all its beginnings but this one,
    and would search for the first character.
    """
    for worker in (site / "assets/javascripts/workers").glob("search.*.js"):
        beginnings = re.compile(r"(for\(let (\w)=\w\+1;\2<)(\w)(\.length;\2\+\+\)\3\.slice\(\w,\2\)in )")
        worker.write_text(beginnings.sub(r"\1=\3\4", worker.read_text("utf-8")), "utf-8")
    scripts = site / "assets/javascripts/lunr"
    needed = {f"lunr.{name}.min.js" for name in ("stemmer.support", *_STEMMED)}
    for script in scripts.rglob("*.js"):
        if script.name not in needed:
            script.unlink()
    for name, lines in (("lunr.stemmer.support.min.js", _STEM_QUERIES), ("lunr.pt.min.js", _FOLD_PORTUGUESE)):
        script = scripts / "min" / name
        script.write_text(script.read_text("utf-8") + lines, "utf-8")
