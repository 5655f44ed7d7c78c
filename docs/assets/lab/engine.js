// The worker in which Python runs: made when the reader first wants something to be run, the same for all examples.
// Whoever asks for a play is its actor: `actor.take(message)` gets what the worker says about it, and two messages of our
// own: { do: "slow" } when nothing has come for a while, { do: "failed", text } when the runtime can't be had.
import { Python, json } from "./python.js"
import { say, words } from "./words.js"

const PYTHON = new URL("../python/", import.meta.url)
const PATIENCE = 2000 // milliseconds without news until the reader hears that it goes on

// The code and the transcripts of the page in the folder.
export const lesson = (folder = document.baseURI) => json(new URL("lab.json", folder))
const runtime = () => json(new URL("runtime.json", PYTHON))

// Where the editor's library lies, or null.
export async function editorFolder() {
  const { editor } = await runtime().catch(() => ({}))
  return editor && new URL(editor.folder, PYTHON)
}

class Engine {
  number = 0 // of the latest play
  worker = null
  isReady = false
  progress = null // what was last said of the worker's start, for an actor who comes later
  waiting = [] // until the worker is ready
  undone = 0 // of what the worker was asked
  actor = null

  get isBusy() {
    return this.undone > 0 || this.waiting.length > 0
  }

  // Begins a play; the one before is over.
  ask(message, actor) {
    this.actor = actor
    this.number++
    this.post(message)
  }

  // Says something that belongs to the play that is open.
  post(message) {
    this.waiting.push({ ...message, number: this.number })
    this.warm()
    this.flush()
  }

  // Starts what will be wanted soon.
  warm() {
    if (!this.worker) this.begin()
  }

  // The only way to end a loop of Python's. The next worker begins at once: whoever stops wants to go on.
  stop() {
    this.actor = null
    this.end()
    this.begin()
  }

  // What the play may still say concerns nobody any more; the worker stays for the next one, unless it hangs.
  leave() {
    if (this.undone) return this.stop()
    this.actor = null
    this.number++
  }

  end() {
    this.worker?.terminate()
    this.worker = null
    this.isReady = false
    this.progress = null
    this.number++
    this.waiting = []
    this.undone = 0
    this.listen()
  }

  async begin() {
    const worker = this.worker = new Python()
    const fail = (text, again) => {
      if (worker !== this.worker) return
      const { actor } = this
      this.end()
      actor?.take({ do: "failed", text, again })
    }
    worker.onerror = event => {
      event.preventDefault()
      fail(words.runtime_failed, true)
    }
    const breakOff = text => fail(this.isReady ? say("broken", { text }) : `${words.runtime_failed} ${text}`, true)
    worker.onmessage = ({ data }) => {
      if (worker !== this.worker) return
      if (data.do === "failed") return breakOff(data.text)
      try {
        this.hear(data)
      } catch (error) { // the code has reached what speaks for it
        console.error(error)
        breakOff(error.message)
      }
    }
    let page
    try {
      await runtime()
      page = (({ page: name, language, source }) => ({ name, language, source }))(await lesson())
    } catch ({ status }) {
      return fail(status === 404 ? words.no_runtime : words.runtime_failed, status !== 404)
    }
    if (worker === this.worker) worker.postMessage({ do: "load", runtime: PYTHON.href, page })
  }

  hear(message) {
    if (message.do === "ready") this.isReady = true
    if (message.do === "progress") this.progress = message
    if (message.do === "done") this.undone--
    this.listen()
    if (message.number === undefined || message.number === this.number) this.actor?.take(message)
    if (this.isReady) this.flush()
  }

  flush() {
    if (!this.isReady) return this.progress && this.actor?.take(this.progress)
    for (const message of this.waiting.splice(0)) {
      this.worker.postMessage(message)
      this.undone++
    }
    this.listen()
  }

  listen() {
    clearTimeout(this.patience)
    if (this.undone) this.patience = setTimeout(() => this.actor?.take({ do: "slow" }), PATIENCE)
  }
}

export const engine = new Engine()
