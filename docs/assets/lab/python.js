// Python for a page: used like a Worker (`postMessage`, `onmessage`, `terminate`), with the messages of worker.js.
//
// What runs there may come from a link. So the worker belongs to a frame in a sandbox, whose origin is nobody's: it has
// no storage, cookies or caches of this site, and no other worker or page of it to talk to. Its policy, which a worker
// made from a blob inherits, lets it load nothing, from anywhere: this script fetches what it needs and hands it over.
const POLICY = "default-src 'none'; script-src 'wasm-unsafe-eval' blob:; worker-src blob:"

// What is fetched stays: who stops Python gets it back without another request. After a failure it is asked for again.
const kept = new Map()
const once = (url, fetched) => {
  if (!kept.has(url)) kept.set(url, fetched(url).catch(error => {
    kept.delete(url)
    throw error
  }))
  return kept.get(url)
}

async function asked(url) {
  const response = await fetch(url)
  if (!response.ok) throw Object.assign(new Error(`${response.status} ${url}`), { status: response.status })
  return response
}

// Rejects with an error that has the `status` of the answer, if there was one.
export const json = url => once(url.href, async () => (await asked(url)).json())

// Fetches a file as a Blob, and counts its bytes as they come.
async function file(url, count) {
  const chunks = [], reader = (await asked(url)).body.getReader()
  for (let part; !(part = await reader.read()).done;) {
    chunks.push(part.value)
    count(part.value.length)
  }
  const blob = new Blob(chunks)
  // Some hosts say of such a file that it is encoded so, and the browser has unpacked it already.
  const [first, second] = new Uint8Array(await blob.slice(0, 2).arrayBuffer())
  if (first !== 0x1f || second !== 0x8b) return blob
  return new Response(blob.stream().pipeThrough(new DecompressionStream("gzip"))).blob()
}

// What Python has said may be what its code wanted it to say: of markup only text, form and links within the site stay.
const ELEMENTS = new Set(("a b br circle code dd desc div dl dt em g i li line ol p path polygon polyline rect small span strong sub sup"
  + " svg table tbody td text th thead title tr tspan ul").split(" "))
const ATTRIBUTES = new Set(("aria-hidden aria-label aria-labelledby class cx cy d data-line data-step fill height href id lang"
  + " points r role rx ry style text-anchor transform viewbox width x x1 x2 xmlns y y1 y2").split(" "))

const STYLE = /^(?:--ws-[a-z]+:[\d.]+;?)*$/ // the size of a picture: anything else could lay itself over the page

export function tamed(markup) {
  const { body } = new DOMParser().parseFromString(markup, "text/html")
  for (const element of body.querySelectorAll("*")) {
    if (!ELEMENTS.has(element.localName.toLowerCase())) element.remove()
    for (const { name, value } of [...element.attributes])
      if (!ATTRIBUTES.has(name.toLowerCase()) || name === "style" && !STYLE.test(value)
          || name === "href" && Object.assign(document.createElement("a"), { href: value }).origin !== location.origin)
        element.removeAttribute(name)
  }
  return body.innerHTML
}

export class Python {
  onmessage = null
  onerror = null
  #frame = document.createElement("iframe")
  #channel = new MessageChannel() // holds what is said until the worker listens

  constructor() {
    this.#channel.port1.onmessage = ({ data }) => this.#tell(data)
  }

  postMessage(message) {
    if (message.do !== "load") this.#channel.port1.postMessage(message)
    else this.#load(message).catch(error => this.#tell({ do: "failed", text: error.message }))
  }

  terminate() {
    this.#frame.remove() // and with it its worker, whatever it does
    this.#channel.port1.close()
    this.#tell = () => {}
  }

  #tell = data => {
    for (const field of ["svg", "explanation"]) if (data[field]) data[field] = tamed(data[field])
    this.onmessage?.(new MessageEvent("message", { data }))
  }

  async #load({ runtime, page }) {
    const listed = await json(new URL("runtime.json", runtime))
    const total = listed.files.reduce((sum, { bytes }) => sum + bytes, 0)
    let bytes = 0
    const count = more => this.#tell({ do: "progress", bytes: Math.min(bytes += more, total), total })
    const [frame, worker, ...blobs] = await Promise.all([
      ...["frame.js", "worker.js"].map(name => once(new URL(name, import.meta.url).href, async url => (await asked(url)).text())),
      ...listed.files.map(({ name }) => once(new URL(name, runtime).href, url => file(url, count))),
    ])
    const files = Object.fromEntries(listed.files.map(({ name }, index) => [name.split("/").pop().replace(/\.gz$/, ""), blobs[index]]))
    Object.assign(this.#frame, {
      hidden: true,
      sandbox: "allow-scripts",
      // The policy follows the script: this script is ours, the page's policy names its hash.
      srcdoc: `<!doctype html><script>${frame}</script><meta http-equiv="Content-Security-Policy" content="${POLICY}">`,
    })
    const loaded = new Promise(done => this.#frame.addEventListener("load", done))
    document.body.append(this.#frame)
    await loaded
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = ({ data }) => this.#tell(data)
    this.#frame.contentWindow.postMessage({ worker, files, lock: listed.lock, page }, "*", [this.#channel.port2, port2])
  }
}
