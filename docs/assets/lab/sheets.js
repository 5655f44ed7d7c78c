// `?sheet`: the page as it is handed out, without answers: states are blank, hints and solutions away. `?answers`: with them.
import { make } from "./dom.js"
import { pageAddress } from "./share.js"
import { words } from "./words.js"

const STATE = /\b(?:CONNECTING|CONNECTED|RESPONSE|DISCONNECTED)\b/g
const BLANK = "____________"

export function makeSheet(labs) {
  const asked = new URL(location).searchParams, answers = asked.has("answers")
  if (!answers && !asked.has("sheet")) return
  document.body.classList.add("ws-sheet") // and `ws-answers`: site.js, on every page
  for (const part of document.querySelectorAll(".md-content details:not(.ws-transcript__states)")) part.open = answers
  for (const part of document.querySelectorAll(".ws-exercise__hint, .ws-exercise__solution")) part.hidden = !answers
  if (!answers) for (const { figure } of labs) cover(figure)
  const link = (name, sheet) => make("a", { class: "md-button", href: pageAddress(sheet) }, words[name])
  document.querySelector(".md-content__inner").prepend(make("nav", { class: "ws-sheet__bar", "aria-label": words.sheet },
    make("button", { type: "button", class: "md-button md-button--primary", click: () => print() }, words.print),
    answers ? link("sheet", "sheet") : link("sheet_answers", "answers"), link("back_to_page", "")))
}

// The states after `==` are what is to be filled in; the picture's are away by the style sheet.
function cover(figure) {
  for (const line of figure.querySelectorAll(".ws-transcript__text pre > code > span")) {
    if (!/^(?:[\p{L}\p{N}_]+ +)?==/u.test(line.textContent)) continue
    const walk = document.createTreeWalker(line, NodeFilter.SHOW_TEXT)
    while (walk.nextNode()) walk.currentNode.data = walk.currentNode.data.replace(STATE, BLANK)
  }
}
