// `?present`: one example at a time, over the whole screen, for a class; with the keys that a presenter has at hand.
import { isPlain, make } from "./dom.js"
import { words } from "./words.js"

export const isPresented = () => new URL(location).searchParams.has("present")

// Keeps the address in step with what is seen, so that it can be loaded again or passed on.
function setAddress(present, lab) {
  const address = new URL(location)
  address.search = present ? "?present" : ""
  address.hash = lab.figure.id
  history.replaceState(history.state, "", address)
}

export class Presentation {
  constructor(labs, lab, ended) {
    this.labs = labs
    this.ended = ended
    const button = (name, click) => make("button", { type: "button", click }, words[name])
    this.heading = make("h2", { class: "ws-present__heading", tabindex: -1 })
    this.place = make("p", { class: "ws-present__place", role: "status" })
    this.stage = make("div", { class: "ws-present__stage" })
    this.element = make("main", { class: "ws-present md-typeset" },
      make("header", { class: "ws-present__head" }, this.heading, this.place,
        make("div", { class: "ws-present__moves" },
          button("previous_example", () => this.move(-1)),
          button("next_example", () => this.move(1)),
          button("leave", () => this.end()))),
      this.stage, make("p", { class: "ws-present__keys" }, words.keys))
    document.body.append(this.element)
    document.body.classList.add("ws-presented")
    this.press = this.press.bind(this)
    // Before Material sees them: it has its own use for some letters.
    document.addEventListener("keydown", this.press, true)
    this.enter(lab)
  }

  enter(lab) {
    const focused = document.activeElement
    this.lab = lab
    this.gap = document.createComment("")
    lab.figure.replaceWith(this.gap)
    this.stage.append(lab.figure)
    this.heading.textContent = lab.heading
    this.place.textContent = lab.place
    setAddress(true, lab)
    lab.open()
    if (this.element.contains(focused)) focused.focus() // it may have moved along with its example
    else this.heading.focus()
  }

  leave() {
    this.gap.replaceWith(this.lab.figure)
  }

  move(by) {
    const to = this.labs[this.labs.indexOf(this.lab) + by]
    if (!to) return
    const { lab } = this
    lab.close()
    this.leave()
    this.enter(to)
  }

  end() {
    const { lab } = this
    document.removeEventListener("keydown", this.press, true)
    document.body.classList.remove("ws-presented")
    this.leave()
    this.element.remove()
    setAddress(false, lab)
    this.ended()
    lab.close()
    lab.figure.scrollIntoView({ block: "center" })
    lab.panel.run.focus({ preventScroll: true })
  }

  press(event) {
    if (!isPlain(event)) return
    // Where the keyboard writes other letters, a key is found by its place.
    const letter = /^[a-z]$/i.test(event.key) ? event.key : event.code.replace(/^Key/, "")
    const typing = event.target.closest?.("input, textarea, select")
    const act = {
      r: () => this.lab.start("run"),
      s: () => this.lab.start("step"),
      p: () => this.lab.panel.play.click(),
      n: () => this.move(1),
      b: () => this.move(-1),
    }[letter.toLowerCase()]
    if (event.key === "Escape") this.end()
    else if (typing) return
    else if (act) act()
    else if (["ArrowRight", "PageDown"].includes(event.key) && !this.lab.mode) this.lab.start("step")
    else if (event.key === "PageDown") this.lab.panel.timeline.forward()
    else if (event.key === "PageUp") this.lab.panel.timeline.back()
    else if (this.lab.move(event)) { /* done */ }
    else return
    event.preventDefault()
    event.stopPropagation()
  }
}
