import re
from collections.abc import Callable
from pathlib import Path

import pytest
from checks.parity import check, check_descriptions, check_endings, summary

from reference_ws.guide.pages import read_pages, source_root

MODEL = """\
# Closing {#closing}

```python
# A comment.
code = 1000

assert code == 1000
```

## Codes {#codes}

```transcript {app=raw}
# A comment.
-> connect /echo?room=1
    origin: localhost
<- accept
-> text "hello"  # a note
<- text ...
```

```console
# A comment.
$ make serve
```

```lifecycle {show=send}
```
"""

COUNTS = "[closing]\npython = 1\ntranscript = 1\nconsole = 1\nlifecycle = 1\n"

GLOSSARY = """\
[[term]]
en = "header"
zh = "标头"
pt = "cabeçalho"
ru = "заголовок"
forbidden = { pt = ["header"] }
"""


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    for language in ("zh", "pt", "ru"):
        (folder / language).mkdir(parents=True)
        (folder / language / "closing.md").write_text(MODEL)
    (folder / "pages.toml").write_text(COUNTS)
    (folder / "glossary.toml").write_text(GLOSSARY)
    return folder


@pytest.fixture
def findings(docs: Path) -> Callable[[str, str], list[str]]:
    """Check with one text of the Portuguese page replaced."""

    def check_with(old: str, new: str) -> list[str]:
        assert old in MODEL
        (docs / "pt" / "closing.md").write_text(MODEL.replace(old, new))
        return check(docs)

    return check_with


def test_equal_pages_have_no_findings(docs):
    assert [] == check(docs)


@pytest.mark.parametrize("kind", ["javascript", "html"])
@pytest.mark.parametrize(
    ("other", "found"), [("f('ws://a')  // dois", 0), ("f('ws://b')  // um", 1), ("f('ws://a')", 0), ("g('ws://a')", 1)]
)
def test_comments_of_a_browser_s_code_may_differ(docs, kind, other, found):
    for language, code in (("zh", "f('ws://a')  // 一"), ("pt", other), ("ru", "f('ws://a')")):
        (docs / language / "closing.md").write_text(f"# A {{#a}}\n\n```{kind} {{run=no}}\n{code}\n```\n")
    (docs / "pages.toml").write_text(f"[closing]\n{kind} = 1\nunrun = 1\n")
    assert found == len(check(docs))


def test_summary_counts_what_one_language_runs(docs):
    told = "1 pages, 1 executed samples (0 of them in a browser), 1 transcripts and 0 exercises a language"
    assert f"{told}; zh, pt, ru agree" == summary(docs)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# Closing {", "# Fechar {"),
        ("# A comment.\ncode", "# Um comentário.\n# Mais um.\n\ncode"),
        ("# A comment.\n->", "# Um comentário.\n\n->"),
        ("  # a note", "  # uma nota"),
        ("# A comment.\n$", "# Um comentário.\n$"),
        ("## Codes", "Um texto.\n\n## Codes"),
    ],
)
def test_prose_and_comments_may_differ(findings, old, new):
    assert [] == findings(old, new)


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        (
            "{#codes}",
            "{#code}",
            [
                "docs/pt/closing.md:10: ## {#code} stands where ## {#codes} of docs/zh/closing.md:10 is expected",
                "docs/pt/closing.md:12: a transcript fence {app=raw} under #code stands where"
                " a transcript fence {app=raw} under #codes of docs/zh/closing.md:12 is expected",
            ],
        ),
        (
            "## Codes {#codes}\n",
            "",
            [
                "docs/pt/closing.md:1: the heading {#codes} of docs/zh/closing.md:10 is missing",
                "docs/pt/closing.md:11: a transcript fence {app=raw} under #closing stands where"
                " a transcript fence {app=raw} under #codes of docs/zh/closing.md:12 is expected",
            ],
        ),
        (
            "## Codes",
            "### Codes",
            ["docs/pt/closing.md:10: ### {#codes} stands where ## {#codes} of docs/zh/closing.md:10 is expected"],
        ),
        (
            "```lifecycle {show=send}\n```\n",
            "```lifecycle {show=send}\n```\n\n## More {#more}\n",
            ["docs/pt/closing.md:29: ## {#more} stands where no heading is expected"],
        ),
        (
            "```console\n# A comment.\n$ make serve\n```\n\n```lifecycle {show=send}\n```\n",
            "```lifecycle {show=send}\n```\n\n```console\n$ make serve\n```\n",
            [
                "docs/pt/closing.md:21: a lifecycle fence {show=send} under #codes stands where"
                " a console fence {} under #codes of docs/zh/closing.md:21 is expected"
            ],
        ),
        (
            "{app=raw}",
            "{app=raw denial=off}",
            [
                "docs/pt/closing.md:12: a transcript fence {app=raw denial=off} under #codes stands where"
                " a transcript fence {app=raw} under #codes of docs/zh/closing.md:12 is expected"
            ],
        ),
        (
            "code == 1000",
            "code == 1001",
            ["docs/pt/closing.md:7: '1001' stands where '1000' as in docs/zh/closing.md:7 is expected"],
        ),
        (
            "assert code == 1000\n",
            "",
            ["docs/pt/closing.md:7: '' stands where 'assert' as in docs/zh/closing.md:7 is expected"],
        ),
        (
            '-> text "hello"',
            '-> text "olá"',
            [
                "docs/pt/closing.md:17: '-> text \"olá\"' stands where '-> text \"hello\"' as in docs/zh/closing.md:17"
                " is expected"
            ],
        ),
        (
            "    origin: localhost\n",
            "",
            [
                "docs/pt/closing.md:14: '-> connect /echo?room=1' stands where '-> connect /echo?room=1;"
                " origin: localhost' as in docs/zh/closing.md:14 is expected"
            ],
        ),
        (
            "<- text ...\n",
            "",
            ["docs/pt/closing.md:12: 'the end' stands where '<- text ...' as in docs/zh/closing.md:18 is expected"],
        ),
        (
            "<- text ...\n",
            "<- text ...\n<- close 1000\n",
            ["docs/pt/closing.md:19: '<- close 1000' stands where the end is expected"],
        ),
        (
            "make serve",
            "make test",
            [
                "docs/pt/closing.md:23: '$ make test' stands where '$ make serve' as in docs/zh/closing.md:23"
                " is expected"
            ],
        ),
        (
            "```python",
            "```pyton",
            [
                "docs/pt/closing.md:3: pyton is no fence of ours:"
                " use python, transcript, javascript, html, output, http, console, lifecycle, glossary, servers, peers,"
                " conform, hint",
            ],
        ),
        (
            "\n```lifecycle {show=send}\n```\n",
            "",
            [
                "docs/pt/closing.md:1: docs/pages.toml says"
                " Counts(python=1, transcript=1, console=1, lifecycle=1, glossary=0, servers=0, peers=0,"
                " conform=0, hint=0, javascript=0, html=0, output=0, http=0, exercise=0, unrun=0),"
                " the page has Counts(python=1, transcript=1, console=1, lifecycle=0, glossary=0, servers=0, peers=0,"
                " conform=0, hint=0, javascript=0, html=0, output=0, http=0, exercise=0, unrun=0)",
                "docs/pt/closing.md:1: the lifecycle fence of docs/zh/closing.md:26 is missing",
            ],
        ),
    ],
)
def test_everything_else_is_equal(findings, old, new, finding):
    assert finding == findings(old, new)


def test_sample_that_is_no_python_is_found(findings):
    (finding,) = findings("assert code == 1000", "assert (code")

    assert re.fullmatch(r"docs/pt/closing\.md:\d+: this sample is no Python: '\(' was never closed", finding)


def test_transcript_that_is_not_understood_is_found(findings):
    (finding,) = findings("<- accept", "<- acept")

    assert finding.startswith("docs/pt/closing.md:16:")


def test_prose_is_checked_too(findings):
    assert [
        "docs/pt/closing.md:10: Headers stands where the term is cabeçalho (header)",
        "docs/pt/closing.md:10: the reader is addressed without a pronoun: “Headers para você”",
    ] == findings("## Codes {", "## Headers para você {")


@pytest.mark.parametrize(
    ("objects", "finding"),
    [
        ("::: a.B\n", "docs/pt/closing.md:1: ::: a.C of docs/zh/closing.md is missing"),
        (
            "::: a.C\n\n::: a.B\n",
            "docs/pt/closing.md:1: docs/zh/closing.md has other objects, or has them in another order",
        ),
    ],
)
def test_objects_of_the_reference_are_equal(docs, objects, finding):
    for language in ("zh", "ru"):
        (docs / language / "closing.md").write_text(MODEL + "\n::: a.B\n\n::: a.C\n")
    (docs / "pt" / "closing.md").write_text(MODEL + "\n" + objects)

    assert [finding] == check(docs)


def test_missing_page_is_found(docs):
    (docs / "ru" / "closing.md").unlink()

    assert ["docs/ru/closing.md:1: this page is missing, another language has it"] == check(docs)


def test_counts_of_no_page_are_found(docs):
    (docs / "pages.toml").write_text(COUNTS + "[opening]\n")

    assert ["docs/pages.toml:1: there is no page opening"] == check(docs)


@pytest.mark.parametrize(
    ("description", "finding"),
    [
        ("", "docs/pt/closing.md:1: the page has no description: begin it with ---, description: ..., ---"),
        ("Too short.", "docs/pt/closing.md:2: the description has 10 characters, not 50 to 160"),
        ("long " * 40, "docs/pt/closing.md:2: the description has 200 characters, not 50 to 160"),
        (
            "mapping: " * 10,
            "docs/pt/closing.md:2: a colon and a space are no text in YAML: put the description in quotation marks",
        ),
        ("ru " * 20, "docs/ru/closing.md:2: the description is that of docs/pt/closing.md"),
    ],
)
def test_each_page_has_a_description_of_its_own(docs, description, finding):
    for language, text in (("zh", "zh " * 20), ("pt", description), ("ru", "ru " * 20)):
        front = f"---\ndescription: {text}\n---\n" if text else ""
        (docs / language / "closing.md").write_text(front + MODEL)

    assert [finding] == list(check_descriptions(read_pages(docs)))


def test_the_documents_have_descriptions():
    assert [] == list(check_descriptions(read_pages(source_root() / "docs")))


@pytest.mark.parametrize(
    ("ending", "finding"),
    [
        ("", "docs/pt/closing.md:1: the page ends without ## ... {#next}, what to read next"),
        (
            "## Next {#next}\n\n- [A](a.md): why.\n\n## Last {#last}\n",
            "docs/pt/closing.md:1: the page ends without ## ... {#next}, what to read next",
        ),
        ("## Next {#next}\n", "docs/pt/closing.md:29: what to read next is a list of one to three links"),
        ("## Next {#next}\n\n- nothing\n", "docs/pt/closing.md:29: what to read next is a list of one to three links"),
        (
            "## Next {#next}\n" + "\n- [A](a.md): why." * 4,
            "docs/pt/closing.md:29: what to read next is a list of one to three links",
        ),
        ("## Next {#next}\n\n- [A](a.md).\n", "docs/pt/closing.md:29: this link has no reason: - [A](a.md)."),
    ],
)
def test_each_page_ends_with_what_to_read_next(docs, ending, finding):
    good = MODEL + "\n## Next {#next}\n\n- [A](a.md): because it helps.\n"
    for language, text in (("zh", good), ("pt", MODEL + "\n" + ending), ("ru", good)):
        (docs / language / "closing.md").write_text(text)

    assert [finding] == list(check_endings(read_pages(docs)))


def test_the_documents_end_with_what_to_read_next():
    assert [] == list(check_endings(read_pages(source_root() / "docs")))
