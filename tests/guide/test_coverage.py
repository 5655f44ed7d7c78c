from pathlib import Path

import msgspec
import pytest
from checks.coverage import check, read_behaviours, summary

ROOT = Path(__file__).parents[2]

PAGE = """\
# Closing {#closing}

## Refuse {#denial}

```python
app = make_app()
```

### How {#how}

```transcript
-> connect /
<- accept
```

## Code {#code}

```python
assert code == 1000
```
"""

BEHAVIOURS = """\
[pages]
closing = ["denial", "code"]

[claims]
I1 = ["denial"]
K1 = ["code", "tests/test_small.py::test_code"]
F1 = { untestable = "a general statement" }
"""

COUNTS = [f"{language}: 1 pages, 2 executed samples, 1 executed transcripts" for language in ("zh", "pt", "ru")]


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    for language in ("zh", "pt", "ru"):
        (tmp_path / "docs" / language).mkdir(parents=True)
        (tmp_path / "docs" / language / "closing.md").write_text(PAGE)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_small.py").write_text("def test_code(): ...\n")
    return tmp_path / "docs"


@pytest.fixture
def behaviours(tmp_path: Path, docs: Path) -> Path:
    file = tmp_path / "tests/behaviours.toml"
    file.write_text(BEHAVIOURS)
    return file


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_behaviours_that_run_in_every_language_are_covered(docs, behaviours):
    assert [] == check(docs, behaviours)


def test_all_is_counted(docs, behaviours):
    assert ["behaviours 2 of 2, claims 2 of 2 (untestable: F1)", *COUNTS] == summary(docs, behaviours).splitlines()


@pytest.mark.parametrize(
    ("old", "new", "behaviour", "problem"),
    [
        ("{#denial}", "{#deny}", "denial", "no heading has this anchor"),
        (
            "assert code == 1000",
            "code = 1000",
            "code",
            "nothing under this heading runs and can fail: add a transcript, or a sample with an assert",
        ),
        (
            "```python\nassert code == 1000\n```\n",
            "```console\n$ make test\n```\n",
            "code",
            "nothing under this heading runs and can fail: add a transcript, or a sample with an assert",
        ),
        (
            "assert code == 1000",
            "print(code)",
            "code",
            "nothing under this heading runs and can fail: add a transcript, or a sample with an assert",
        ),
        (
            "### How {#how}",
            "## How {#how}",
            "denial",
            "nothing under this heading runs and can fail: add a transcript, or a sample with an assert",
        ),
    ],
)
def test_behaviour_that_one_language_lacks_is_found(docs, behaviours, old, new, behaviour, problem):
    replace(docs / "pt/closing.md", old, new)

    assert [f"docs/pt/closing.md#{behaviour}: {problem}"] == check(docs, behaviours)


def test_missing_page_misses_all_of_its_behaviours(docs, behaviours):
    (docs / "ru/closing.md").unlink()

    assert [
        "docs/ru/closing.md#denial: this page is missing",
        "docs/ru/closing.md#code: this page is missing",
    ] == check(docs, behaviours)


def test_page_that_breaks_a_rule_says_which(docs, behaviours):
    replace(docs / "zh/closing.md", "## Code {#code}", "## Code")

    assert [
        f"docs/zh/closing.md#{behaviour}: docs/zh/closing.md:16: a heading needs an ASCII anchor of its own:"
        " write `## Title {#anchor}`"
        for behaviour in ("denial", "code")
    ] == check(docs, behaviours)


@pytest.mark.parametrize(
    ("old", "new", "findings"),
    [
        ('I1 = ["denial"]', 'I1 = ["refusal"]', ["I1: there is no behaviour refusal"]),
        ('I1 = ["denial"]', "I1 = []", ["I1: name what keeps it"]),
        ("test_code", "test_codes", ["K1: there is no test tests/test_small.py::test_codes"]),
        ("test_small", "test_big", ["K1: there is no test tests/test_big.py::test_code"]),
        ('"a general statement"', '" "', ["F1: say why it is untestable"]),
        ('["denial", "code"]', '["denial", "code", "code"]', ["code is listed twice"]),
    ],
)
def test_wrong_list_is_found(docs, behaviours, old, new, findings):
    replace(behaviours, old, new)

    assert [f"tests/behaviours.toml: {finding}" for finding in findings] == check(docs, behaviours)


def test_claim_is_kept_only_with_all_of_its_behaviours(docs, behaviours):
    replace(docs / "ru/closing.md", "assert code", "print(code)  # assert code")

    assert ["behaviours 1 of 2, claims 1 of 2 (untestable: F1)", "claims not kept: K1", *COUNTS] == summary(
        docs, behaviours
    ).splitlines()


def test_unknown_key_in_the_list_is_an_error(behaviours):
    replace(behaviours, "[claims]", "[promises]")

    with pytest.raises(msgspec.ValidationError):
        read_behaviours(behaviours)


def test_all_claims_of_the_five_systems_are_listed():
    numbers = {"I": 25, "K": 26, "F": 18, "L": 19, "H": 15}

    claims = read_behaviours(ROOT / "tests/behaviours.toml").claims

    assert [f"{system}{n}" for system, last in numbers.items() for n in range(1, last + 1)] == list(claims)


def test_no_behaviour_is_dropped():
    pages = read_behaviours(ROOT / "tests/behaviours.toml").pages
    at_least = {
        "lifecycle": 7,
        "handlers": 9,
        "views": 8,
        "connection": 10,
        "messages": 9,
        "closing": 11,
        "routing": 10,
        "parameters": 13,
        "middleware": 3,
        "testing": 5,
        "sse": 2,
    }

    assert [] == [page for page, count in at_least.items() if len(pages[page]) < count]
