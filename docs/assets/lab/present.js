// `?present`: one example at a time, over the whole screen, for a class; with the keys that a presenter has at hand. The
// class is asked what comes next (predict.js), unless the presenter leaves that with Q.
import { isPlain, make, set } from "./dom.js"
import { pageAddress } from "./share.js"
import { words } from "./words.js"

export const isPresented = () => new URL(location).searchParams.has("present")

// On a page without examples: what the address asks for isn't there.
export function sayThatNothingIsPresented() {
  const told = document.querySelector(".ws-unpresented")
  if (!told) return
  document.querySelector(".md-content__inner").prepend(told)
  told.hidden = false
}

const replaceState = history.replaceState.bind(history)

// Keeps the address in step with what is seen, so that it can be loaded again or passed on.
const setAddress = (search, lab) => replaceState(history.state, "", pageAddress(search, lab.figure.id))

export class Presentation {
  constructor(labs, lab, ended) {
    this.labs = labs
    this.ended = ended
    const button = (name, sign, click) =>
      make("button", { type: "button", "aria-label": words[name], title: words[name], click }, sign)
    this.choice = make("select", {
      class: "ws-present__choice", "aria-label": words.examples, change: () => this.go(this.labs[this.choice.selectedIndex]),
    }, ...labs.map(({ heading }, index) => make("option", {}, `${index + 1} · ${heading}`)))
    // The page in the other languages, at the same example.
    this.languages = [...document.querySelectorAll(".md-select__link[hreflang]")].map(({ href, hreflang, textContent }) =>
      make("a", { href, hreflang, lang: hreflang, "aria-current": document.documentElement.lang.startsWith(hreflang) && "true" }, textContent.trim()))
    this.heading = make("h2", { class: "ws-present__heading", tabindex: -1 })
    this.place = make("p", { class: "ws-present__place", role: "status" })
    this.stage = make("div", { class: "ws-present__stage" })
    this.element = make("main", { class: "ws-present md-typeset" },
      make("header", { class: "ws-present__head" }, this.heading, this.place,
        make("div", { class: "ws-present__moves" },
          this.choice,
          button("previous_example", "‹", () => this.move(-1)),
          button("next_example", "›", () => this.move(1)),
          make("nav", { class: "ws-present__links", "aria-label": words.language }, ...this.languages),
          button("leave", "✕", () => this.end()))),
      this.stage, make("footer", { class: "ws-present__foot" },
        make("p", { class: "ws-present__keys" }, words.keys),
        make("nav", { class: "ws-present__links", "aria-label": words.print }, ...["sheet", "answers"].map(name =>
          make("a", { href: pageAddress(name) }, words[name === "sheet" ? name : "sheet_answers"])))))
    document.body.append(this.element)
    document.body.classList.add("ws-presented")
    this.press = this.press.bind(this)
    // Before Material sees them: it has its own use for some letters.
    document.addEventListener("keydown", this.press, true)
    // The address names the example. Material would write the heading there that the page was scrolled to, some time
    // after the scrolling (navigation.tracking): as long as this lasts, others set the state, not the address.
    history.replaceState = (state, title) => replaceState(state, title)
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
    this.choice.selectedIndex = this.labs.indexOf(lab)
    setAddress("present", lab)
    for (const link of this.languages) {
      const { pathname } = new URL(link.href)
      set(link, { href: `${pathname}?present#${lab.figure.id}` })
    }
    lab.start("predict")
    if (this.element.contains(focused)) focused.focus() // it may have moved along with its example
    else this.heading.focus()
  }

  leave() {
    this.gap.replaceWith(this.lab.figure)
  }

  move(by) {
    this.go(this.labs[this.labs.indexOf(this.lab) + by])
  }

  go(to) {
    if (!to || to === this.lab) return
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
    delete history.replaceState // what lay over the browser's own
    setAddress("", lab)
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
      q: () => this.lab.prediction ? this.lab.uncover() : this.lab.start("predict"),
    }[letter.toLowerCase()]
    if (event.key === "Escape") this.end()
    else if (this.lab.prediction?.press(event)) { /* answered */ }
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
