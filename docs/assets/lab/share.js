// What can be taken along: the conversation as text, the picture as a file, and a link that plays it again.
import { make } from "./dom.js"

export function link(example, transcript) {
  const address = new URL(location)
  address.search = ""
  address.hash = `lab=${example}&replay=${encode(transcript)}`
  return address.href
}

// The example and the conversation that the page's address names, or null; no conversation if it can't be read.
export function shared() {
  const { groups } = /^#lab=(?<example>\d+)(?:&replay=(?<code>.*))?$/.exec(location.hash) ?? {}
  if (!groups) return null
  try {
    return { example: groups.example, transcript: decode(groups.code) }
  } catch { // cut off or mistyped
    return { example: groups.example, transcript: null }
  }
}

export function saveSvg(svg, name) {
  const copy = svg.cloneNode(true)
  for (const mark of copy.querySelectorAll(".ws-lab__row")) mark.remove()
  const file = new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" })
  const href = URL.createObjectURL(file)
  make("a", { href, download: name }).click()
  setTimeout(() => URL.revokeObjectURL(href))
}

const encode = text => btoa(String.fromCharCode(...new TextEncoder().encode(text)))
  .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")

const decode = code => new TextDecoder("utf-8", { fatal: true })
  .decode(Uint8Array.from(atob(code.replaceAll("-", "+").replaceAll("_", "/")), character => character.charCodeAt()))
