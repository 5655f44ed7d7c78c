from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright
from small_docs import write_docs
from tools import program

from reference_ws.guide.site import build

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


@pytest.fixture(scope="session")
def small_site(once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """The site of the small documents: built once a run, not to be changed."""

    def build_small(folder: Path) -> None:
        build(output=folder / "site", progress=lambda _: None, config=write_docs(folder))

    return once("small", build_small) / "site"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start the Chromium of the system; tests that use it are marked with ``needs("chromium")``."""
    expect.set_options(timeout=30_000)  # as long as Playwright itself waits: a busy machine is no failure
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program("chromium"), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write one page of a language into a folder of its own."""

    def write_page(text: str, *, language: str = "ru", name: str = "closing") -> Path:
        path = tmp_path / "docs" / language / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_page
