"""The pages in ``docs/``: their headings and their fences.

`read_page` is strict where Markdown is lenient: a mistyped fence would be shown as a grey box that nobody runs, so
here it is a `PageError` that names the place.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from types import CodeType
from typing import Final, Literal

from reference_ws.guide.words.catalogs import LANGUAGES
from reference_ws.transcript.grammar import parse
from reference_ws.transcript.steps import FromClient, Step, Transcript

PACKAGE: Final = Path(__file__).parents[1]

KINDS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "python": {"exercise": ("start", "solution"), "file": (), "run": ("alone",)},
    "transcript": {"app": (), "denial": ("off",), "exercise": ("start", "solution"), "file": ()},
    "javascript": {"run": ("no",)},
    "html": {"file": (), "run": ("no",)},
    "output": {},
    "http": {"shows": ()},
    "console": {"run": ("here",)},
    "lifecycle": {"show": ("receive", "send", "states", "close-codes")},
    "glossary": {},
    "servers": {},
    "peers": {"of": ("indexpy", "kui", "fastapi", "lilya", "lihil")},
    "conform": {},
    "hint": {},
}
"""The fences that a page may have: kind -> option -> its values; ``()`` stands for any name, ``file`` for a file's.

``run=alone`` marks a program that is run in a process of its own, ``run=here`` commands that are typed into a shell,
and ``run=no`` what only stands there.
"""

_NAMED: Final = {"app": "an application", "file": "a file", "shows": "the bytes that are shown"}

IN_BROWSER: Final = ("javascript", "html")  # what a browser runs

# What the site fills in: such a fence has no text of its own.
DRAWN: Final = ("lifecycle", "glossary", "servers", "peers", "conform")

_FRONT_MATTER = re.compile(r"---\n.*?^---\n", re.DOTALL | re.MULTILINE)
_TICKS = re.compile(r"(?P<before>[\s>]*(?:(?:[-*+]|\d+[.)])\s+)?)(?P<ticks>`{3,}(?=[^`]*$)|~{3,})(?P<info>.*)")
_INFO = re.compile(r"(?P<kind>\S+)(?:[ \t]+\{(?P<options>[^{}]*)\})?")
_HEADING = re.compile(r"(?P<marks>#{1,6})(?P<text>.*)")
_ANCHORED = re.compile(r"[ \t]+(?P<title>\S.*?)[ \t]+\{#(?P<anchor>[A-Za-z][A-Za-z0-9_-]*)\}")
_UNDERLINE = re.compile(r"=+|-+")
_FILE = re.compile(r"[A-Za-z]\w*\.[a-z]+", re.ASCII)


class PageError(ValueError):
    """A page that breaks a rule. ``str()`` is ``docs/ru/closing.md:57: what is wrong and what to do``."""

    def __init__(self, file: str, line: int, problem: str) -> None:
        super().__init__(f"{file}:{line}: {problem}")
        self.file = file
        self.line = line
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Heading:
    """``## Title {#anchor}``; ``line`` is 1-based."""

    level: int
    title: str
    anchor: str
    line: int


@dataclass(frozen=True, slots=True)
class Fence:
    """One fenced block: ``line`` is the 1-based line of its opening backticks, ``anchor`` is the heading above it."""

    kind: str
    options: Mapping[str, str]
    source: str
    line: int
    anchor: str

    @property
    def lines(self) -> range:
        """The numbers of its lines, from the opening backticks to the closing ones."""
        return range(self.line, self.line + self.source.count("\n") + 2)

    @property
    def app(self) -> str:
        """The name of the application that a transcript talks to."""
        return self.options.get("app", "app")

    @property
    def denial(self) -> bool:
        """Whether the transcript's server offers the denial extension."""
        return self.options.get("denial") != "off"


@dataclass(frozen=True, slots=True)
class Exercise:
    """All fences of a section that sets the reader a task; ``name`` is the anchor of its heading.

    Of kind ``"code"``, the reader mends the code until it does what the transcript says; of kind ``"script"`` the code
    stands, and the reader writes into the transcript what the clients do until the application does what it demands.
    """

    name: str
    fences: tuple[Fence, ...]

    @property
    def start(self) -> Fence:
        """What the reader begins with: a sample, or in kind ``"script"`` a transcript. It fails."""
        return next(fence for fence in self.fences if fence.options.get("exercise") == "start")

    @property
    def solution(self) -> Fence:
        """What stands in the place of the start, and passes."""
        return next(fence for fence in self.fences if fence.options.get("exercise") == "solution")

    @property
    def kind(self) -> Literal["code", "script"]:
        """What the reader changes."""
        return "code" if self.start.kind == "python" else "script"

    @property
    def code(self) -> tuple[Fence, ...]:
        """The samples that run before the transcript, the start among them: none when the page's own code stands."""
        return tuple(fence for fence in self.fences if fence.kind == "python" and fence != self.solution)

    @property
    def transcript(self) -> Fence:
        """The transcript that the code, or the reader's script, is tried with: the example that the lab shows."""
        return next(fence for fence in self.fences if fence.kind == "transcript")

    @property
    def hints(self) -> tuple[Fence, ...]:
        """Markdown that helps, one after the other."""
        return tuple(fence for fence in self.fences if fence.kind == "hint")


_EXERCISE: Final = re.compile(r"p*\+pth+=p|p*\+th+=t")  # its fences by their first letters, see `_Reader.exercises`


@dataclass(frozen=True, slots=True)
class Page:
    """One page in one language; ``name`` is the file's name without ``.md``, ``path`` is absolute."""

    language: str
    name: str
    path: Path
    title: str
    fences: tuple[Fence, ...]
    headings: tuple[Heading, ...]
    exercises: tuple[Exercise, ...] = ()

    @property
    def file(self) -> str:
        """How messages call it: ``docs/ru/closing.md``."""
        return page_file(self.path)

    @property
    def examples(self) -> tuple[Fence, ...]:
        """The transcripts, in order: the lab counts them from 1, the same in every language. Solutions are none."""
        return self._of("transcript")

    @property
    def samples(self) -> tuple[Fence, ...]:
        """The samples of Python code, in order; solutions and programs that are run alone are none."""
        return tuple(fence for fence in self._of("python") if "run" not in fence.options)

    def output(self, fence: Fence) -> Fence | None:
        """Find what a fence writes when it is run: the output that stands below it, if one does."""
        below = next((other for other in self.fences if other.line > fence.line), None)
        return below if below and below.kind == "output" else None

    def _of(self, kind: str) -> tuple[Fence, ...]:
        return tuple(each for each in self.fences if each.kind == kind and each.options.get("exercise") != "solution")

    @property
    def transcripts(self) -> tuple[Fence, ...]:
        """The transcripts that hold as they are written, for what stands above them: all but those of exercises."""
        return tuple(fence for fence in self.examples if self.exercise(fence) is None)

    def exercise(self, fence: Fence) -> Exercise | None:
        """Find the exercise that a fence belongs to: nothing else on the page sees its code."""
        return next((exercise for exercise in self.exercises if exercise.name == fence.anchor), None)

    def before(self, fence: Fence) -> list[int]:
        """List the numbers of the samples that run before a transcript: the page's above it, its exercise's own."""
        seen = (None, self.exercise(fence))
        numbered = enumerate(self.samples, 1)
        return [number for number, sample in numbered if sample.line < fence.line and self.exercise(sample) in seen]

    def missing(self, exercise: Exercise, script: Transcript) -> Step | None:
        """Find the first step of the application that an exercise of kind ``"script"`` demands and `script` lacks.

        The reader adds steps and changes those of the clients. What the application has to do stays, in its order:
        else the exercise would be solved by asking for less.
        """
        demanded = [] if exercise.kind == "code" else self.transcript(exercise.start).steps
        left = iter(script.steps)  # `in` takes from it as far as it has to look
        return next((step for step in demanded if not isinstance(step, FromClient) and step not in left), None)

    def transcript(self, fence: Fence) -> Transcript:
        """Read a transcript of this page; its steps carry the lines of the page. Raises `TranscriptError`."""
        return _parse(fence.source, file=self.file, first_line=fence.line + 1)

    def sample_at(self, line: int) -> tuple[int, int] | None:
        """Find a line of the file in a sample: the sample's number and the line in it, both from 1."""
        for number, fence in enumerate(self.samples, 1):
            if fence.line < line <= fence.line + fence.source.count("\n"):
                return number, line - fence.line
        return None

    def example(self, fence: Fence) -> int:
        """Tell the number of a transcript of this page."""
        return self.examples.index(fence) + 1


_parse = lru_cache(1024)(parse)  # to check a page, to draw it and to run it


def source_root() -> Path:
    """Find the folder with ``mkdocs.yml`` and ``docs/``: inside an installed package, or the checkout around it."""
    installed = PACKAGE / "_source"
    return installed if installed.is_dir() else PACKAGE.parent


def read_pages(docs: Path, *languages: str) -> list[Page]:
    """Read the pages of `languages` (all of them by default), ordered by language and name. Raises `PageError`."""
    return [read_page(path) for language in languages or LANGUAGES for path in sorted((docs / language).glob("*.md"))]


def read_page(path: Path) -> Page:
    """Read one page ``docs/<language>/<name>.md``. Raises `PageError` for the first rule that it breaks."""
    path = path.resolve()
    return read_source(path, path.read_bytes())


@lru_cache(256)  # a build reads each page three times
def read_source(path: Path, source: bytes) -> Page:
    """Read the page at `path`, of which this is the text. Raises `PageError`."""
    try:
        text = source.decode()
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        raise PageError(page_file(path), line, "this is not UTF-8: save the page in that encoding") from None
    front_matter = _FRONT_MATTER.match(text)
    reader = _Reader(path)
    begin = front_matter.end() if front_matter else 0
    reader.read("\n" * text.count("\n", 0, begin) + text[begin:])
    title = next((heading.title for heading in reader.headings if heading.level == 1), None)
    if title is None or [heading.level for heading in reader.headings].count(1) != 1 or reader.headings[0].level != 1:
        raise PageError(
            page_file(path), 1, "a page begins with its one title: write `# Title {#anchor}` once, above all else"
        )
    exercises = tuple(reader.exercises())
    return Page(path.parent.name, path.stem, path, title, tuple(reader.fences), tuple(reader.headings), exercises)


def compile_sample(fence: Fence, file: str) -> CodeType:
    """Compile a python fence, with top-level ``await`` and the lines of its page. Raises `SyntaxError`."""
    return _compiled("\n" * fence.line + fence.source, file)


@lru_cache(1024)  # to check a page and to run it
def _compiled(source: str, file: str) -> CodeType:
    # dont_inherit: this file's own `from __future__` is not the page's.
    code: CodeType = compile(source, file, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    return code


def page_file(path: Path) -> str:
    """Name the page at `path` in messages: ``docs/ru/closing.md``."""
    return "/".join(path.parts[-3:])


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block as somebody wrote it: what stands before and behind its opening ``ticks``, and what is in it."""

    before: str
    ticks: str
    info: str
    body: tuple[str, ...]
    closed: bool

    @property
    def source(self) -> str:
        """What is in it."""
        return "".join(text + "\n" for text in self.body)


def read_blocks(text: str) -> Iterator[tuple[int, str | Block]]:
    """Walk over Markdown: each fenced block, and each other line, with the 1-based line on which it begins.

    Every reader of a page's fences stands on this one: the site, the tests of the documents, and the command ``play``,
    whose files are anybody's. What a comment over several lines hides is no block and no line.
    """
    numbered = enumerate(text.splitlines(), 1)
    for line, source in numbered:
        opening = _TICKS.match(source)
        if opening is None:
            yield line, source
            hidden = "<!--" in source and "-->" not in source
            while hidden:
                hidden = "-->" not in next(numbered, (0, "-->"))[1]
            continue
        before, ticks, info = opening.groups()
        body: list[str] = []
        closed = False
        for _, inner in numbered:
            # In a list or a quotation, every line stands as far in as the ticks do.
            inner = inner if inner[: len(before)].strip("> \t") else inner[len(before) :]
            mark = inner.strip()
            closed = len(mark) >= len(ticks) and set(mark) == {ticks[0]}
            if closed:
                break
            body.append(inner)
        yield line, Block(before, ticks, info.strip(), tuple(body), closed)


class _Reader:
    """Reads one file; `fences` and `headings` grow as it goes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = page_file(path)
        self.fences: list[Fence] = []
        self.headings: list[Heading] = []

    def read(self, source: str) -> None:
        before = ""
        for line, text in read_blocks(source):
            if isinstance(text, Block):
                self.fences.append(self.fence(line, text))
                before = ""
                continue
            if heading := _HEADING.match(text):
                self.headings.append(self.heading(line, heading))
            elif _UNDERLINE.fullmatch(text.rstrip()) and before.strip():
                raise PageError(self.file, line, "underlined headings carry no anchor: write `## Title {#anchor}`")
            elif "<!--" in text and "-->" not in text:
                raise PageError(self.file, line, "a comment over several lines hides what is in it: end it on its line")
            before = text

    def heading(self, line: int, match: re.Match[str]) -> Heading:
        anchored = _ANCHORED.fullmatch(match["text"].rstrip())
        if anchored is None:
            raise PageError(self.file, line, "a heading needs an ASCII anchor of its own: write `## Title {#anchor}`")
        for other in self.headings:
            if other.anchor == anchored["anchor"]:
                problem = f"the anchor {other.anchor} is taken by line {other.line}: choose another"
                raise PageError(self.file, line, problem)
        return Heading(len(match["marks"]), anchored["title"], anchored["anchor"], line)

    def fence(self, line: int, block: Block) -> Fence:
        if block.before or block.ticks != "```":
            raise PageError(
                self.file, line, "a fence is three backticks at the start of the line: move it out of lists"
            )
        info = _INFO.fullmatch(block.info)
        if info is None:
            problem = f"a fence is written as ```kind or ```kind {{option=value}}, not ```{block.info}"
            raise PageError(self.file, line, problem)
        options = self.options(line, info["kind"], info["options"] or "")
        for number, text in enumerate(block.body, line + 1):
            if text.startswith("```"):
                raise PageError(self.file, number, f"close the fence of line {line} with ``` before this one")
        if not block.closed:
            raise PageError(self.file, line, "this fence has no end: close it with ``` on a line of its own")
        drawn = info["kind"] in DRAWN
        if drawn is any(map(str.strip, block.body)):
            problem = f"a {info['kind']} fence has no text: the site draws it" if drawn else "this fence is empty"
            raise PageError(self.file, line, problem)
        if info["kind"] == "hint" and re.search(r"\]\((?!#)", block.source):
            raise PageError(self.file, line, "a hint leads to sections of its own page: write [...](#anchor)")
        anchor = self.headings[-1].anchor if self.headings else ""
        fence = Fence(info["kind"], options, block.source, line, anchor)
        writer = self.fences[-1] if self.fences else None
        runs = writer and (writer.kind, writer.options.get("run")) in (("javascript", None), ("python", "alone"))
        if fence.kind == "output" and not runs:
            problem = "output stands below what writes it: a javascript fence, or a python fence with run=alone"
            raise PageError(self.file, line, problem)
        if fence.kind == "python":
            try:
                compile_sample(fence, str(self.path))
            except SyntaxError as error:
                raise PageError(self.file, error.lineno or line, f"this sample is no Python: {error.msg}") from None
            except (MemoryError, RecursionError, ValueError) as error:  # the parser's bounds, and NUL bytes
                problem = f"this sample is no Python: {error or 'it is nested too deeply'}"
                raise PageError(self.file, line, problem) from None
        return fence

    def exercises(self) -> Iterator[Exercise]:
        """Find the sections that are exercises, once all is read."""
        for name, section in groupby(self.fences, key=lambda fence: fence.anchor):
            fences = tuple(section)
            marked = [fence for fence in fences if fence.kind == "hint" or "exercise" in fence.options]
            if not marked:
                continue
            # A letter a fence: sample, transcript, hint; start and solution are marked in front.
            marks = {"start": "+", "solution": "="}
            parts = [fence for fence in fences if fence.kind in ("python", "transcript", "hint")]
            shape = "".join(marks.get(fence.options.get("exercise", ""), "") + fence.kind[0] for fence in parts)
            if not _EXERCISE.fullmatch(shape):
                raise PageError(self.file, marked[0].line, _exercise_problem(name, shape))
            yield Exercise(name, fences)

    def options(self, line: int, kind: str, text: str) -> dict[str, str]:
        if kind not in KINDS:
            raise PageError(self.file, line, f"{kind} is no fence of ours: use {', '.join(KINDS)}")
        try:
            words = [word.partition("=") for word in shlex.split(text)]
        except ValueError:
            raise PageError(self.file, line, f"a quotation mark is missing in {{{text}}}") from None
        options = {name: value for name, _, value in words}
        for name, value in options.items():
            if name not in KINDS[kind]:
                known = ", ".join(KINDS[kind]) or "none"
                raise PageError(self.file, line, f"{name} is no option of a {kind} fence (its options: {known})")
            values = KINDS[kind][name]
            wanted = ", ".join(values) or f"the name of {_NAMED[name]}"
            if not (value in values if values else _FILE.fullmatch(value) if name == "file" else value.isidentifier()):
                raise PageError(self.file, line, f"write {name}=... with {wanted}")
        if len(options) != len(words):
            raise PageError(self.file, line, f"an option stands twice in {{{text}}}: write it once")
        if kind == "python" and "run" in options and "file" not in options:
            raise PageError(self.file, line, "a program that is run alone is a file: write {file=NAME.py run=alone}")
        if kind == "lifecycle" and not options:
            raise PageError(self.file, line, f"write {{show=...}} with {', '.join(KINDS[kind]['show'])}")
        if kind == "http" and not options:
            raise PageError(self.file, line, f"write {{shows=...}} with the name of {_NAMED['shows']}")
        return options


def _exercise_problem(name: str, shape: str) -> str:
    for mark in "+=":
        if shape.count(mark) > 1:
            return f"{name} is the name of an exercise already: give the second one a heading of its own"
    parts = {"start": r"\+", "transcript": "(?<!=)t", "hint": "h", "solution": "="}
    for part, pattern in parts.items():
        if not re.search(pattern, shape):
            return f"the exercise {name} has no {part}: it consists of start, transcript, hints and solution"
    return (
        f"the fences of the exercise {name} stand in another order than start, transcript, hints, solution,"
        " or its solution is no fence of the start's kind"
    )


def section_path(section: str) -> str:
    """Where a section stands below the first page of its language: ``closing#denial`` at ``closing/#denial``."""
    page, _, anchor = section.partition("#")
    return ("" if page == "index" else f"{page}/") + (anchor and f"#{anchor}")


def live_path(page: str, app: str = "app", denial: bool = True) -> str:
    """Where `reference-ws serve` mounts an application of a page: ``/live/closing``, ``/live/closing.raw.nodenial``."""
    return f"/live/{page}{'' if app == 'app' else f'.{app}'}{'' if denial else '.nodenial'}"
