"""How long the plans on the page `teaching` take, counted from what is done in each step: ``python -m checks.lesson``.

Nobody teaches a class for this: what is read aloud is counted in words, code in lines, transcripts in the steps that
``?present`` asks, exercises in what has to be read, typed and tried; ``tests/lesson.toml`` says at what pace.
"""

from __future__ import annotations

import difflib
import re
import sys
from pathlib import Path

import msgspec

from reference_ws.guide.pages import Fence, Page, read_page, source_root
from reference_ws.guide.words.catalogs import LANGUAGES

__all__ = ["Lessons", "minutes", "read_lessons"]

SHOWN = ("python", "javascript", "html", "http", "output")


class Pace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a class takes for one of a thing, in seconds; words (Chinese: characters) a minute."""

    aloud_a_minute: dict[str, int]
    silent_a_minute: dict[str, int]
    code_line_s: float
    typed_character_s: float
    asked_step_s: float
    vote_s: float
    try_s: float
    hint_s: float
    slow: float


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of a plan: the minutes that it has, and what is done in them, by sections ``page#anchor``."""

    minutes: int
    aloud: list[str] = []
    code: list[str] = []
    typed: list[str] = []
    asked: list[str] = []
    exercises: list[str] = []
    home: list[str] = []
    votes: int = 0
    seconds: int = 0


class Lessons(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file: plans by the anchor of their heading on the page `teaching`."""

    pace: Pace
    plans: dict[str, list[Row]]


def read_lessons() -> Lessons:
    """Read ``tests/lesson.toml``."""
    return msgspec.toml.decode(Path(__file__).parents[1].joinpath("lesson.toml").read_bytes(), type=Lessons)


def minutes(row: Row, pace: Pace, language: str, docs: Path) -> float:
    """Count how long a row takes in a language."""
    section = {place: _Section(place, language, docs) for place in (*row.aloud, *row.code, *row.typed, *row.asked)}
    seconds = row.seconds + row.votes * pace.vote_s
    seconds += sum(section[place].words for place in row.aloud) * 60 / pace.aloud_a_minute[language]
    seconds += sum(section[place].lines(*SHOWN) for place in row.code) * pace.code_line_s
    seconds += sum(section[place].characters("console") for place in row.typed) * pace.typed_character_s
    seconds += sum(section[place].asked for place in row.asked) * pace.asked_step_s
    seconds += sum(_Section(place, language, docs).solving(pace) for place in row.exercises) * pace.slow
    return seconds / 60


class _Section:
    """What stands under a heading, up to the next."""

    def __init__(self, place: str, language: str, docs: Path) -> None:
        name, _, anchor = place.partition("#")
        self.language = language
        self.page: Page = read_page(docs / language / f"{name}.md")
        self.text = self.page.path.read_text("utf-8").splitlines()
        headings = self.page.headings
        self.first = next(heading.line for heading in headings if heading.anchor == anchor)
        self.last = next((heading.line for heading in headings if heading.line > self.first), len(self.text) + 1) - 1
        self.fences = [fence for fence in self.page.fences if self.first < fence.line <= self.last]

    @property
    def words(self) -> int:
        """How much prose there is, without tables and without what is folded."""
        fenced = {line for fence in self.fences for line in fence.lines}
        prose = " ".join(
            text
            for line, text in enumerate(self.text[self.first : self.last], self.first + 1)
            if line not in fenced and not text.startswith(("|", "???", "!!!", "    "))
        )
        return len(re.findall(r"[\u4e00-\u9fff]|[\w.#/()`-]*\w", re.sub(r"\]\([^)]*\)", "]", prose)))

    def _of(self, *kinds: str) -> list[Fence]:
        return [fence for fence in self.fences if fence.kind in kinds and fence.options.get("exercise") != "solution"]

    def lines(self, *kinds: str) -> int:
        return sum(fence.source.count("\n") for fence in self._of(*kinds))

    def characters(self, kind: str) -> int:
        return sum(len(fence.source.removeprefix("$ ")) for fence in self._of(kind))

    @property
    def asked(self) -> int:
        """How many steps are asked: what comes from the application, and the states."""
        sources = [fence.source for fence in self._of("transcript")]
        return sum(len(re.findall(r"(?m)^(?:\w+ )?(?:<-|==|!!|\.\.)", source)) for source in sources)

    def solving(self, pace: Pace) -> float:
        """How many seconds an exercise takes: its task is read, the hints are needed, one try fails and one passes."""
        (exercise,) = [each for each in self.page.exercises if each.fences[0] in self.fences]
        hints = [each for each in exercise.fences if each.kind == "hint"]
        changes = difflib.SequenceMatcher(None, exercise.start.source, exercise.solution.source, autojunk=False)
        typed = sum(end - begin for tag, _, _, begin, end in changes.get_opcodes() if tag in ("insert", "replace"))
        reading = self.words * 60 / pace.silent_a_minute[self.language]
        code = self.lines("python", "transcript") * pace.code_line_s
        return reading + code + typed * pace.typed_character_s + len(hints) * pace.hint_s + 2 * pace.try_s


def main() -> int:
    """Print, for each plan and row, the minutes on the page and those counted in each language."""
    lessons, docs = read_lessons(), source_root() / "docs"
    for name, rows in lessons.plans.items():
        for row in rows:
            counted = " ".join(f"{each} {minutes(row, lessons.pace, each, docs):4.1f}" for each in LANGUAGES)
            print(f"{name:<6} {row.minutes:>3}  {counted}  {', '.join([*row.aloud, *row.asked, *row.exercises])[:90]}")
        print(f"{name:<6} {sum(row.minutes for row in rows):>3}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
