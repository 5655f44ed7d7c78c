import asyncio
import sys
import typing
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path
from textwrap import dedent

import pytest
from shell import Shell
from small_docs import ECHO

from reference_ws.guide.pages import Fence, Page, PageError, read_page
from reference_ws.guide.running import PageRun, failure_line, failure_text


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

    with pytest.raises((AssertionError, ValueError)) as caught:
        run_python(page)

    lines = failure_text(page.path, caught.value).splitlines()
    # Which versions of Python underline what differs.
    assert [line.format(path=page.path) for line in told] == [line for line in lines if line.strip(" ^~")]


def raised_by(page: Page) -> BaseException:
    with pytest.raises(ValueError, match="no") as caught:
        run_python(page)
    return caught.value


def test_failure_in_one_line_names_section_and_sample(write):
    page = page_of(write, "x = 1\n", "def f():\n    raise ValueError('no\\n  room')\n\nf()\n")

    assert "closing#a, sample 2, line 2: ValueError: no room" == failure_line(raised_by(page))


def test_failure_in_one_line_names_the_line_of_a_page_that_has_changed(write):
    page = page_of(write, "raise ValueError('no')\n")
    error = raised_by(page)
    write("# A {#a}\n")

    assert "docs/ru/closing.md:4: ValueError: no" == failure_line(error)


def test_failure_of_something_else_is_no_examples():
    assert failure_line(ValueError("no")) is None


def test_annotations_are_looked_up_in_the_page(write):
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


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        ('b"GET / HTTP/1.1\\r\\n\\r\\n"', None),
        ('b"GET / HTTP/1.1\\n\\n"', "request is not what is shown"),
        ('b"GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n"', "request is not what is shown"),
        ('"GET / HTTP/1.1"', "no bytes called request are defined above"),
    ],
)
def test_http_is_what_the_code_has_made_byte_for_byte(write, made, problem):
    run = PageRun(
        read_page(
            write(f"# A {{#a}}\n\n```python\nrequest = {made}\n```\n\n```http {{shows=request}}\nGET / HTTP/1.1\n```\n")
        )
    )

    with pytest.raises(PageError, match=rf"closing\.md:7: {problem}") if problem else nullcontext():
        asyncio.run(run.up_to())
    run.close()


def test_console_that_runs_is_compared_with_what_its_commands_write(write):
    files = "```python {file=three.py}\nx = 3\n```\n"
    right, wrong = (
        read_page(write(f"# A {{#a}}\n\n{files}\n```console {{run=here}}\n$ cat three.py\n{shown}\n$ exit 1\n```\n"))
        for shown in ("x = 3", "x = 4")
    )

    with closing(Shell(right)) as shell:
        shell.run(right.fences[1])
    with (
        closing(Shell(wrong)) as shell,
        pytest.raises(PageError, match=r"closing\.md:8: `cat three.py` writes something else"),
    ):
        shell.run(wrong.fences[1])


# --- documents as tests -----------------------------------------------------------------------------------------------


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


# --- what a browser runs ----------------------------------------------------------------------------------------------

IN_BROWSER = """\
# A {#a}

```python
from reference_ws import App, WebSocket

app = App()


@app.router.websocket("/hello")
async def hello(websocket: WebSocket):
    await websocket.accept()
    await websocket.send_text("hello")
```

```transcript
-> connect /hello
<- accept
<- text "hello"
<- close 1000
```

```html
<script>const path = "/hello"</script>
```

```javascript
ws = new WebSocket(path)
ws.onmessage = event => console.log(event.data)
```

```output
hello
```

```javascript
await new Promise(done => { new WebSocket("/live/closing/hello").onclose = done })
```

```html {run=no}
<script>oops</script>
```
"""


@pytest.mark.needs("chromium")
@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("", "", []),
        ("```output\nhello", "```output\nhi", ["docs/ru/closing.md:26: it writes:", "and should write:"]),
        ("```output\nhello\n```\n\n", "", ["it writes:"]),
        ("console.log(event.data)", "oops()", ["docs/ru/closing.md:26: oops is not defined"]),
        ("onmessage = event =>", "oops(", ["docs/ru/closing.md:26: SyntaxError"]),
        ("<script>const", "<script>oops()\nconst", ["docs/ru/closing.md:22: oops is not defined"]),
        ("closing/hello", "closing.other/hello", []),
    ],
)
def test_a_browser_s_fence_fails_by_what_it_raises_and_writes(write, run_documents, tmp_path, old, new, told):
    write(IN_BROWSER.replace(old, new, 1))
    outputs = int("```output\n" in IN_BROWSER.replace(old, new, 1))
    counts = f"python = 1\ntranscript = 1\nhtml = 2\njavascript = 2\noutput = {outputs}\nunrun = 1\n"
    for language in ("zh", "pt"):  # the tab's server lists the pages of its own language
        (tmp_path / "docs" / language).mkdir(parents=True)
    (tmp_path / "docs" / "pages.toml").write_text(f"[closing]\n{counts}")

    everything = run_documents()

    assert ("failed" in everything) is bool(told)
    for text in told:
        assert text in everything


def test_without_a_browser_its_fences_are_skipped_and_counted(write, run_documents, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CI", raising=False)
    write(IN_BROWSER)
    (tmp_path / "docs" / "pages.toml").write_text(
        "[closing]\npython = 1\ntranscript = 1\nhtml = 2\njavascript = 2\noutput = 1\nunrun = 1\n"
    )

    everything = run_documents()

    assert "3 passed, 3 skipped" in everything
    assert "chromium is missing: 3 tests were skipped" in everything
