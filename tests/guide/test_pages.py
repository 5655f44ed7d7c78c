import pytest
from checks.parity import Counts, count_problem
from small_docs import ECHO

from reference_ws.guide import pages
from reference_ws.guide.pages import KINDS, Block, PageError, compile_sample, live_path, read_blocks, read_page


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


def test_a_sample_is_compiled_once_to_check_it_and_to_run_it(write):
    page = read_page(write(ECHO))
    before = pages._compiled.cache_info().misses

    compile_sample(page.samples[0], str(page.path))

    assert before == pages._compiled.cache_info().misses


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


def blocks(text):
    return [(line, block.info, block.source) for line, block in read_blocks(text) if isinstance(block, Block)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("```python\nx\n```\n", [(1, "python", "x\n")]),
        ("text\n~~~~ python\n```\n~~~\n~~~~\n", [(2, "python", "```\n~~~\n")]),
        ("- ```python\n  if x:\n\n      y\n  ```\n", [(1, "python", "if x:\n\n    y\n")]),
        ("> ```python\n> x\n> ```\n", [(1, "python", "x\n")]),
        ("````\n```python\nx\n```\n````\n", [(1, "", "```python\nx\n```\n")]),
        ("<!--\n```python\nx\n```\n-->\n```python\ny\n```\n", [(6, "python", "y\n")]),
        ("<!-- a comment -->\n```python\nx\n```\n", [(2, "python", "x\n")]),
        ("```inline``` code\n", []),
        ("<!--\n```python\n", []),
        ("```python\nx\n", [(1, "python", "x\n")]),
    ],
)
def test_blocks_are_those_of_markdown(text, found):
    assert found == blocks(text)


BROKEN = {
    "mistyped fence": (
        "```pyton\nx\n```",
        f"3: pyton is no fence of ours: use {', '.join(KINDS)}",
    ),
    "capitals": (
        "```Python\nx\n```",
        f"3: Python is no fence of ours: use {', '.join(KINDS)}",
    ),
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
        "3: apps is no option of a transcript fence (its options: app, denial, exercise, file)",
    ),
    "option of python": (
        "```python {app=raw}\nx\n```",
        "3: app is no option of a python fence (its options: exercise, file, run)",
    ),
    "no file": ("```html {file=page}\nx\n```", "3: write file=... with the name of a file"),
    "alone without a file": (
        "```python {run=alone}\nx\n```",
        "3: a program that is run alone is a file: write {file=NAME.py run=alone}",
    ),
    "output of nothing": (
        "```javascript {run=no}\nx\n```\n\n```output\nx\n```",
        "7: output stands below what writes it: a javascript fence, or a python fence with run=alone",
    ),
    "wrong value": ("```transcript {denial=no}\nx\n```", "3: write denial=... with off"),
    "wrong name": ("```transcript {app=1a}\nx\n```", "3: write app=... with the name of an application"),
    "no value": ("```transcript {app}\nx\n```", "3: write app=... with the name of an application"),
    "option twice": (
        "```transcript {app=a app=b}\nx\n```",
        "3: an option stands twice in {app=a app=b}: write it once",
    ),
    "quotation mark": ('```transcript {app="a}\nx\n```', '3: a quotation mark is missing in {app="a}'),
    "nothing to show": ("```lifecycle\n```", "3: write {show=...} with receive, send, states, close-codes"),
    "no bytes to show": (
        "```http\nx\n```",
        "3: write {shows=...} with the name of the bytes that are shown",
    ),
    "file without an ending": ("```python {file=greet}\nx\n```", "3: write file=... with the name of a file"),
    "lifecycle with text": (
        "```lifecycle {show=send}\nx\n```",
        "3: a lifecycle fence has no text: the site draws it",
    ),
    "no Python": ("```python\nx = 1\ny = = 1\n```", "5: this sample is no Python: invalid syntax"),
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


def test_page_that_is_not_utf_8_is_told_with_its_line(write):
    path = write(ECHO)
    path.write_bytes("# A {#a}\n\nolá\n".encode("latin-1"))

    with pytest.raises(PageError, match=r"^docs/ru/closing\.md:3: this is not UTF-8: save the page in that encoding$"):
        read_page(path)


def test_page_without_title_is_refused(write):
    with pytest.raises(PageError, match=r"docs/ru/closing\.md:1: a page begins with its one title"):
        read_page(write("## A {#a}\n"))


def test_counts_that_agree_are_no_problem(write):
    assert count_problem(read_page(write(ECHO)), {"closing": Counts(python=2, transcript=1)}) is None


def test_counts_that_differ_are_a_problem(write):
    assert (
        "docs/ru/closing.md:1: docs/pages.toml says"
        " Counts(python=3, transcript=1, console=0, lifecycle=0, glossary=0, servers=0, peers=0,"
        " conform=0, hint=0, javascript=0, html=0, output=0, http=0, exercise=0, unrun=0),"
        " the page has Counts(python=2, transcript=1, console=0, lifecycle=0, glossary=0, servers=0, peers=0,"
        " conform=0, hint=0, javascript=0, html=0, output=0, http=0, exercise=0, unrun=0)"
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
