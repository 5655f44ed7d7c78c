// Lines of code and of conversations, and the marks on them. Each line is an element of its own.
import { make, set } from "./dom.js"

const block = lines => make("div", { class: "highlight" }, make("pre", {}, make("code", {}, ...lines)))

// A conversation in the colours of the page's (the classes of the TranscriptLexer).
export function listing(transcript) {
  return block(transcript.replace(/\n+$/, "").split("\n").map(text => {
    const [, name = "", arrow, verb, rest] = /^([\p{L}\p{N}_]+ +)?(->|<-|!!|==)( \S+)?(.*)$/u.exec(text) ?? []
    if (!arrow) return make("span", {}, `${text}\n`)
    const kind = { "->": "k", "<-": "nf", "!!": "ne", "==": "o" }[arrow]
    return make("span", {}, make("span", { class: "n" }, name), make("span", { class: kind }, arrow, verb ?? ""),
      make("span", { class: "s2" }, rest), "\n")
  }))
}

// Code in the colours in which the page shows it, or without where the page doesn't.
export function codeListing(source) {
  const clean = text => text.replace(/\s+$/, "")
  const shown = [...document.querySelectorAll(".md-content .highlight pre > code")]
    .find(code => !code.closest(".ws-lab") && clean(code.textContent) === clean(source))
  const lines = [make("span", {})]
  const put = (text, name) => text.split("\n").forEach((part, index) => {
    if (index) lines.push(make("span", {}))
    if (part) lines.at(-1).append(make("span", { class: name || null }, part))
  })
  if (shown) {
    const walk = document.createTreeWalker(shown, NodeFilter.SHOW_TEXT)
    while (walk.nextNode())
      put(walk.currentNode.data, walk.currentNode.parentNode === shown ? "" : walk.currentNode.parentNode.className)
  } else put(source)
  while (lines.length > 1 && !lines.at(-1).textContent) lines.pop()
  for (const line of lines) line.append("\n")
  return block(lines)
}

export const linesOf = box => [...box.querySelector("code")?.children ?? []]

// The line of a conversation that has been reached; what comes after it is the future, which can be covered.
export function reach(box, number) {
  linesOf(box).forEach((line, index) => set(line, {
    "aria-current": index + 1 === number && "step", "data-future": number != null && index + 1 > number,
  }))
}

// `marks`: line -> { kind: "waits" | "raised" | "wrong", note }, written under the line as a compiler would.
export function annotate(box, marks) {
  for (const note of box.querySelectorAll(".ws-lab__note")) note.remove()
  linesOf(box).forEach((line, index) => {
    const mark = marks.get(index + 1)
    set(line, { "data-mark": mark?.kind })
    if (!mark?.note) return
    const indent = Math.min(/^\s*/.exec(line.textContent)[0].length, 12)
    line.append(make("span", { class: "ws-lab__note", style: `--indent:${indent}ch` }, mark.note))
  })
}

// Which lines of `now` aren't in `before`, counted from 1, and how many have gone without another in their place.
export function changes(before, now) {
  const a = before.split("\n"), b = now.split("\n")
  const longest = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1))
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      longest[i][j] = a[i] === b[j] ? longest[i + 1][j + 1] + 1 : Math.max(longest[i + 1][j], longest[i][j + 1])
  const changed = [], rest = a.length - longest[0][0]
  for (let i = 0, j = 0; j < b.length;) {
    if (i < a.length && a[i] === b[j]) i++, j++
    else if (i < a.length && longest[i + 1][j] > longest[i][j + 1]) i++
    else changed.push(++j)
  }
  return { changed, count: Math.max(changed.length, rest) }
}
