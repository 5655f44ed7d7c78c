// The lab: every example of the page can be run, stepped through and played with.
// `reference-ws serve` plays them on its server; a host that only has files shows what was recorded.
import { Live } from "./live.js"
import { live } from "./mode.js"
import { Panel } from "./panel.js"
import { Presentation, isPresented } from "./present.js"
import { Recorded } from "./recorded.js"
import { link, shared } from "./share.js"
import { fill, words } from "./words.js"

const labs = []
let opened = null // one at a time
let presentation = null

class Lab {
  constructor(figure, number, count) {
    this.figure = figure
    this.example = Number(figure.dataset.example)
    this.heading = headingAbove(figure)
    this.place = fill(words.example, { number, count })
    this.button = null // where the focus returns to when the lab is closed
    this.panel = new Panel(figure, live, {
      run: () => this.start("run"),
      step: () => this.start("step"),
      play: () => this.start("play"),
      next: () => this.next(),
      stop: () => this.stop(),
      close: () => presentation ? presentation.end() : this.close(),
      present: () => present(this),
      line: (line, headers) => this.session.line(line, headers),
      link: transcript => link(this.example, transcript),
    })
    const told = {
      show: show => this.panel.show(show),
      code: ({ block, html }) => this.panel.keepCode(block, html),
      over: over => this.panel.over(over),
      problem: ({ text }) => this.panel.problem(text),
      end: () => this.panel.end(),
    }
    const { language, page } = { language: document.documentElement.lang, page: figure.dataset.page }
    const line = number => this.panel.source.split("\n")[number - 1] ?? ""
    this.session = live
      ? new Live({ page, language, example: this.example }, told)
      : new Recorded(this.example, this.panel.still, line, told)
    this.panel.root.addEventListener("keydown", event => !presentation && this.press(event))
  }

  open() {
    if (opened === this) return
    opened?.close()
    opened = this
    this.panel.open(`${this.heading} · ${this.place}`)
    seen.observe(this.figure)
    if (!presentation) this.figure.scrollIntoView({ block: "start", behavior: calm() })
  }

  close() {
    if (opened !== this) return
    const inside = this.panel.root.contains(document.activeElement)
    opened = null
    seen.disconnect()
    document.body.classList.remove("ws-lab-seen")
    this.session.leave()
    this.panel.shut()
    this.shared = null
    if (inside) (this.button ?? this.panel.run).focus()
  }

  start(mode) {
    const focused = document.activeElement
    this.button = this.panel[mode]
    this.open()
    const script = mode === "play" ? null : this.shared
    this.session.start(mode, script) // ends what is under way
    this.panel.begin(mode, script)
    if (mode === "step") this.panel.next.focus({ preventScroll: true })
    else if (mode === "play") this.panel.playing.focus()
    else focused?.focus({ preventScroll: true })
  }

  next() {
    this.panel.waitFor(null)
    this.session.next()
  }

  stop() {
    this.session.stop()
  }

  // A conversation from a link: it starts when the reader wants it to.
  offer(transcript) {
    this.open()
    this.shared = live ? transcript : null
    this.panel.offer(transcript, live ? words.shared : `${words.shared}. ${words.needs_server}`)
  }

  press(event) {
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return
    if (event.key === "Escape" && opened === this && !document.querySelector("dialog[open]")) {
      event.preventDefault()
      this.close()
    } else if (["ArrowRight", " "].includes(event.key) && this.mayStep(event)) {
      event.preventDefault()
      this.next()
    }
  }

  // Keys that have another meaning where the focus is keep it: in a field, on a button, in what can be scrolled.
  mayStep({ key, target }) {
    const { next } = this.panel
    if (next.getAttribute("aria-disabled") === "true" || this.panel.stepping.hidden) return false
    if (target === document.body) return true
    if (target.closest("input, textarea, select")) return false
    if (key === " ") return !target.closest("button, summary, a") && target.scrollHeight <= target.clientHeight
    return target === this.panel.root || target.closest("button") || target.scrollWidth <= target.clientWidth
  }
}

// Where a lab is wider than the text, it lies over the table of contents: that is away as long as the lab is in sight.
const seen = new IntersectionObserver(entries =>
  document.body.classList.toggle("ws-lab-seen", entries.at(-1).isIntersecting))

const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth"

function headingAbove(figure) {
  const headings = [...document.querySelectorAll(".md-content :is(h1, h2, h3)")]
  const above = headings.filter(heading => heading.compareDocumentPosition(figure) & Node.DOCUMENT_POSITION_FOLLOWING).at(-1)
  const text = above?.cloneNode(true)
  text?.querySelector(".headerlink")?.remove()
  return text?.textContent.trim() ?? ""
}

function present(lab) {
  presentation = new Presentation(labs, lab, () => presentation = null)
}

function begin() {
  const figures = [...document.querySelectorAll("figure.ws-transcript")]
  labs.push(...figures.map((figure, index) => new Lab(figure, index + 1, figures.length)))
  const offered = () => {
    const { example, transcript } = shared() ?? {}
    labs.find(lab => lab.example === Number(example))?.offer(transcript)
  }
  addEventListener("hashchange", offered)
  if (isPresented() && labs.length) present(labs.find(lab => location.hash === `#${lab.figure.id}`) ?? labs[0])
  offered()
}

if (words) begin()
