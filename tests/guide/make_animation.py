"""Makes docs/assets/lab.webp, the README's picture of the lab: an edit that fails, and then works, in a real browser.

PYTHONPATH=.:tests python tests/guide/make_animation.py     (after `make check`; nothing else here needs Pillow)
"""

import io
import re
import shutil
from itertools import count

from PIL import Image
from playwright.sync_api import expect, sync_playwright
from server import WAIT_S, files_alone

from reference_ws.guide.pages import source_root
from reference_ws.guide.site import default_output

TARGET = source_root() / "docs/assets/lab.webp"
PLACE = "/pt/"
EXAMPLE = 1
LINE, WRONG = "await websocket.accept()", "pass"
WIDTH, HEIGHT = 1120, 820
SHORT, LONG = 900, 3500
"""Milliseconds for what is seen at once, and for what is read."""

Frame = tuple[Image.Image, int]


def frames(address: str) -> list[Frame]:
    """Take the line away, run, put it back and step through: what a reader sees each time, and for how long."""
    expect.set_options(timeout=WAIT_S * 1000)
    taken: list[Frame] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, reduced_motion="reduce")

        def take(duration: int) -> None:
            taken.append((Image.open(io.BytesIO(page.screenshot(caret="initial"))).convert("RGB"), duration))

        page.goto(f"{address}{PLACE}?present#example-{EXAMPLE}")
        lab = page.locator(f"#example-{EXAMPLE} .ws-lab")
        verdict, editor = lab.locator(".ws-lab__verdict"), lab.locator(".ws-lab__code").get_by_role("textbox")
        expect(lab.locator(".ws-lab__place")).not_to_be_empty()  # Python is there
        lab.locator(".ws-lab__edit").click()
        expect(editor).to_be_focused()
        take(LONG)
        editor.evaluate(
            "(field, text) => field.setSelectionRange(...[0, text.length].map(by => field.value.indexOf(text) + by))",
            LINE,
        )
        take(SHORT)
        page.keyboard.insert_text(WRONG)
        take(SHORT)
        lab.locator(".ws-lab__run").click()
        expect(verdict).to_have_attribute("data-ok", "false")
        take(LONG)
        editor.fill(editor.input_value().replace(WRONG, LINE))
        take(SHORT)
        lab.locator(".ws-lab__step").click()
        for step in count(1):
            expect(lab.locator(".ws-lab__place")).to_have_text(re.compile(rf"^{step} /"))
            is_last = verdict.get_attribute("data-ok") is not None
            take(LONG if is_last else SHORT)
            if is_last:
                break
            page.keyboard.press("ArrowRight")
        browser.close()
    return taken


def main() -> None:
    with files_alone(default_output()) as address:
        (first, _), *others = taken = frames(address)
    durations = [duration for _, duration in taken]
    pictures = [picture for picture, _ in others]
    first.save(TARGET, save_all=True, append_images=pictures, duration=durations, loop=0, quality=70, method=6)
    print(f"{TARGET}: {len(taken)} frames, {TARGET.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
