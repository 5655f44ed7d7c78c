"""What runs the reader's code in the browser reaches neither the page nor another origin, on any host of static files.

docs/assets/lab/worker.js is replaced: code that a link has brought can do whatever a worker can do.
"""

import json
import shutil
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import BrowserContext, expect

from reference_ws.guide import policy
from reference_ws.guide.pages import source_root

pytestmark = pytest.mark.needs("chromium")

DOCS = source_root() / "docs"
WORKER = """
const blob = text => URL.createObjectURL(new Blob([text], { type: "text/javascript" }))
const answer = (made, ...names) => new Promise((done, fail) => {
  for (const name of names) made[`on${name}`] = () => done(name)
  made.onerror = event => fail(event.message ?? "error")
})
const tries = {
  caches: () => caches.open("x"),
  storage: () => answer(indexedDB.open("x"), "success"),
  cookies: () => cookieStore.getAll(),
  same: () => fetch(SAME),
  other: () => fetch(OTHER, { mode: "no-cors" }),
  request: () => { const request = new XMLHttpRequest(); request.open("GET", OTHER, false); request.send() },
  socket: () => answer(new WebSocket(OTHER.replace("http", "ws")), "open"),
  events: () => answer(new EventSource(OTHER), "open"),
  script: () => importScripts(SAME),
  module: () => import(OTHER),
  code: () => eval("1"),
  nested: () => {
    const worker = new Worker(blob(`fetch(${JSON.stringify(SAME)}).then(() => postMessage(1), () => close())`))
    return Promise.race([answer(worker, "message"), new Promise((_, fail) => setTimeout(fail, 2000, "silent"))])
  },
  page: () => { const channel = new BroadcastChannel("page"); channel.postMessage("hello"); throw "sent" },
}
onmessage = async ({ ports: [port] }) => {
  const done = {}
  for (const [name, attempt] of Object.entries(tries))
    try { await attempt(); done[name] = true } catch { done[name] = false }
  const explanation = "<a href='javascript:1' onclick='1'>a</a><img src=x><script>1</script><b>b</b>"
    + "<a href='https://e.test'>c</a>"
  const svg = "<svg viewBox='0 0 1 1'><use href='#x'/></svg>"
  port.postMessage({ do: "show", done, origin: self.origin, explanation, svg })
  for (;;);
}
"""
PAGE = """<!doctype html><head><meta charset="utf-8"><title>page</title>
<script type="module" src="main.js"></script></head><body></body>"""
MAIN = """
import { Python } from "./assets/lab/python.js"
window.heard = []
new BroadcastChannel("page").onmessage = ({ data }) => window.heard.push(data)
const python = window.python = new Python()
python.onmessage = ({ data }) => { window.told = data; document.title = "told" }
python.postMessage({ do: "load", runtime: new URL("assets/python/", location).href, page: {} })
"""


@pytest.fixture
def serve(request) -> Callable[[Path], tuple[str, list[str]]]:
    """Serve a folder as ``python -m http.server`` does; the list has the paths that were asked for."""

    def start(folder: Path) -> tuple[str, list[str]]:
        asked: list[str] = []

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, *_):
                asked.append(self.path)

        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        thread = Thread(target=server.serve_forever)
        thread.start()
        request.addfinalizer(lambda: (server.shutdown(), server.server_close(), thread.join()))
        return f"http://127.0.0.1:{server.server_port}/", asked

    return start


@pytest.fixture
def opened(serve, tmp_path, open_context):
    """A page that has let its worker do its worst, the paths that the site and another origin were asked for."""
    other, asked_of_other = serve(tmp_path)
    site = tmp_path / "site"
    shutil.copytree(DOCS / "assets/lab", site / "assets/lab")
    home, asked = serve(site)
    places = f"const OTHER = {json.dumps(other + 'other')}, SAME = {json.dumps(home + 'secret.js')}\n"
    (site / "assets/lab/worker.js").write_text(places + WORKER, "utf-8")
    (site / "assets/python").mkdir()
    (site / "assets/python/runtime.json").write_text('{"files": [], "lock": {}}', "utf-8")
    (site / "index.html").write_text(PAGE, "utf-8")
    (site / "main.js").write_text(MAIN, "utf-8")
    (site / "secret.js").write_text("self.stolen = true", "utf-8")
    policy.write(site)
    context: BrowserContext = open_context()
    page = context.new_page()
    page.goto(home)
    expect(page).to_have_title("told", timeout=60_000)
    yield page, asked, asked_of_other
    context.close()


def test_the_worker_reaches_nothing(opened):
    page, asked, asked_of_other = opened
    told = page.evaluate("told")

    assert "null" == told["origin"]
    assert [] == [name for name, done in told["done"].items() if done]
    assert [] == page.evaluate("heard")
    assert "/secret.js" not in asked
    assert [] == asked_of_other


def test_what_it_says_is_shown_without_scripts_and_foreign_links(opened):
    page, *_ = opened
    told = page.evaluate("told")
    assert "<a>a</a><b>b</b><a>c</a>" == told["explanation"]
    assert '<svg viewBox="0 0 1 1"></svg>' == told["svg"]


def test_it_is_stopped_whatever_it_does(opened):
    page, *_ = opened
    assert 1 == page.evaluate("document.querySelectorAll('iframe').length")
    page.evaluate("python.terminate()")
    assert 0 == page.evaluate("document.querySelectorAll('iframe').length")
    assert 2 == page.evaluate("1 + 1")
