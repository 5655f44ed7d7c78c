"""On any host of static files what runs the reader's code reaches nothing; what was read works without a network."""

import json
import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Error, Page, expect
from server import WAIT_S

from reference_ws.guide import policy
from reference_ws.guide.pages import source_root

pytestmark = pytest.mark.needs("chromium")

DOCS = source_root() / "docs"
# In place of docs/assets/lab/worker.js: code that a link has brought can do whatever a worker can do.
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
  const svg = "<svg viewBox='0 0 1 1' style='--ws-width:1.5;--ws-height:2'><use href='#x'/></svg>"
    + "<p style='position:fixed;inset:0'>d</p><a href='http://['>e</a>"
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
def serve(request) -> Callable[[Path], tuple[str, list[str], Callable[[], None]]]:
    """Serve a folder as ``python -m http.server`` does: its address, the paths that were asked for, and its end."""

    def start(folder: Path) -> tuple[str, list[str], Callable[[], None]]:
        asked: list[str] = []

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, *_):
                asked.append(self.path)

        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        thread = Thread(target=server.serve_forever)
        thread.start()

        def stop() -> None:
            if thread.is_alive():
                server.shutdown()
                thread.join()
                server.server_close()

        request.addfinalizer(stop)
        return f"http://127.0.0.1:{server.server_port}/", asked, stop

    return start


@pytest.fixture
def opened(serve, tmp_path, open_context):
    """A page that has let its worker do its worst, the paths that the site and another origin were asked for."""
    other, asked_of_other, _ = serve(tmp_path)
    site = tmp_path / "site"
    shutil.copytree(DOCS / "assets/lab", site / "assets/lab")
    home, asked, _ = serve(site)
    places = f"const OTHER = {json.dumps(other + 'other')}, SAME = {json.dumps(home + 'secret.js')}\n"
    (site / "assets/lab/worker.js").write_text(places + WORKER, "utf-8")
    (site / "assets/python").mkdir()
    (site / "assets/python/runtime.json").write_text('{"files": [], "lock": {}}', "utf-8")
    (site / "index.html").write_text(PAGE, "utf-8")
    (site / "main.js").write_text(MAIN, "utf-8")
    (site / "secret.js").write_text("self.stolen = true", "utf-8")
    policy.write(site)
    page = open_context().new_page()
    page.goto(home)
    expect(page).to_have_title("told", timeout=WAIT_S * 1000)
    return page, asked, asked_of_other


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
    assert '<svg viewBox="0 0 1 1" style="--ws-width:1.5;--ws-height:2"></svg><p>d</p><a>e</a>' == told["svg"]


def test_it_is_stopped_whatever_it_does(opened):
    page, *_ = opened
    assert 1 == page.evaluate("document.querySelectorAll('iframe').length")
    page.evaluate("python.terminate()")
    assert 0 == page.evaluate("document.querySelectorAll('iframe').length")
    assert 2 == page.evaluate("1 + 1")


# --- without a network ------------------------------------------------------------------------------------------------

READ = """<!doctype html><head><meta charset="utf-8"><title>read</title><script src="../assets/site.js"></script>
<script type="module">import { live } from "../assets/lab/mode.js"; document.title += ` ${live}`</script></head>"""


def kept(page: Page) -> dict[str, list[str]]:
    """Tell what the site keeps: a cache's name without the site's address -> the paths in it."""
    return page.evaluate("""async () => {
      const told = {}
      for (const name of await caches.keys())
        told[name.split(" ")[1]] = (await (await caches.open(name)).keys()).map(({ url }) => new URL(url).pathname)
      return told
    }""")


def until(page: Page, done: Callable[[dict[str, list[str]]], bool]) -> dict[str, list[str]]:
    deadline = time.monotonic() + WAIT_S
    while not done(now := kept(page)):
        assert time.monotonic() < deadline, now
        page.wait_for_timeout(50)
    return now


def test_what_was_read_once_is_read_without_a_network(serve, tmp_path, open_context):
    site = tmp_path / "class"  # below a path, as a host may have it
    (site / "assets/lab").mkdir(parents=True)
    for name in ("sw.js", "assets/site.js", "manifest.webmanifest"):
        shutil.copy(DOCS / name, site / name)
    (site / "assets/lab/mode.js").write_text("export const live = true\n", "utf-8")  # as `reference-ws serve` says
    for name in ("one", "two"):
        (site / name).mkdir()
        (site / name / "index.html").write_text(READ, "utf-8")
    python = site / "assets/python"
    (python / "packages-1").mkdir(parents=True)
    (python / "packages-1/packages.zip").write_bytes(b"1")
    listed = {"folder": "pyodide-1/", "files": [{"name": "packages-1/packages.zip"}], "editor": None}
    (python / "runtime.json").write_text(json.dumps(listed), "utf-8")
    home, asked, stop = serve(tmp_path)
    page = open_context().new_page()

    page.goto(f"{home}class/one/")
    until(page, lambda now: "/class/assets/site.js" in now.get("unversioned", ()))
    page.evaluate("navigator.serviceWorker.ready")
    expect(page).to_have_title("read true")
    load = """name => fetch(new URL(`../assets/python/${name}`, location)).then(got => got.text())"""
    assert "1" == page.evaluate(load, "packages-1/packages.zip")
    until(page, lambda now: "/class/assets/python/packages-1/packages.zip" in now.get("python", ()))
    assert "1" == page.evaluate(load, "packages-1/packages.zip")  # from the cache, where it is now
    assert 1 == asked.count("/class/assets/python/packages-1/packages.zip")

    # A new build: its pages are other ones, its Python too.
    worker = (site / "sw.js").read_text("utf-8")
    (site / "sw.js").write_text(worker.replace("unversioned", "2"), "utf-8")
    listed["files"] = []
    (python / "runtime.json").write_text(json.dumps(listed), "utf-8")
    for file in (site / "sw.js", python / "runtime.json"):  # by whole seconds the server tells what is new
        os.utime(file, (time.time() + 60, time.time() + 60))
    page.reload()
    page.evaluate("navigator.serviceWorker.ready.then(ready => ready.update())")
    until(page, lambda now: "unversioned" not in now)
    page.reload()
    page.evaluate(load, "runtime.json")
    until(page, lambda now: not now["python"] and "/class/one/" in now["2"])

    stop()
    page.goto(f"{home}class/one/?present")
    expect(page).to_have_title("read false")  # no live address answers now
    with pytest.raises(Error, match="ERR_FAILED"):
        page.goto(f"{home}class/two/")
