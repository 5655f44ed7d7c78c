// Lines of code and of conversations, and the marks on them.
import { make, set } from "./dom.js"

// A conversation that isn't on the page, in the colours of those that are (the classes of the TranscriptLexer).
export function listing(transcript) {
  const lines = transcript.replace(/\n+$/, "").split("\n").map(text => {
    const [, name = "", arrow, verb, rest] = /^(\w+ +)?(->|<-|!!)( \S+)(.*)$/.exec(text) ?? []
    if (!arrow) return make("span", {}, `${text}\n`)
    const kind = { "->": "k", "<-": "nf", "!!": "ne" }[arrow]
    return make("span", {}, name, make("span", { class: kind }, arrow, verb), make("span", { class: "s2" }, rest), "\n")
  })
  return make("div", { class: "highlight" }, make("pre", {}, make("code", {}, ...lines)))
}

// The line of a conversation that has been reached.
export function reach(box, number) {
  for (const line of box.querySelectorAll("[aria-current]")) set(line, { "aria-current": null })
  const line = box.querySelector("code").children[number - 1]
  line?.setAttribute("aria-current", "step")
  return line
}

// Where handlers wait, written under the line as a compiler would: `notes` are [line, text].
export function annotate(box, notes) {
  for (const mark of box.querySelectorAll(".ws-lab__waits")) {
    delete mark.parentNode.dataset.waits
    mark.remove()
  }
  for (const [line, text] of notes) {
    line.dataset.waits = ""
    const indent = /^\s*/.exec(line.textContent)[0].length
    line.append(make("span", { class: "ws-lab__waits", style: `--indent:${indent}ch` }, text))
  }
}
