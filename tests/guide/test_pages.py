import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from reference_ws.guide.pages import (
    Counts,
    Fence,
    Page,
    PageError,
    PageRun,
    count_problem,
    failure_text,
    live_path,
    read_page,
)

ROOT = Path(__file__).parents[2]

ECHO = """\
# Echo {#echo}

```python
from reference_ws import App, WebSocket

app = App()
codes = []


@app.router.websocket("/echo")
async def echo(websocket: WebSocket):
    await websocket.accept()
    await websocket.send_text(await websocket.receive_text())
    codes.append(1000)
```

## Say hello {#hello}

```transcript
-> connect /echo
<- accept
-> text "hello"
<- text "hello"
<- close 1000
```

```python
assert codes == [1000]
```
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write_page(text: str, *, language: str = "ru", name: str = "closing") -> Path:
        path = tmp_path / "docs" / language / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_page


def test_page_has_its_fences_headings_and_title(write):
    path = write(ECHO)

    page = read_page(path)

    assert ("ru", "closing", path, "Echo", "docs/ru/closing.md") == (
        page.language,
        page.name,
        page.path,
        page.title,
        page.file,
    )
    assert [(1, "echo", 1), (2, "hello", 17)] == [
        (heading.level, heading.anchor, heading.line) for heading in page.headings
    ]
    assert [("python", 3, "echo"), ("transcript", 19, "hello"), ("python", 27, "hello")] == [
        (fence.kind, fence.line, fence.anchor) for fence in page.fences
    ]
    assert "assert codes == [1000]\n" == page.fences[2].source


def test_options_choose_application_and_server(write):
    page = read_page(write("# A {#a}\n\n```transcript {app=raw denial=off}\n-> connect /\n```\n"))

    assert [("raw", False)] == [(fence.app, fence.denial) for fence in page.fences]


def test_without_options_app_is_app_and_server_can_deny(write):
    page = read_page(write("# A {#a}\n\n```transcript\n-> connect /\n```\n"))

    assert [("app", True)] == [(fence.app, fence.denial) for fence in page.fences]


def test_front_matter_is_no_heading(write):
    assert "A" == read_page(write("---\nhide: [toc]\n---\n# A {#a}\n")).title


def test_hash_inside_of_a_fence_is_no_heading(write):
    assert 1 == len(read_page(write("# A {#a}\n\n```python\n# comment\n```\n")).headings)


BROKEN = {
    "mistyped fence": ("```pyton\nx\n```", "3: pyton is no fence of ours: use python, transcript, console, lifecycle"),
    "capitals": ("```Python\nx\n```", "3: Python is no fence of ours: use python, transcript, console, lifecycle"),
    "no kind": ("```\nx\n```", "3: a fence is written as ```kind or ```kind {option=value}, not ```"),
    "options without braces": (
        "```transcript app=raw\nx\n```",
        "3: a fence is written as ```kind or ```kind {option=value}, not ```transcript app=raw",
    ),
    "brace not closed": (
        "```transcript {app=raw\nx\n```",
        "3: a fence is written as ```kind or ```kind {option=value}, not ```transcript {app=raw",
    ),
    "unknown option": (
        "```transcript {apps=raw}\nx\n```",
        "3: apps is no option of a transcript fence (its options: app, denial)",
    ),
    "option of python": ("```python {app=raw}\nx\n```", "3: app is no option of a python fence (its options: none)"),
    "wrong value": ("```transcript {denial=no}\nx\n```", "3: write denial=... with off"),
    "wrong name": ("```transcript {app=1a}\nx\n```", "3: write app=... with the name of an application"),
    "no value": ("```transcript {app}\nx\n```", "3: write app=... with the name of an application"),
    "option twice": (
        "```transcript {app=a app=b}\nx\n```",
        "3: an option stands twice in {app=a app=b}: write it once",
    ),
    "quotation mark": ('```transcript {app="a}\nx\n```', '3: a quotation mark is missing in {app="a}'),
    "nothing to show": ("```lifecycle\n```", "3: write {show=...} with receive, send, states, close-codes"),
    "lifecycle with text": (
        "```lifecycle {show=send}\nx\n```",
        "3: a lifecycle fence is empty, {show=...} says what is drawn",
    ),
    "empty": ("```python\n\n```", "3: this fence is empty"),
    "no end": ("```python\nx", "3: this fence has no end: close it with ``` on a line of its own"),
    "next fence before the end": (
        "```python\nx\n\n```transcript\ny\n```",
        "6: close the fence of line 3 with ``` before this one",
    ),
    "in a list": (
        "- ```python\n  x\n  ```",
        "3: a fence is three backticks at the start of the line: move it out of lists",
    ),
    "indented": (
        "    ```python\n    x\n    ```",
        "3: a fence is three backticks at the start of the line: move it out of lists",
    ),
    "in a quotation": (
        "> ```python\n> x\n> ```",
        "3: a fence is three backticks at the start of the line: move it out of lists",
    ),
    "tildes": ("~~~python\nx\n~~~", "3: a fence is three backticks at the start of the line: move it out of lists"),
    "four backticks": (
        "````python\nx\n````",
        "3: a fence is three backticks at the start of the line: move it out of lists",
    ),
    "no anchor": ("## B", "3: a heading needs an ASCII anchor of its own: write `## Title {#anchor}`"),
    "anchor in Cyrillic": ("## B {#б}", "3: a heading needs an ASCII anchor of its own: write `## Title {#anchor}`"),
    "anchor twice": ("## B {#a}", "3: the anchor a is taken by line 1: choose another"),
    "underlined heading": ("B\n---", "4: underlined headings carry no anchor: write `## Title {#anchor}`"),
    "hidden text": ("<!--\nx\n-->", "3: a comment over several lines hides what is in it: end it on its line"),
    "two titles": ("# B {#b}", "1: a page begins with its one title: write `# Title {#anchor}` once, above all else"),
}


@pytest.mark.parametrize(("text", "problem"), BROKEN.values(), ids=BROKEN)
def test_broken_page_is_told_with_its_place(write, text, problem):
    path = write(f"# A {{#a}}\n\n{text}\n")

    with pytest.raises(PageError) as caught:
        read_page(path)

    assert f"docs/ru/closing.md:{problem}" == str(caught.value)


def test_page_without_title_is_refused(write):
    with pytest.raises(PageError, match=r"docs/ru/closing\.md:1: a page begins with its one title"):
        read_page(write("## A {#a}\n"))


def test_counts_that_agree_are_no_problem(write):
    assert count_problem(read_page(write(ECHO)), {"closing": Counts(python=2, transcript=1)}) is None


def test_counts_that_differ_are_a_problem(write):
    assert (
        "docs/ru/closing.md:1: docs/pages.toml says Counts(python=3, transcript=1, console=0, lifecycle=0),"
        " the page has Counts(python=2, transcript=1, console=0, lifecycle=0)"
    ) == count_problem(read_page(write(ECHO)), {"closing": Counts(python=3, transcript=1)})


def test_page_without_counts_is_a_problem(write):
    assert "docs/pages.toml has no entry [closing]" in str(count_problem(read_page(write(ECHO)), {}))


@pytest.mark.parametrize(
    ("path", "arguments"),
    [
        ("/live/closing", ("closing",)),
        ("/live/closing.raw", ("closing", "raw")),
        ("/live/closing.nodenial", ("closing", "app", False)),
        ("/live/closing.raw.nodenial", ("closing", "raw", False)),
    ],
)
def test_live_path_names_page_application_and_server(path, arguments):
    assert path == live_path(*arguments)


# --- running ----------------------------------------------------------------------------------------------------------


def run_python(page: Page) -> PageRun:
    run = PageRun(page)

    async def all_python() -> None:
        for fence in page.fences:
            if fence.kind == "python":
                await run.python(fence)

    try:
        asyncio.run(all_python())
    finally:
        run.close()
    return run


def page_of(write: Callable[..., Path], *samples: str) -> Page:
    return read_page(write("# A {#a}\n" + "".join(f"\n```python\n{dedent(sample)}```\n" for sample in samples)))


def test_samples_share_one_namespace(write):
    run = run_python(page_of(write, "x = 1\n", "x += 1\n"))

    assert 2 == run.module.x


def test_await_is_allowed_at_the_top(write):
    run = run_python(page_of(write, "import asyncio\nx = await asyncio.sleep(0, 5)\n"))

    assert 5 == run.module.x


def test_error_is_told_at_its_line_with_frames_of_the_page_alone(write):
    page = page_of(write, "def f():\n    import json\n    json.loads('{')\n", "f()\n")

    with pytest.raises(ValueError, match="Expecting property name") as caught:
        run_python(page)

    lines = [frame.lineno for frame in caught.traceback if str(frame.path) == str(page.path)]
    assert [10, 6] == [line + 1 for line in lines]


@pytest.mark.parametrize(
    ("told", "sample"),
    [
        (
            [
                "docs/ru/closing.md:4: AssertionError: 1",
                "Traceback (most recent call last):",
                '  File "{path}", line 4, in <module>',
                "    assert False, 1",
                "AssertionError: 1",
            ],
            "assert False, 1\n",
        ),
        (
            [
                "docs/ru/closing.md:4: SyntaxError: invalid syntax",
                '  File "{path}", line 4',
                "    x = = 1",
                "SyntaxError: invalid syntax",
            ],
            "x = = 1\n",
        ),
        (
            [
                "docs/ru/closing.md:5: json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)",
                "Traceback (most recent call last):",
                '  File "{path}", line 5, in <module>',
                "    json.loads('')",
                "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)",
            ],
            "import json\njson.loads('')\n",
        ),
    ],
)
def test_failure_shows_the_page_alone(write, told, sample):
    page = page_of(write, sample)

    with pytest.raises((AssertionError, SyntaxError, ValueError)) as caught:
        run_python(page)

    lines = failure_text(page.path, caught.value).splitlines()
    # Which versions of Python underline what differs.
    assert [line.format(path=page.path) for line in told] == [line for line in lines if line.strip(" ^~")]


def test_annotations_are_looked_up_in_the_page(write):
    import typing

    run = run_python(page_of(write, "class A:\n    pass\n\nclass B:\n    a: 'A'\n"))
    sys.modules[run.module.__name__] = run.module
    try:
        assert {"a": run.module.A} == typing.get_type_hints(run.module.B)
    finally:
        run.close()


def test_future_statement_of_one_sample_does_not_reach_the_next(write):
    run = run_python(
        page_of(
            write, "from __future__ import annotations\nx: int = 1\n", "def f(a: int): ...\nx = f.__annotations__\n"
        )
    )

    assert {"a": int} == run.module.x


def test_closed_run_leaves_no_module(write):
    assert run_python(page_of(write, "x = 1\n")).module.__name__ not in sys.modules


def test_transcript_without_application_is_told(write):
    run = PageRun(read_page(write("# A {#a}\n\n```transcript {app=raw}\n-> connect /\n```\n")))

    with pytest.raises(PageError, match=r"docs/ru/closing\.md:3: no application called raw is defined above"):
        run.application(run.page.fences[0])


def test_application_that_changes_under_its_name_is_refused(write):
    run = PageRun(read_page(write("# A {#a}\n\n```transcript\n-> connect /\n```\n")))
    fence: Fence = run.page.fences[0]
    run.module.app = lambda: None
    run.application(fence)
    run.module.app = lambda: None

    with pytest.raises(PageError, match="app is another application than above: give it a name of its own"):
        run.application(fence)


def test_page_runs_from_top_to_bottom(write):
    run = PageRun(read_page(write(ECHO)))

    asyncio.run(run.up_to())

    assert ([1000], ["app"]) == (run.module.codes, list(run.applications))
    run.close()


# --- documents as tests -----------------------------------------------------------------------------------------------


@pytest.fixture
def run_documents(tmp_path: Path) -> Callable[..., str]:
    def run(*arguments: str) -> str:
        shutil.copy(ROOT / "conftest.py", tmp_path)
        shutil.copy(ROOT / "pyproject.toml", tmp_path)
        command = [sys.executable, "-m", "pytest", "docs", "-p", "no:cacheprovider", "--tb=short", "-v", *arguments]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.stdout + done.stderr

    return run


def test_documents_pass_fail_and_are_selected(write, run_documents, tmp_path):
    broken = ECHO.replace('<- text "hello"', '<- text "goodbye"').replace("codes == [1000]", "codes == [1001], codes")
    for language in ("zh", "pt"):
        write(ECHO, language=language)
    write(broken, language="ru")
    write(ECHO, language="zh", name="uncounted")
    write(ECHO.replace("```transcript", "```transcrit"), language="zh", name="mistyped")
    (tmp_path / "docs" / "pages.toml").write_text("[closing]\npython = 2\ntranscript = 1\n")

    everything = run_documents()

    assert "4 failed, 13 passed" in everything
    assert "docs/ru/closing.md::line:19,column:1 FAILED" in everything
    assert "docs/ru/closing.md:23" in everything
    assert '<- text "goodbye"' in everything
    assert "docs/ru/closing.md:28: AssertionError: [1000]" in everything
    assert "    assert codes == [1001], codes" in everything
    assert "conftest.py" not in everything.split("FAILURES")[1].split("short test summary")[0]
    assert "docs/pages.toml has no entry [uncounted]" in everything
    assert "docs/zh/mistyped.md:19: transcrit is no fence of ours" in everything

    assert "4 passed, 13 deselected" in run_documents("-m", "pt")
    assert "4 passed, 13 deselected" in run_documents("-k", "pt")


def test_single_sample_runs_what_stands_above_it(write, run_documents, tmp_path):
    write(ECHO)
    (tmp_path / "docs" / "pages.toml").write_text("[closing]\npython = 2\ntranscript = 1\n")

    assert "1 passed, 3 deselected" in run_documents("-k", "line:27")


def test_task_left_running_is_cancelled(write, run_documents, tmp_path):
    write(
        "# A {#a}\n\n```python\nimport asyncio\n\n"
        "task = asyncio.create_task(asyncio.sleep(60))\nawait asyncio.sleep(0)\n```\n"
    )
    (tmp_path / "docs" / "pages.toml").write_text("[closing]\npython = 1\n")

    assert "2 passed" in run_documents()
