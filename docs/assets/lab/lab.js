// The lab: every example of the page can be run, stepped through and played with.
// `reference-ws serve` plays them on its server; a host that only has files shows what was recorded.
import { isEnabled, isPlain } from "./dom.js"
import { Live } from "./live.js"
import { live } from "./mode.js"
import { Panel } from "./panel.js"
import { Presentation, isPresented } from "./present.js"
import { Recorded } from "./recorded.js"
import { shared } from "./share.js"
import { words } from "./words.js"

const labs = []
let opened = null // one at a time
let presentation = null

class Lab {
  constructor(figure, number, count) {
    this.figure = figure
    this.example = Number(figure.dataset.example)
    this.heading = headingAbove(figure)
    this.place = words.example.replace("%(number)s", number).replace("%(count)s", count)
    this.button = null // where the focus returns to when the lab is closed
    this.panel = new Panel(figure, live, this)
    this.session = live
      ? new Live({ page: figure.dataset.page, language: document.documentElement.lang.split("-")[0], example: this.example }, this.panel)
      : new Recorded(this.example, this.panel)
    this.panel.root.addEventListener("keydown", event => {
      this.press(event)
      // Material goes to another page at some letters, or into the search: not for what is typed here.
      if (isPlain(event)) event.stopPropagation()
    })
  }

  open() {
    if (opened === this) return
    opened?.close()
    opened = this
    this.panel.open(`${this.heading} · ${this.place}`)
    seen.observe(this.figure)
    if (!presentation) this.figure.scrollIntoView({ block: "start" })
  }

  close() {
    if (opened !== this) return
    const inside = this.panel.root.contains(document.activeElement)
    opened = null
    this.shared = undefined
    seen.disconnect()
    document.body.classList.remove("ws-lab-seen")
    this.session.leave()
    this.panel.shut()
    if (inside) (this.button ?? this.panel.run).focus()
  }

  start(mode) {
    this.button = this.panel[mode]
    this.open()
    const script = mode === "play" ? undefined : this.shared
    this.session.start(mode, script) // ends what is under way
    this.panel.begin(mode, script)
    const { next, playing, run } = this.panel
    const first = { step: next, play: playing.first, run }[mode]
    first.focus({ preventScroll: true })
  }

  next() {
    this.panel.waitFor(null)
    this.session.next()
  }

  stop() {
    this.session.stop()
  }

  say(line, headers) {
    this.session.line(line, headers)
  }

  present() {
    presentation = new Presentation(labs, this, () => presentation = null)
  }

  // What only a server can do.
  refuse() {
    this.open()
    this.panel.problem({ text: words.needs_server })
  }

  // A conversation from a link: it starts when the reader wants it to.
  offer(transcript) {
    opened?.close()
    this.open()
    this.shared = live && transcript ? transcript : undefined
    if (transcript == null) return this.panel.problem({ text: words.cut_off })
    this.panel.offer(transcript, live ? words.shared : words.shared_needs_server)
  }

  press(event) {
    if (presentation || event.defaultPrevented || !isPlain(event)) return
    if (event.key === "Escape") this.close()
    else if (this.mayStep(event)) this.next()
    else return
    event.preventDefault()
  }

  // Keys that have another meaning where the focus is keep it: in a field, on a button, in what can be scrolled.
  mayStep({ key, target }) {
    const space = key === " "
    if (!space && key !== "ArrowRight" || !isEnabled(this.panel.next)) return false
    if (target === document.body) return true
    if (target.closest("input, textarea, select") || space && target.closest("button, a")) return false
    return space ? target.scrollHeight <= target.clientHeight : target.scrollWidth <= target.clientWidth
  }
}

// A lab that is wider than the text lies over the table of contents, which is away as long as the lab is in sight.
const seen = new IntersectionObserver(entries =>
  document.body.classList.toggle("ws-lab-seen", entries.at(-1).isIntersecting))

function headingAbove(figure) {
  const heading = [...document.querySelectorAll(".md-content :is(h1, h2, h3)")]
    .findLast(heading => heading.compareDocumentPosition(figure) & Node.DOCUMENT_POSITION_FOLLOWING)
    .cloneNode(true)
  heading.querySelector(".headerlink")?.remove()
  return heading.textContent.trim()
}

function begin() {
  const figures = [...document.querySelectorAll("figure.ws-transcript")]
  labs.push(...figures.map((figure, index) => new Lab(figure, index + 1, figures.length)))
  const offered = () => {
    const { example, transcript } = shared() ?? {}
    labs.find(lab => lab.example === Number(example))?.offer(transcript)
  }
  addEventListener("hashchange", offered)
  if (isPresented()) (labs.find(lab => location.hash === `#${lab.figure.id}`) ?? labs[0]).present()
  offered()
}

if (words) begin()
