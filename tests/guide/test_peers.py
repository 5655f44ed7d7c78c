"""What the pages show of ``docs/peers.toml``, and the check that wants their sentences marked."""

import pytest
from checks.peers import ROOT, Unmarked, check, read_unmarked, unmarked

from reference_ws.guide.pages import PageError, read_page
from reference_ws.guide.peers import COUNTED, SYSTEMS, fill, read_peers, table
from reference_ws.guide.words.catalogs import LANGUAGES

RECORD = """
[systems]
kui = { versions = ["kui 1.2.3"], servers = ["uvicorn 4.5"], python = "3.11", date = "2026-11-29" }
fastapi = { versions = ["fastapi 6.7", "starlette 8.9"], python = "3.12", date = "2026-11-30" }

[claims]
K1 = { system = "kui", verdict = "yes", fact = "it runs", evidence = "a < b" }
K2 = { system = "kui", verdict = "partly", fact = "some run", evidence = "KeyError" }
K27 = { system = "kui", verdict = "", fact = "it differs", evidence = "None" }
F1 = { system = "fastapi", verdict = "no", fact = "it fails", evidence = "TypeError" }
"""
HEAD = "---\ndescription: x\n---\n\n# A {#a}\n\n"


@pytest.fixture
def write(tmp_path):
    """Write a page of a language, beside a small record; returns the page."""
    docs = tmp_path / "docs"
    for language in LANGUAGES:
        (docs / language).mkdir(parents=True)
    (docs / "peers.toml").write_text(RECORD, "utf-8")

    def page(text, language="pt", name="closing"):
        file = docs / language / f"{name}.md"
        file.write_text(HEAD + text + "\n", "utf-8")
        return read_page(file)

    return page


def test_a_mark_leads_to_the_evidence(write):
    assert ('<sup class="ws-peer"><a href="../from-kui/#K1" title="it runs: a &lt; b">K1</a></sup>.') == fill(
        "[^K1].", write("")
    )
    assert 'href="from-kui/#K1"' in fill("[^K1].", write("", name="index"))
    assert '>K1</a> <a href="../from-fastapi/#F1"' in fill("[^K1 F1]", write(""))


def test_values_come_from_the_record(write):
    page = write("")
    values = {
        "{{promises}} {{kept}} {{partly}} {{broken}} {{untestable}}": "3 1 1 1 0",
        "{{promises kui}} {{kept kui}} {{broken kui}}": "2 1 0",
        "{{version kui}} {{version starlette}} {{version uvicorn}}": "1.2.3 8.9 4.5",
        "{{date kui}} {{date}}": "2026-11-29 2026-11-30",
    }
    assert values == {text: fill(text, page) for text in values}
    assert fill("{{date}}", write("", "ru")) == "30.11.2026"


def test_a_verdict_is_a_word_of_the_language(write):
    assert ">sim<" in fill("{{K1}}", write(""))
    assert ">отчасти<" in fill("{{K2}}", write("", "ru"))
    assert ">没做到<" in fill("{{F1}}", write("", "zh"))


@pytest.mark.parametrize("unknown", ["[^K3]", "{{K3}}", "{{version flask}}"])
def test_what_was_not_run_cannot_be_shown(write, unknown):
    with pytest.raises(PageError, match="nothing for"):
        fill(f"a {unknown}", write(""))


def test_code_of_other_kinds_is_left_alone(write):
    assert fill("{{ name }} {{name}} [^1] [K1]", write("")) == "{{ name }} {{name}} [^1] [K1]"


def test_the_table_has_a_row_for_each_statement_of_a_system(write):
    html = table(write("").path.parents[1], "pt", "kui")

    assert [f'id="{name}"' in html for name in ("K1", "K2", "K27", "F1")] == [True, True, True, False]
    assert "kui 1.2.3, uvicorn 4.5, Python 3.11 (2026-11-29)" in html
    assert "a &lt; b" in html


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("No Kui isso falha.", 1),
        ("No Kui isso falha[^K2].", 0),
        ("Aqui isso funciona, em `Kui`.", 0),
        ("Para quem vem [do Kui](from-kui.md).", 0),
        ("**Nas páginas:** o Kui promete.\nO FastAPI também.", 0),
        ("**Nas páginas:** o Kui promete.\n\nO FastAPI falha.", 1),
        ("**Na medição:** falha.", 1),
        ("| Kui | falha |", 1),
        ("| Sistema | Kui |\n|---|---|\n| Kui | falha[^K2] |", 0),
        ("| K1 | promete, como o Kui | {{K1}} | aqui |", 0),
        ("```python\n# No Kui isso falha.\n```", 0),
    ],
)
def test_a_sentence_that_names_a_system_has_a_mark(write, text, found):
    assert found == len(list(unmarked(write(text))))


def test_chinese_sentences_stand_in_one_line(write):
    assert [text for _, _, text in unmarked(write("在 Kui 里出错。在 FastAPI 里也是[^F1]。", "zh"))] == [
        "在 Kui 里出错。"
    ]


def test_numbers_marks_and_verdicts_that_differ_are_told(write):
    write("在 Kui 里出错[^K2]。", "zh")
    page = write("No Kui isso falha.\n\n| K1 | promete | {{K1}}: `KeyError` | aqui |\n| K2 | promete | sim | aqui |")
    write("В Kui это ошибка[^K2].", "ru")
    found = "\n".join(check(page.path.parents[1], []))

    assert "closing#a: 1 sentences in pt name another system without a mark" in found
    assert "docs/pt/closing.md:9: KeyError isn't in the evidence of K1: a < b" in found
    assert "docs/pt/closing.md:10: the verdict isn't {{K2}}" in found
    assert "docs/zh/closing.md:1: other languages mark K1 too" in found
    listed = [Unmarked(at="closing#a", why="unrun", pt=1)]
    assert "without a mark" not in "\n".join(check(page.path.parents[1], listed))


def test_the_record_has_every_promise_with_a_verdict():
    peers = read_peers(ROOT / "docs")

    assert [25, 26, 18, 19, 15] == [peers.count(None, system) for system in SYSTEMS.values()]
    assert {claim.verdict for claim in peers.claims.values()} == {*COUNTED.values(), ""}
    assert {each.why for each in read_unmarked(ROOT / "tests/said_of_peers.toml")} <= {"ours", "page", "named", "unrun"}
