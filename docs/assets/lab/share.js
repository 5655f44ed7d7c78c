// What can be taken along: the picture as a file, and a link that holds what the reader has written.
import { make } from "./dom.js"

const MOST = 2 ** 20 // bytes that a link may unpack to: a short one could hold gigabytes

// The page's address, with this behind its path and nothing else.
export function pageAddress(search = "", hash = "") {
  const address = new URL(location)
  address.search = search
  address.hash = hash
  return address.href
}

// `draft` is whatever JSON can hold; nothing in it is run before the reader has seen it.
export const link = async (example, draft) =>
  pageAddress("", `lab=${example}&draft=${await encode(JSON.stringify(draft))}`)

// What follows "#" in the address, whatever somebody has made of it.
export function hash() {
  const written = location.hash.slice(1)
  try {
    return decodeURIComponent(written)
  } catch {
    return written
  }
}

// The example and the draft that the page's address names, or null; no draft if it can't be read.
export async function shared() {
  const [, number, packed] = /^lab=(\d*)(?:&draft=(.*))?/.exec(hash()) ?? []
  if (number === undefined) return null
  const example = Number(number)
  try {
    const { code = {}, script = null } = JSON.parse(await decode(packed))
    const sound = Object.values(code).every(text => typeof text === "string") && [null, "string"].includes(script && typeof script)
    return { example, draft: sound ? { code, script } : null }
  } catch { // cut off or mistyped
    return { example, draft: null }
  }
}

export function saveSvg(svg, name) {
  const copy = svg.cloneNode(true)
  for (const mark of copy.querySelectorAll(".ws-lab__row, [style*='display: none']")) mark.remove()
  const file = new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" })
  const href = URL.createObjectURL(file)
  make("a", { href, download: name }).click()
  setTimeout(() => URL.revokeObjectURL(href))
}

async function through(stream, bytes) {
  const reader = new Blob([bytes]).stream().pipeThrough(stream).getReader(), chunks = []
  let size = 0
  for (let part; !(part = await reader.read()).done; chunks.push(part.value))
    if ((size += part.value.length) > MOST) throw new RangeError(`more than ${MOST} bytes`)
  return new Blob(chunks).arrayBuffer()
}

async function encode(text) {
  const bytes = new Uint8Array(await through(new CompressionStream("deflate-raw"), text))
  return btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(""))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")
}

async function decode(code) {
  const bytes = Uint8Array.from(atob(code.replaceAll("-", "+").replaceAll("_", "/")), character => character.charCodeAt())
  return new TextDecoder("utf-8", { fatal: true }).decode(await through(new DecompressionStream("deflate-raw"), bytes))
}
