// Predict: the future is covered, and before a step the reader is asked about it (questions.js). Answered at once, with
// what the lab itself says of the step; whoever has no answer, or asks a class, lets it be shown.
import { keep, kept, make, set } from "./dom.js"
import { questions } from "./questions.js"
import { say, words } from "./words.js"

const KEY = "ws-lab predicted" // page -> example -> [right answers, questions answered], the same in every language

const scores = () => kept("localStorage", KEY) ?? {}

export class Prediction {
  asked = [] // a question or null for each step
  answers = new Map() // step -> the option chosen, null where the answer was shown without one
  at = null // the step whose question is seen
  settle = null // ends the wait for an answer

  constructor(lab) {
    this.lab = lab
    this.panel = lab.panel
    this.panel.timeline.gate = () => this.ask()
  }

  // The play is there. With `first`, its first question is asked at once.
  begin(first) {
    const { lab, panel } = this
    const codes = Object.fromEntries(words.close_codes.split("\n").map(row => [Number.parseInt(row), row]))
    this.asked = questions(lab.shows, block => lab.code(block), codes)
    panel.timeline.load(lab.shows, 0)
    if (first) panel.timeline.forward()
  }

  end() {
    this.hide()
    this.panel.timeline.gate = null
    if (this.panel.body) this.panel.setMode(null)
  }

  // Whether the next step may be shown: waits for the answer, if there is a question. Whoever wants to go on while it is
  // open gets the answer shown.
  ask() {
    const step = this.panel.timeline.at, question = this.asked[step]
    if (!question || this.answers.has(step)) return true
    if (this.settle) {
      this.answer(null)
      return false
    }
    this.show(step, question)
    return new Promise(settle => this.settle = settle)
  }

  show(step, { kind, client, given, options }) {
    const write = (text, number) => make("button", {
      type: "button", "data-option": number, click: () => this.answer(number),
    }, make("span", { "aria-hidden": "true" }, `${number + 1}`), text === null ? words.nowhere : make("code", {}, text))
    this.at = step
    this.result = make("p", { class: "ws-lab__result", role: "status" })
    this.field = make("fieldset", { tabindex: -1 },
      make("legend", {},
        ...(given ? [make("span", {}, words.given), " ", make("code", {}, given), " "] : client ? [make("code", {}, client), " "] : []),
        make("span", {}, words[`ask_${kind}`])),
      make("div", { class: "ws-lab__options" }, ...options.map(write)),
      make("button", { type: "button", class: "ws-lab__reveal", click: () => this.answer(null) }, words.reveal))
    this.panel.question.replaceChildren(this.field, this.result)
    this.panel.question.parentElement.scrollTop = 0
    // Not a button: the key that has brought the question would answer it.
    this.field.focus({ preventScroll: true })
    this.field.scrollIntoView({ block: "nearest" }) // where not everything is in sight
  }

  answer(number) {
    const { at, settle } = this
    if (!settle) return
    const { right, options } = this.asked[at], inside = this.panel.question.contains(document.activeElement)
    this.settle = null
    this.answers.set(at, number)
    // What stays is the answer that was given, and below it what comes.
    for (const button of this.field.querySelectorAll("button"))
      if (number !== null && button.dataset.option === String(number)) set(button, { "aria-disabled": "true", "data-ok": String(number === right) })
      else button.remove()
    if (number !== null) this.keepScore()
    this.result.replaceChildren(
      make("b", {}, number === null ? words.answer_shown : number === right ? words.answer_right : words.answer_wrong), " ",
      ...(number === right ? [] : [options[right] === null ? words.nowhere : make("code", {}, options[right]), " "]),
      make("span", { class: "ws-lab__score" }, this.score()))
    set(this.result, { "data-ok": number === null ? null : String(number === right) })
    if (inside) this.panel.timeline.buttons.next.focus({ preventScroll: true })
    settle(true)
  }

  keepScore() {
    const { page } = this.lab.figure.dataset, all = scores()
    const answered = [...this.answers].filter(([, number]) => number !== null)
    all[page] = { ...all[page], [this.lab.example]:
      [answered.filter(([step, number]) => number === this.asked[step].right).length, answered.length] }
    keep("localStorage", KEY, all)
  }

  score() {
    const own = scores()[this.lab.figure.dataset.page] ?? {}
    const [right, count] = own[this.lab.example] ?? [0, 0]
    const sum = place => Object.values(own).reduce((all, pair) => all + pair[place], 0)
    return count ? say("score", { right, count, page_right: sum(0), page_count: sum(1) }) : ""
  }

  hide() {
    this.settle?.(false)
    this.settle = this.at = null
    this.panel.question?.replaceChildren()
  }

  // The time line stands elsewhere: a question belongs to the step that it has been asked before, and stays with it.
  moved(at) {
    if (this.at !== null && at !== this.at + (this.settle ? 0 : 1)) this.hide()
  }

  // Keys of a question that is open; true where one was meant for it.
  press({ key, target }) {
    const number = Number(key) - 1
    if (!this.settle || !(this.asked[this.at].options.length > number && number >= 0) || target.matches?.("textarea, input:not([type=range])"))
      return false
    this.answer(number)
    return true
  }
}
