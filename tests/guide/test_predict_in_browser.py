"""What asks the reader: predict, the presentation, exercises and sheets; from a host of files, in a real Chromium."""

import json
import re

import pytest
from playwright.sync_api import Locator, Page, expect
from test_lab_in_browser import DOCS, Lab, barriers, example, more, path_of

from reference_ws.guide.pages import read_page

pytestmark = pytest.mark.needs("chromium")


class Asked(Lab):
    """An example whose steps are asked about."""

    def __init__(self, page: Page, number: int) -> None:
        super().__init__(page, number)
        self.question = self.root.locator(".ws-lab__question")
        self.options = self.question.locator("[data-option]")
        self.result = self.question.locator(".ws-lab__result")
        self.covered = self.script.locator("pre code > span[data-future]")

    def asks(self, name: str) -> None:
        expect(self.question.locator("legend")).to_contain_text(self.words[f"ask_{name}"])
        assert 3 <= self.options.count() <= 4

    def option(self, text: str) -> Locator:
        return self.options.filter(has_text=re.compile(rf"^\d{re.escape(text)}$"))

    def answers(self, text: str, *, ok: bool) -> None:
        self.option(text).click()
        expect(self.result).to_have_attribute("data-ok", str(ok).lower())


# --- predict ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["pt", more("zh"), more("ru")])
def test_what_comes_is_asked_before_it_is_shown(visit, language):
    page = visit(path_of(language, "index"))
    lab, count = Asked(page, 1), len(example(language, "index", 1).steps)
    lab.button("predict").click()
    lab.asks("states")
    assert count == lab.covered.count()
    expect(lab.covered.first).to_be_hidden()
    expect(lab.root.locator(".ws-lab__asks")).to_be_hidden()
    expect(lab.figure.locator(".ws-transcript__states")).to_be_hidden()
    assert lab.rows.count() == 0
    lab.slider.fill(str(count))  # nobody jumps over a question
    lab.is_at(0, count)
    lab.asks("states")
    lab.answers("client=CONNECTED application=CONNECTING", ok=True)
    lab.is_at(1, count)
    expect(lab.result).to_contain_text(lab.words["answer_right"])
    expect(lab.root.locator(".ws-lab__explanation")).to_contain_text("websocket.connect")
    expect(lab.covered.first).to_be_hidden()

    lab.button("next").click()
    lab.asks("next")
    lab.answers("<- deny 403", ok=False)
    expect(lab.result).to_contain_text("<- accept")
    expect(lab.result).to_contain_text(score(lab, 1, 2))
    lab.button("next").click()
    lab.asks("waits")
    lab.answers("await websocket.send_text(text)", ok=True)
    lab.button("next").click()
    lab.question.get_by_role("button", name=lab.words["reveal"]).click()
    expect(lab.result).to_contain_text(lab.words["answer_shown"])
    lab.is_at(4, count)
    lab.button("back").click()
    lab.is_at(3, count)
    lab.button("next").click()  # once is enough
    lab.is_at(4, count)
    lab.button("next").click()
    lab.asks("states")
    lab.answers("client=DISCONNECTED application=CONNECTED", ok=True)
    lab.ends(ok=True)

    lab.button("step").click()
    lab.is_at(1, count)
    expect(lab.question).to_be_empty()
    expect(lab.covered.first).to_be_visible()
    page.reload()
    lab.button("predict").click()
    lab.answers("client=CONNECTED application=CONNECTING", ok=True)
    other = Asked(page, 3)
    other.button("predict").click()
    other.answers("client=DISCONNECTED application=CONNECTED", ok=False)
    expect(other.result).to_contain_text(score(other, 0, 1, 1, 2))  # of the page: the first example is kept


def score(lab: Lab, right: int, count: int, page_right: int | None = None, page_count: int | None = None) -> str:
    values = {
        "right": right,
        "count": count,
        "page_right": right if page_right is None else page_right,
        "page_count": count if page_count is None else page_count,
    }
    return str(lab.words["score"] % values)


@pytest.mark.full
def test_questions_are_answered_with_keys(visit):
    page = visit(path_of("ru", "index", "#example-2"))
    lab, count = Asked(page, 2), len(example("ru", "index", 2).steps)
    lab.button("predict").focus()
    page.keyboard.press("Enter")
    lab.asks("states")
    assert page.evaluate("document.activeElement.localName") == "fieldset"
    page.keyboard.press("Enter")  # answers nothing by mistake
    expect(lab.result).to_be_empty()
    for step in range(1, count + 1):
        if lab.question.locator(".ws-lab__reveal").count():
            page.keyboard.press("3" if step % 2 else "ArrowRight")
            expect(lab.result).not_to_be_empty()
        lab.is_at(step, count)
        assert lab.rows.count() == step
        assert page.evaluate("document.activeElement !== document.body")
        if step < count:
            page.keyboard.press("ArrowRight")
            expect(
                lab.question.locator(".ws-lab__reveal").or_(lab.place.get_by_text(f"{step + 1} / {count}"))
            ).to_have_count(1)
    lab.ends(ok=True)


@pytest.mark.full
def test_an_edited_play_is_asked_about_as_it_goes(visit):
    lab = Asked(visit(path_of("pt", "index")), 1)
    lab.button("edit").click()
    lab.replace("await websocket.accept()", "await websocket.close()")
    lab.button("predict").click()
    lab.answers("client=CONNECTING application=CONNECTING", ok=True)
    expect(lab.script_editor).to_be_hidden()
    lab.button("next").click()
    lab.asks("next")
    lab.answers("<- deny 403", ok=True)
    lab.ends(ok=False)
    lab.button("edit").click()
    expect(lab.script_editor).to_be_visible()
    lab.button("reset").click()


# --- the presentation -------------------------------------------------------------------------------------------------


def test_a_presentation_begins_below_a_heading_and_asks(visit):
    page = visit(path_of("ru", "index", "?present#reading-a-transcript"), viewport={"width": 1280, "height": 720})
    lab = Asked(page, 2)
    expect(page.locator(".ws-present")).to_be_visible()
    assert page.url.endswith("?present#example-2")
    lab.is_at(0, len(example("ru", "index", 2).steps))
    assert lab.rows.count() == 0
    expect(lab.covered.first).to_be_hidden()
    expect(lab.question).to_be_empty()  # a class looks at the code first
    page.keyboard.press("ArrowRight")
    lab.asks("states")
    assert [] == barriers(page)
    for pane in (
        lab.code,
        lab.root.locator(".ws-lab__picture"),
        lab.root.locator(".ws-lab__meaning"),
        lab.options.last,
    ):
        box = pane.bounding_box()
        assert box
        assert box["y"] + box["height"] <= 720
    page.keyboard.press("ArrowRight")
    lab.is_at(1, len(example("ru", "index", 2).steps))
    expect(lab.result).to_contain_text(lab.words["answer_shown"])
    page.keyboard.press("q")
    expect(lab.question).to_be_empty()
    expect(lab.covered.first).to_be_visible()

    page.keyboard.press("n")
    third = Asked(page, 3)
    expect(third.covered.first).to_be_hidden()
    assert page.url.endswith("?present#example-3")
    page.locator(".ws-present__choice").select_option(index=0)
    expect(Asked(page, 1).covered.first).to_be_hidden()
    page.locator(".ws-present").get_by_role("link", name="Português").click()
    page.wait_for_url("**/pt/?present#example-1")
    expect(Asked(page, 1).covered.first).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.locator(".ws-present")).to_have_count(0)


@pytest.mark.full
def test_without_python_a_presentation_shows_the_pictures(visit):
    page = visit(path_of("pt", "lifecycle"), locale="pt-BR")  # a profile of its own, in which nothing else is kept
    page.add_init_script("Object.defineProperty(navigator, 'serviceWorker', { value: undefined })")
    page.evaluate(
        "navigator.serviceWorker.getRegistrations().then(all => Promise.all(all.map(each => each.unregister())))"
    )
    page.route("**/runtime.json", lambda route: route.fulfill(status=404))
    page.goto(page.url.partition("#")[0] + "?present#example-2")
    lab = Asked(page, 2)
    expect(lab.alert).to_have_text(lab.words["no_runtime"])
    expect(lab.conversation.locator("> span").last).to_be_visible()
    assert lab.rows.count() == len(example("pt", "lifecycle", 2).steps)


def test_a_page_without_examples_says_so(visit):
    page = visit(path_of("ru", "glossary", "?present"))
    expect(page.locator(".ws-unpresented")).to_be_visible()
    page.goto(page.url.partition("?")[0])
    expect(page.locator(".ws-unpresented")).to_be_hidden()


# --- exercises --------------------------------------------------------------------------------------------------------


def exercise(language: str, name: str, kind: str) -> tuple[str, int, str]:
    """Give an exercise's anchor, the number of its example, and its solution."""
    page = read_page(DOCS / language / f"{name}.md")
    found = next(each for each in page.exercises if each.kind == kind)
    return found.name, page.example(found.transcript), found.solution.source


@pytest.mark.parametrize("language", ["ru", more("zh"), more("pt")])
def test_an_exercise_fails_is_solved_and_stays_solved(visit, language, address):
    name, number, solution = exercise(language, "handlers", "code")
    page = visit(path_of(language, "handlers"))
    lab = Lab(page, number)
    box = page.locator(f"[data-exercise={name}]")
    ticks = page.locator(f"#{name} .ws-solved")
    lab.button("check").click()
    lab.ends(ok=False)
    expect(ticks).to_have_count(0)
    assert lab.script_editor.get_attribute("readonly") is not None
    lab.code_editor.fill(solution + "# mine\n")
    page.reload()
    lab.button("check").click()  # what was typed is there
    lab.ends(ok=True)
    expect(lab.code_editor).to_have_value(solution + "# mine\n")
    expect(ticks).to_have_count(1)

    hints = box.locator(".ws-exercise__hint")
    for hint in range(hints.count()):
        expect(hints.nth(hint)).to_be_visible()
        if hint + 1 < hints.count():
            expect(hints.nth(hint + 1)).to_be_hidden()
        hints.nth(hint).locator("summary").click()
    box.locator(".ws-exercise__solution > summary").click()
    expect(box.locator(".ws-exercise__differs")).to_contain_text(re.compile(r"\w"))

    page.reload()
    expect(ticks).to_have_count(1)
    expect(page.locator(".md-nav--primary a.md-nav__link[href='./'] .ws-solved")).to_have_count(1)
    link = page.locator(".ws-progress input").input_value()
    other = visit(link.removeprefix(address), locale="pt-BR")
    expect(other.locator(".ws-progress--shared li")).to_contain_text([f"handlers/{name}"])
    title = read_page(DOCS / language / "handlers.md")
    expect(other.locator(".ws-progress--shared li")).to_contain_text(
        [next(heading.title for heading in title.headings if heading.anchor == name).split("`")[0]]
    )
    expect(other.locator(f"#{name} .ws-solved")).to_have_count(0)
    other.goto(link.partition("#")[0] + "#solved=<img src=x>,handlers/nothing")
    expect(other.locator(".ws-progress--shared li")).to_have_text(["handlers/nothing"])

    page.locator(".ws-progress button").last.click()
    expect(ticks).to_have_count(0)
    assert json.loads(page.evaluate("localStorage.getItem('ws-lab solved')")) == []


@pytest.mark.full
def test_a_script_has_to_keep_what_is_demanded(visit):
    name, number, solution = exercise("pt", "handlers", "script")
    page = visit(path_of("pt", "handlers"))
    lab = Lab(page, number)
    lab.button("check").click()
    lab.ends(ok=False)
    assert lab.code_editor.get_attribute("readonly") is not None
    lab.script_editor.fill("".join(line + "\n" for line in solution.split("\n")[:2]))
    lab.button("check").click()
    expect(lab.verdict).to_contain_text("<- close 1011")
    lab.ends(ok=False)
    lab.script_editor.fill(solution)
    lab.button("check").click()
    lab.ends(ok=True)
    expect(page.locator(f"#{name} .ws-solved")).to_have_count(1)
    assert [] == barriers(page)


# --- sheets -----------------------------------------------------------------------------------------------------------


def test_sheets_without_and_with_answers(visit):
    page = visit(path_of("zh", "lifecycle", "?sheet"))
    states = page.locator(".ws-transcript__text pre code > span").filter(has_text=re.compile(r"^(\w+ )?=="))
    solutions = page.locator(".ws-exercise__solution, .ws-exercise__hint")
    words = re.compile("CONNECTING|CONNECTED|DISCONNECTED")
    expect(page.locator("body")).to_have_class(re.compile("ws-sheet"))
    assert states.count() > 0
    expect(states.filter(has_text=words)).to_have_count(0)
    assert solutions.count() > 0
    expect(solutions.filter(visible=True)).to_have_count(0)
    expect(page.locator("svg.ws-diagram .small.connected").first).to_be_hidden()
    expect(page.locator(".ws-lab").first).to_be_hidden()
    page.locator(".ws-sheet__bar a").first.click()
    page.wait_for_url("**/?answers")
    expect(states.filter(has_text=words)).to_have_count(states.count())
    expect(solutions.filter(visible=True)).to_have_count(solutions.count())
    assert [] == barriers(page)
