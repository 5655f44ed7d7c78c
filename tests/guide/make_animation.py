"""Makes docs/assets/lab.webp, the README's picture of the lab, from a real run: a screenshot after each step.

PYTHONPATH=.:tests python tests/guide/make_animation.py     (after `make check`; nothing else here needs Pillow)
"""

import io
import shutil
import sys

from PIL import Image
from playwright.sync_api import expect, sync_playwright
from server import in_thread

from reference_ws.guide.pages import source_root
from reference_ws.guide.serving import application
from reference_ws.guide.site import default_output

DOCS = source_root() / "docs"
TARGET = DOCS / "assets/lab.webp"
PLACE = "/pt/"
EXAMPLE = 1
WIDTH, HEIGHT = 960, 660
SECONDS, LAST_SECONDS = 1.2, 3.0


def frames(address: str) -> list[Image.Image]:
    """Step through the example; return a picture of the lab after each step."""
    pictures = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, reduced_motion="reduce")
        page.goto(f"{address}{PLACE}?present#example-{EXAMPLE}")
        lab = page.locator(f"#example-{EXAMPLE} .ws-lab")
        page.keyboard.press("s")
        before = ""
        while True:
            asks, verdict = lab.locator(".ws-lab__asks"), lab.locator(".ws-lab__verdict:not(:empty)")
            expect(asks).not_to_have_text(before)
            if asks.inner_text() or verdict.count():
                pictures.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
            if verdict.count():
                break
            before = asks.inner_text()
            page.keyboard.press("ArrowRight")
            expect(lab.locator(".ws-transcript__drawing .step")).to_have_count(len(pictures))
            expect(asks.and_(page.locator(":not(:empty)")).or_(verdict)).to_be_visible()
        browser.close()
    return pictures


def main() -> None:
    served = application(default_output(), DOCS)
    with in_thread(served, lifespan="on", timeout_graceful_shutdown=0) as url:
        first, *others = frames(url.replace("ws:", "http:"))
    durations = [round(SECONDS * 1000)] * len(others) + [round(LAST_SECONDS * 1000)]
    first.save(TARGET, save_all=True, append_images=others, duration=durations, loop=0, quality=70, method=6)
    print(f"{TARGET}: {len(others) + 1} frames, {TARGET.stat().st_size // 1000} kB")


if __name__ == "__main__":
    sys.exit(main())
