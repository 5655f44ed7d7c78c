"""The plans of the page `teaching`: what they say is what was counted, and what was counted fits into their minutes."""

import re

import pytest
from checks.lesson import Pace, Row, minutes, read_lessons

from reference_ws.guide.pages import read_page, source_root
from reference_ws.guide.words.catalogs import LANGUAGES

DOCS = source_root() / "docs"
LESSONS = read_lessons()
ROWS = [
    pytest.param(row, id=f"{name}-{number}")
    for name, rows in LESSONS.plans.items()
    for number, row in enumerate(rows, 1)
]


@pytest.mark.parametrize("row", ROWS)
def test_a_row_has_the_minutes_that_it_takes(row):
    """To the minute: a page may grow by a word."""
    counted = [minutes(row, LESSONS.pace, language, DOCS) for language in LANGUAGES]

    assert max(counted) <= row.minutes + 0.5
    assert max(counted) > 0.75 * row.minutes


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("name", "most"), [("plan", 90), ("short", 45)])
def test_a_plan_ends_in_time(language, name, most):
    rows = LESSONS.plans[name]

    assert sum(row.minutes for row in rows) <= most
    assert sum(minutes(row, LESSONS.pace, language, DOCS) for row in rows) <= most


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", LESSONS.plans)
def test_the_page_says_what_was_counted(language, name):
    page = read_page(DOCS / language / "teaching.md")
    text = page.path.read_text("utf-8")
    section = text.partition(f"{{#{name}}}")[2].partition("\n## ")[0]
    table = [line for line in section.splitlines() if line.startswith("|")][2:]
    begins, linked = 0, []
    for row, line in zip(LESSONS.plans[name], table, strict=True):
        ends = begins + row.minutes
        said = {"plan": f"| {begins}–{ends} |", "short": f"| {begins}–{ends} |", "exercises": f"| {row.minutes} |"}
        assert said.get(name, "") in line
        begins = ends
        linked.append(set(re.findall(r"\]\(([\w-]+)\.md(#[\w-]+)\)", line)))
    places = [
        {tuple(place.replace("#", " #").split()) for place in each}
        for each in (
            [*row.aloud, *row.code, *row.typed, *row.asked, *row.exercises, *row.home] for row in LESSONS.plans[name]
        )
    ]
    assert places == linked


PACE = Pace(
    aloud_a_minute={"ru": 60},
    silent_a_minute={"ru": 60},
    code_line_s=1,
    typed_character_s=1,
    asked_step_s=1,
    vote_s=1,
    try_s=1,
    hint_s=1,
    slow=2,
)
PAGE = """# A {#a}

One two `three`.

| no words |
|---|

```python
one = 1
two = 2
```

```transcript
-> connect /
<- accept
li <- text "1"
```

```console
$ ls
```

## Later {#later}

### Exercise {#exercise}

Think.

```python {exercise=start}
a = 1
```

```transcript
-> connect /
```

```hint
Think again.
```

```python {exercise=solution}
a = 12
```
"""


@pytest.mark.parametrize(
    ("row", "seconds"),
    [
        (Row(0, aloud=["page#a"]), 3),
        (Row(0, code=["page#a"]), 2),
        (Row(0, asked=["page#a"]), 2),
        (Row(0, typed=["page#a"]), 3),  # with the line's end
        (Row(0, votes=2, seconds=5, home=["page#a"]), 7),
        # A word, a line of code and one of the transcript, a character typed, a hint, two tries.
        (Row(0, exercises=["page#exercise"]), 2 * (1 + 2 + 1 + 1 + 2)),
    ],
)
def test_what_is_done_is_counted(tmp_path, row, seconds):
    (tmp_path / "docs" / "ru").mkdir(parents=True)
    (tmp_path / "docs" / "ru" / "page.md").write_text(PAGE, "utf-8")

    assert seconds == pytest.approx(60 * minutes(row, PACE, "ru", tmp_path / "docs"))
