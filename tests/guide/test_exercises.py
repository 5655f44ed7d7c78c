"""Exercises: how a page sets them, that its tests prove them, and how they are shown."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from checks import parity
from markdown import markdown

from reference_ws.guide import fences
from reference_ws.guide.command import Problem, run_pages
from reference_ws.guide.pages import Page, PageError, read_page
from reference_ws.guide.running import PageRun
from reference_ws.guide.words.catalogs import catalog
from reference_ws.transcript.grammar import format_step, parse

ABOVE = """\
# Sums {#sums}

```python
from reference_ws import App, WebSocket

app = App()


@app.router.websocket("/add")
async def add(websocket: WebSocket):
    await websocket.accept()
    while True:
        total = int(await websocket.receive_text()) + 1
        await websocket.send_json(total)
```

"""

CODE = """\
## Mend it {#mend}

Say hello.

```python {exercise=start}
app = App()


@app.router.websocket("/hello")
async def hello(websocket: WebSocket):
    await websocket.send_text("hello")
```

```transcript
-> connect /hello
<- accept
<- text "hello"
<- close 1000
```

```hint
Nothing may be sent *before* `accept()`.
```

```hint
See [the title](#sums).
```

```python {exercise=solution}
app = App()


@app.router.websocket("/hello")
async def hello(websocket: WebSocket):
    await websocket.accept()
    await websocket.send_text("hello")
```

Because it was accepted.

"""

SCRIPT = """\
## Break it {#break}

```transcript {exercise=start}
-> connect /add
<- accept
# your lines
<- close 1011
!! ValueError
```

```hint
What does `int()` refuse?
```

```transcript {exercise=solution}
-> connect /add
<- accept
-> text "one"
<- close 1011
!! ValueError
```

"""

BELOW = """\
## And on {#on}

```transcript
-> connect /add
<- accept
-> text "1"
<- json 2
```
"""

PAGE = ABOVE + CODE + SCRIPT + BELOW

COUNTS = "python = 3\ntranscript = 4\nhint = 3\nexercise = 2\n"


@pytest.fixture
def read(write: Callable[..., Path]) -> Callable[..., Page]:
    """Read the page, with texts of it replaced."""

    def read_changed(old: str = "", new: str = "", *more: tuple[str, str]) -> Page:
        text = PAGE
        for before, after in ((old, new), *more):
            assert before in text
            text = text.replace(before, after, 1)
        return read_page(write(text, name="sums"))

    return read_changed


def run_page(page: Page) -> PageRun:
    """Run every fence, as the documents' tests do."""
    run = PageRun(page)

    async def all_fences() -> None:
        for fence in page.fences:
            await run.fence(fence)

    try:
        asyncio.run(all_fences())
    finally:
        run.close()
    return run


# --- on a page --------------------------------------------------------------------------------------------------------


def test_section_with_a_start_is_an_exercise(read):
    mend, broken = read().exercises

    assert ("mend", "code", 1, 2) == (mend.name, mend.kind, len(mend.code), len(mend.hints))
    assert mend.code == (mend.start,)
    assert "accept()" in mend.solution.source
    assert ("break", "script", (), 1) == (broken.name, broken.kind, broken.code, len(broken.hints))
    assert broken.transcript == broken.start


def test_start_is_sample_and_example_and_a_solution_is_none(read):
    page = read()

    assert (2, 3) == (len(page.samples), len(page.examples))
    assert [1, 2, 3] == [page.example(fence) for fence in page.examples]
    assert ["on"] == [fence.anchor for fence in page.transcripts]


def test_code_of_an_exercise_runs_before_its_own_transcript_alone(read):
    page = read()

    assert [[1, 2], [1], [1]] == [page.before(fence) for fence in page.examples]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("```python {exercise=start}", "```python", ":37: the exercise mend has no start: it consists of start,"),
        ("```python {exercise=solution}", "```python", ":21: the exercise mend has no solution:"),
        (CODE[CODE.index("```transcript") : CODE.index("```hint")], "", ":21: the exercise mend has no transcript:"),
        (SCRIPT[SCRIPT.index("```hint") : SCRIPT.index("```transcript {exercise=sol")], "", " break has no hint:"),
        ("## Break it {#break}\n", "", ":21: mend is the name of an exercise already: give the second one a heading"),
        ("{#break}", "{#mend}", ": the anchor mend is taken by line 17: choose another"),
        ("## And on {#on}\n", "", ":59: the fences of the exercise break stand in another order than start,"),
        (
            "```transcript\n-> connect /hello",
            "```transcript {exercise=begin}\n-> x",
            ": write exercise=... with start,",
        ),
        ("## And on {#on}\n", "## And on {#on}\n\n```hint\nDo.\n```\n", ": the exercise on has no start: it consists"),
        ("See [the title](#sums).", "", ": this fence is empty"),
        ("(#sums)", "(closing.md#sums)", ": a hint leads to sections of its own page: write [...](#anchor)"),
    ],
)
def test_exercise_that_is_no_whole_is_told_with_its_place(read, old, new, problem):
    with pytest.raises(PageError) as caught:
        read(old, new)

    assert str(caught.value).startswith("docs/ru/sums.md:")
    assert problem in str(caught.value)


def test_script_keeps_what_is_demanded_of_the_application(read):
    page = read()
    code, script = page.exercises
    solved = page.transcript(script.solution)
    lazy = parse('-> connect /add\n<- accept\n-> text "one"\n<- close 1011\n')
    swapped = parse("-> connect /add\n<- close 1011\n<- accept\n!! ValueError\n")

    assert page.missing(script, solved) is None
    assert "!! ValueError" == format_step(page.missing(script, lazy))
    assert "<- close 1011" == format_step(page.missing(script, swapped))
    assert page.missing(code, lazy) is None


# --- run --------------------------------------------------------------------------------------------------------------


def test_nothing_on_the_page_sees_an_exercise(read):
    run = run_page(read())

    assert not hasattr(run.module, "hello")
    assert list(run.applications) == ["app"]


def test_annotations_of_an_exercise_are_looked_up_in_it(read):
    classes = "```python {exercise=%s}\nimport typing\n\n\nclass A:\n    pass\n\n\nclass B:\n    a: 'A'\n\n\n"
    run_page(
        read(
            "```python {exercise=start}\n",
            classes % "start" + "assert typing.get_type_hints(B) == {'a': A}\n",
            ("```python {exercise=solution}\n", classes % "solution"),
        )
    )


def test_page_up_to_a_fence_is_without_exercises(read):
    page = read('app = App()\n\n\n@app.router.websocket("/hello")', "raise ValueError\n@app")
    run = PageRun(page)
    try:
        asyncio.run(run.up_to())
    finally:
        run.close()

    assert ["app"] == list(run.applications)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            'await websocket.send_text("hello")',
            'await websocket.accept()\n    await websocket.send_text("hello")',
            ":21: the start of the exercise mend passes: there is nothing to do",
        ),
        ("    await websocket.accept()\n    await websocket.send_text", "    await websocket.send_text", ":45: the"),
        ('-> text "one"', '-> text "1"', ":71: the solution of the exercise break fails:\ndocs/ru/sums.md:75:"),
        (
            "-> text \"one\"\n<- close 1011\n!! ValueError",
            "-> text \"1\"\n<- json 2",
            ":71: the solution lacks what the start demands, `<- close 1011`",
        ),
        (
            "{exercise=start}\napp = App()\n",
            "{exercise=start}\n",
            ":21: an exercise with code has an application of its own: begin with `app = App()`",
        ),
    ],
)  # fmt: skip
def test_exercise_that_proves_nothing_is_told_with_its_place(read, old, new, problem):
    with pytest.raises(PageError) as caught:
        run_page(read(old, new))

    assert str(caught.value).startswith(f"docs/ru/sums.md{problem}")


def test_start_fails_by_its_difference_alone(read):
    with pytest.raises(ZeroDivisionError):
        run_page(read('app = App()\n\n\n@app.router.websocket("/hello")', "1 / 0\n@app"))


def test_documents_are_tested_with_their_exercises(write, run_documents, tmp_path):
    write(PAGE, name="sums")
    write(PAGE.replace("-> text \"one\"", "-> text \"1\""), name="wrong")  # fmt: skip
    (tmp_path / "docs" / "pages.toml").write_text(f"[sums]\n{COUNTS}\n[wrong]\n{COUNTS}")

    everything = run_documents()

    assert "1 failed, 13 passed" in everything  # a page itself, its sample, two starts and solutions, its transcript
    assert "docs/ru/wrong.md:71: the solution of the exercise break fails:" in everything


# --- in three languages -----------------------------------------------------------------------------------------------


@pytest.fixture
def findings(write: Callable[..., Path], tmp_path: Path) -> Callable[[str, str], list[str]]:
    """Compare three languages, with a text of the Portuguese page replaced."""

    def compare(old: str, new: str) -> list[str]:
        assert old in PAGE
        for language in ("zh", "pt", "ru"):
            write(PAGE.replace(old, new) if language == "pt" else PAGE, language=language, name="sums")
        (tmp_path / "docs" / "pages.toml").write_text(f"[sums]\n{COUNTS}")
        (tmp_path / "docs" / "glossary.toml").write_text("term = []")
        return parity.check(tmp_path / "docs")

    return compare


@pytest.mark.parametrize(
    ("old", "new"),
    [("What does `int()` refuse?", "O que recusa `int()`?"), ("# your lines", "# o que falta"), ("Say hello.", "Oi.")],
)
def test_words_of_an_exercise_may_differ(findings, old, new):
    assert [] == findings(old, new)


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ('-> text "one"', '-> text "um"', "docs/pt/sums.md:74: '-> text \"um\"' stands where '-> text \"one\"' as in"),
        ("What does `int()` refuse?", "E você?", "docs/pt/sums.md:68: the reader is addressed without a pronoun"),
        ("exercise=solution", "exercise=start", "docs/pt/sums.md:21: mend is the name of an exercise already"),
    ],
)
def test_code_and_terms_of_an_exercise_are_compared(findings, old, new, finding):
    assert findings(old, new)[0].startswith(finding)


def test_counts_of_exercises_are_compared(findings):
    (finding,) = (finding for finding in findings(SCRIPT, "") if "pages.toml" in finding)

    assert finding == (
        f"docs/pt/sums.md:1: docs/pages.toml says {parity.Counts(python=3, transcript=4, hint=3, exercise=2)},"
        f" the page has {parity.Counts(python=3, transcript=2, hint=2, exercise=1)}"
    )


# --- shown ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def shown(read: Callable[..., Page]) -> str:
    """Render the page as the site does, but for the theme."""
    page = read("# Sums", "---\nhide: [toc]\n---\n# Sums")
    token = fences.PAGE.set(page)
    formats = {"transcript": fences.format_transcript, "hint": fences.format_hint}
    custom = [
        {"name": name, "class": css_class, "format": formats[name], "validator": fences.take_options}
        for name, css_class in (("transcript", "ws-transcript"), ("hint", "ws-exercise__hint"))
    ]
    try:
        return markdown(
            fences.frame_exercises(PAGE.strip()),  # as MkDocs hands it over
            extensions=["pymdownx.superfences", "attr_list", "md_in_html"],
            extension_configs={"pymdownx.superfences": {"custom_fences": custom}},
        )
    finally:
        fences.PAGE.reset(token)


def outline(html: str) -> list[str]:
    """List what is opened and closed, indented as it is nested."""
    found: list[str] = []
    depth = 0
    shown = {"h1", "h2", "div", "details", "summary", "figure", "p"}
    for close, name, attributes in re.findall(r"<(/?)(\w+)([^>]*)>", html):
        if name in ("div", "details"):
            depth -= bool(close)
        if (
            not close
            and name in shown
            and (css := re.search(r'(?:class|id)="((?:ws-exercise|mend|ws-tr)[^"]*)"', attributes))
        ):
            found.append("  " * depth + f"{name} {css[1]}")
        if name in ("div", "details"):
            depth += not close
    assert depth == 0
    return found


def test_exercise_is_framed_with_hints_and_solution_folded(shown):
    mend = shown[shown.index('<h2 id="mend"') : shown.index('<h2 id="break"')]

    assert [
        "h2 mend",
        "div ws-exercise",
        "  figure ws-transcript",
        "  div ws-transcript__text",
        "    details ws-transcript__states",
        "  div ws-transcript__diagram",
        "    div ws-transcript__drawing",
        "  details ws-exercise__hint",
        "  details ws-exercise__hint",
        "  details ws-exercise__solution",
    ] == [line for line in outline(mend) if "dialog" not in line and "enlarge" not in line]
    assert '<div class="ws-exercise" data-exercise="mend" data-kind="code">' in mend
    assert "<summary>Подсказка 2</summary><p>See <a href=\"#sums\">the title</a>.</p>" in mend  # fmt: skip
    solution = mend[mend.index('<details class="ws-exercise__solution"') :]
    assert "<summary>Решение</summary>" in solution
    assert "<p>Because it was accepted.</p>\n</details>" in solution
    assert " exercise=" not in shown
    assert "{" not in (text := re.sub(r"<[^>]*>", "", mend))
    assert "```" not in text


def test_solution_of_kind_script_is_a_listing(shown):
    solution = shown[shown.index('data-exercise="break"') : shown.index('<h2 id="on"')]

    assert 1 == solution.count("<figure")
    assert "solution-break-line-3" in solution


def test_exercise_names_no_live_address(shown):
    assert 1 == shown.count("data-live")


def test_command_run_plays_the_solutions(read, monkeypatch, capsys):
    page = read()
    monkeypatch.setattr(run_pages, "source_root", lambda: page.path.parents[2])
    words = catalog("ru")

    def run(place: str, url: str | None = None) -> str:
        assert 0 == run_pages.run(words, place, language="ru", url=url, quiet=False)
        return capsys.readouterr().out

    assert "sums#break" in run("sums#break").splitlines()[-1]
    assert '-> text "one"' in run("sums#break")
    assert "sums.md:31" in run("sums#mend")
    assert 3 == run("sums").count("sums.md:")
    with pytest.raises(Problem):
        run("sums#mend", "ws://127.0.0.1:1")
