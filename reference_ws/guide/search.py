"""Search in one language at a time, in all of its inflections.

The i18n plugin leaves one index for all languages, whose stemmed Russian and Portuguese words no query can reach:
Material appends a wildcard to each word of a query, and lunr doesn't stem words with wildcards. So the index is split,
and the scripts that the site ships get a few lines more. They patch Material 9.7 and 9.8:
tests/guide/test_browser.py tells when a later version needs something else.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

_STEMMED: Final = {"zh": False, "pt": True, "ru": True}
# Material's own separator for Chinese knows no Latin punctuation: "close()" and "1000," would be words.
_SEPARATOR: Final = r"[\s\u200b\u3000\-、。，．？！；.,:;()\[\]«»\"'`=/]+"

# Beside each word with a trailing wildcard, search its stem with a wildcard too.
_STEM_QUERIES: Final = """
;(function () {
  const lunr = (typeof self === "undefined" ? this : self).lunr, query = lunr.Index.prototype.query
  lunr.Index.prototype.query = function (build) {
    const pipeline = this.pipeline
    return query.call(this, function (q) {
      build.call(q, q)
      for (const clause of q.clauses.slice()) {
        if (clause.usePipeline || !clause.term.endsWith("*")) continue
        for (const stem of pipeline.runString(clause.term.slice(0, -1), {fields: clause.fields}))
          if (stem + "*" !== clause.term) q.clauses.push(Object.assign({}, clause, {term: stem + "*"}))
      }
    })
  }
})();
"""
# People type Portuguese without its accents; unfolded, the stems of conexão, conexões and conexao differ.
_FOLD_PORTUGUESE: Final = """
;(function () {
  const lunr = (typeof self === "undefined" ? this : self).lunr, stem = lunr.pt.stemmer
  lunr.pt.stemmer = token => {
    const stemmed = stem(token)
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
        inner = f"{base}{prefix.rstrip('/')}" if base.startswith("/") else base.removesuffix("..").rstrip("/") or "."
        return match[1] + inner

    return re.sub(r'("base":\s*")([^"]*)', deeper, html, count=1) if prefix else html


def split_index(site: Path) -> None:
    """Split ``search/search_index.json`` below `site` into one index a language, each beside its language's pages."""
    whole = json.loads((site / "search/search_index.json").read_text("utf-8"))
    entries: dict[str, list[dict[str, Any]]] = {language: [] for language in _STEMMED}
    for entry in whole["docs"]:
        language, _, rest = entry["location"].partition("/")
        if language in ("pt", "ru"):
            entries[language].append({**entry, "location": rest})
        else:
            entries["zh"].append(entry)
    for language, stemmed in _STEMMED.items():
        pipeline = ["stemmer"] if stemmed else []
        config = {**whole["config"], "lang": [language], "pipeline": pipeline, "separator": _SEPARATOR}
        folder = site / ("" if language == "zh" else language) / "search"
        folder.mkdir(parents=True, exist_ok=True)
        index = json.dumps({"config": config, "docs": entries[language]}, ensure_ascii=False)
        (folder / "search_index.json").write_text(index, "utf-8")


def teach_lunr(site: Path) -> None:
    """Append to the site's copies of lunr: stems in queries, accents folded in Portuguese."""
    scripts = site / "assets/javascripts/lunr/min"
    for name, lines in (("lunr.stemmer.support.min.js", _STEM_QUERIES), ("lunr.pt.min.js", _FOLD_PORTUGUESE)):
        script = scripts / name
        script.write_text(script.read_text("utf-8") + lines, "utf-8")
