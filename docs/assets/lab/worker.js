// Python for a page, in a worker (a classic one: Chromium takes no module from the blob of a frame without an origin).
// What the page says goes to the stage, reference_ws/guide/lab/stage.py; what the stage tells goes to the page.
//
// From the page:  {do: "load", runtime, page} (python.js does it), then what `Stage.do` understands
// To the page:    {do: "progress", bytes, total}, {do: "ready"}, {do: "failed", text}, and what `Stage` tells;
//                 {do: "done", number} after each of what the page has said
"use strict"
{
  // Code that takes more gets a MemoryError; the browser would end the tab.
  const MEMORY = 512 * 1024 ** 2, PAGE = 64 * 1024
  const { grow } = WebAssembly.Memory.prototype
  WebAssembly.Memory.prototype.grow = function (pages) {
    if (this.buffer.byteLength + pages * PAGE > MEMORY) throw new RangeError("out of memory")
    return grow.call(this, pages)
  }

  const BEGIN = `
import asyncio, json
import anyio._backends._asyncio  # else the first play does it
from reference_ws.guide.lab.stage import Stage

def begin(page, tell):
    asyncio._set_running_loop(None)  # Pyodide's own loop is said to be running; the stage has its own
    stage = Stage(json.loads(page), lambda message: tell(json.dumps(message)))
    return lambda message: stage.do(json.loads(message))
begin`

  const imported = blob => import(URL.createObjectURL(new Blob([blob], { type: "text/javascript" })))

  async function start({ files, lock, page }, tell) {
    // The only thing that is loaded: the policy allows nothing else.
    globalThis.fetch = async url => new Response(files[String(url).split("/").pop()], { headers: { "content-type": "application/wasm" } })
    const [{ loadPyodide }, { default: createPyodideModule }] =
      await Promise.all(["pyodide.mjs", "pyodide.asm.mjs"].map(name => imported(files[name])))
    const ignored = () => {} // what the page's code prints, the stage tells
    const python = await loadPyodide({
      indexURL: "https://python.invalid/", createPyodideModule, lockFileContents: lock, stdout: ignored, stderr: ignored,
    })
    python.unpackArchive(await files["packages.zip"].arrayBuffer(), "zip", { extractDir: "/lib/python3.14/site-packages" })
    const take = python.runPython(BEGIN)(JSON.stringify(page), text => tell(JSON.parse(text)))
    tell({ do: "ready" })
    return message => take(JSON.stringify(message))
  }

  onmessage = async ({ data, ports: [port] }) => {
    onmessage = null
    const tell = message => port.postMessage(message)
    const failed = error => tell({ do: "failed", text: error.message })
    try {
      const take = await start(data, tell)
      port.onmessage = ({ data }) => {
        try { take(data) } catch (error) { failed(error) }
        tell({ do: "done", number: data.number })
      }
    } catch (error) { failed(error) }
  }
}
