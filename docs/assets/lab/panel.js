// What a lab looks like: the buttons under an example, and, once one is pressed, all that is seen of a run.
// It shows what it is told, wherever that comes from.
import { enable, isEnabled, make, parse, reveal, set } from "./dom.js"
import { annotate, listing, reach } from "./listing.js"
import { playForm } from "./play.js"
import { link, saveSvg } from "./share.js"
import { words } from "./words.js"

const MODES = ["run", "step", "play"]

export class Panel {
  constructor(figure, live, lab) {
    this.figure = figure
    this.live = live
    this.lab = lab // does what the buttons say
    this.root = figure.querySelector(".ws-lab")
    this.text = figure.querySelector(".ws-transcript__text")
    this.diagram = figure.querySelector(".ws-transcript__diagram")
    this.drawing = figure.querySelector(".ws-transcript__drawing")
    this.still = this.drawing.querySelector("svg")
    this.codes = new Map()
    this.root.append(...this.bar())
    this.root.hidden = false
  }

  // The text of the page's own conversation.
  get source() {
    return this.text.querySelector("pre code").textContent
  }

  // --- what it consists of ---

  bar() {
    const button = (name, act = () => this.lab[name]()) => {
      const click = () => isEnabled(this[name]) && act()
      this[name] = make("button", { type: "button", class: `ws-lab__${name}`, click }, words[name])
    }
    for (const mode of MODES) button(mode, () => this.lab.start(mode))
    for (const name of ["next", "stop", "present", "close"]) button(name)
    if (!this.live) {
      enable(this.play, false)
      set(this.play, { title: words.needs_server, click: () => this.lab.refuse() })
    }
    this.asks = make("code", { class: "ws-lab__asks" })
    this.stepping = make("div", { class: "ws-lab__stepping", hidden: true }, this.next, this.asks)
    this.windows = make("div", { class: "ws-lab__windows", hidden: true }, this.present, this.close)
    this.stop.hidden = true
    const modes = make("div", { class: "ws-lab__modes" }, this.run, this.step, this.play, this.stop)
    return [modes, this.windows, this.stepping]
  }

  build() {
    const pane = (name, ...children) => make("section", {
      class: `ws-lab__pane ws-lab__pane--${name}`, "aria-label": words[name],
    }, make("p", { class: "ws-lab__title" }, words[name]), ...children)
    // Whoever has no mouse scrolls with the arrow keys, which needs the focus.
    const scroller = (name, label) =>
      make("div", { class: `ws-lab__${name}`, tabindex: 0, role: "group", "aria-label": words[label] })
    this.alert = make("div", { class: "ws-lab__alert", role: "alert" })
    this.told = make("p", { class: "ws-lab__told", role: "status", "aria-live": "polite" })
    this.verdict = make("p", { class: "ws-lab__verdict", role: "status" })
    this.playing = playForm(this.source, (line, headers) => this.lab.say(line, headers))
    this.lines = scroller("lines", "transcript")
    this.handlers = scroller("handlers", "code")
    this.elsewhere = make("ul", { class: "ws-lab__elsewhere" })
    this.states = make("ul", { class: "ws-lab__states" })
    this.explanation = make("div", { class: "ws-lab__explanation" })
    this.picture = pane("diagram")
    const meaning = scroller("meaning", "explanation")
    meaning.append(pane("explanation", this.explanation), pane("states", this.states))
    this.keep = this.keepsakes()
    return make("div", { class: "ws-lab__body" },
      this.live ? null : make("p", { class: "ws-lab__recording" }, words.recording),
      this.playing.element, this.alert, make("div", { class: "ws-lab__now" }, this.told, this.verdict),
      make("div", { class: "ws-lab__panes" }, this.picture, meaning,
        pane("code", this.handlers, this.elsewhere), pane("transcript", this.lines)),
      this.keep)
  }

  keepsakes() {
    const said = make("span", { class: "ws-lab__copied", role: "status" })
    const byHand = make("textarea", { readonly: true, rows: 4 })
    const hand = make("label", { class: "ws-lab__hand", hidden: true }, words.copy_by_hand, byHand)
    const copy = async text => {
      said.textContent = ""
      try {
        await navigator.clipboard.writeText(text)
        hand.hidden = true
        said.textContent = words.copied
      } catch { // No permission, or neither https nor this machine.
        hand.hidden = false
        byHand.value = text
        byHand.focus()
        byHand.select()
      }
    }
    const button = (name, click) => make("button", { type: "button", click }, words[name])
    return make("div", { class: "ws-lab__keep", hidden: true },
      button("copy_transcript", () => copy(this.transcript)),
      button("save_svg", () => saveSvg(this.drawing.firstElementChild, `${this.figure.dataset.page}-${this.lab.example}.svg`)),
      button("share", () => copy(link(this.lab.example, this.transcript))),
      said, hand)
  }

  // --- opening and closing ---

  open(label) {
    if (this.body) return
    this.body = this.build()
    this.lines.append(this.text)
    set(this.drawing, { tabindex: 0, role: "group", "aria-label": words.diagram })
    // The picture grows to what the page shows: room for that is there from the start.
    this.drawing.style.setProperty("--height", this.still.style.getPropertyValue("--ws-height"))
    this.picture.append(this.diagram)
    this.root.append(this.body)
    this.room = new ResizeObserver(() => this.keepInSight())
    for (const box of [this.lines, this.handlers, this.drawing]) this.room.observe(box)
    set(this.root, { tabindex: -1, role: "group", "aria-label": label })
    this.figure.classList.add("ws-transcript--lab")
    this.windows.hidden = false
  }

  shut() {
    this.room.disconnect()
    this.setMode(null)
    this.conversation(null)
    this.figure.prepend(this.text, this.diagram)
    this.draw(this.still)
    for (const box of [this.drawing, this.root]) set(box, { tabindex: null, role: null, "aria-label": null })
    this.figure.classList.remove("ws-transcript--lab")
    this.body.remove()
    this.body = this.transcript = null
    this.windows.hidden = this.stop.hidden = true
  }

  // --- a run ---

  // `mode` is run, step, play, or null; `other` is a conversation that takes the place of the page's.
  begin(mode, other) {
    this.setMode(mode)
    this.transcript = null
    this.keep.hidden = true
    this.conversation(other ?? (mode === "play" ? "" : null))
    const { alert, told, verdict, drawing, explanation, states, handlers, elsewhere } = this
    for (const part of [alert, told, verdict, drawing, explanation, states, handlers, elsewhere]) part.replaceChildren()
    this.stop.hidden = this.picture.hidden = false
    enable(this.stop, true)
  }

  // Shows a conversation that may be played.
  offer(transcript, note) {
    this.conversation(transcript)
    this.picture.hidden = true
    this.told.textContent = note
  }

  setMode(mode) {
    for (const name of MODES) set(this[name], { "aria-current": name === mode && "true" })
    this.stepping.hidden = mode !== "step"
    this.waitFor(null)
    if (this.playing) this.playing.element.hidden = mode !== "play"
    this.figure.dataset.mode = mode ?? ""
  }

  // Nothing more will come.
  end() {
    this.waitFor(null)
    enable(this.stop, false)
    const { element } = this.playing
    if (element.contains(document.activeElement)) this.play.focus()
    element.hidden = true
  }

  // Shows the page's conversation, or another one.
  conversation(other) {
    this.lines.querySelector(".ws-lab__other")?.remove()
    this.text.hidden = other != null
    reach(this.text, null)
    if (other) this.lines.append(make("div", { class: "ws-lab__other" }, listing(other)))
  }

  waitFor(next) {
    enable(this.next, next != null)
    this.asks.textContent = next ?? ""
    this.asks.hidden = !next
  }

  code({ block, html }) {
    this.codes.set(block, parse(html).firstElementChild)
  }

  show({ svg, drawing = svg && parse(svg).firstElementChild, ...show }) {
    const focused = document.activeElement // perhaps a link of the explanation
    this.alert.replaceChildren()
    if (show.told) this.told.textContent = show.told
    if (drawing) this.draw(drawing)
    if (show.explanation) this.explanation.replaceChildren(parse(show.explanation))
    if (show.transcript) {
      this.transcript = show.transcript
      this.keep.hidden = false
    }
    this.waitFor(show.next)
    this.showLine(show)
    this.showWaits(show.waits ?? [])
    this.showStates(show.states ?? [])
    this.playing.know((show.states ?? []).map(state => state.client))
    this.keepInSight()
    if (document.activeElement === document.body && focused !== document.body) this.root.focus({ preventScroll: true })
  }

  // What was reached last, whenever it or the room for it has changed: a verdict takes some of that.
  keepInSight() {
    const parts = [[this.lines, "[aria-current]"], [this.handlers, "[data-waits]", 40], [this.drawing, ".ws-lab__row", 10]]
    for (const [box, part, air] of parts) {
      const last = [...box.querySelectorAll(part)].at(-1)
      if (last) reveal(box, last, air)
    }
  }

  showLine({ line, transcript }) {
    if (transcript && this.figure.dataset.mode === "play") this.conversation(transcript)
    const other = this.lines.querySelector(".ws-lab__other")
    reach(other ?? this.text, other ? transcript.split("\n").length - 1 : line)
  }

  showWaits(waits) {
    const blocks = [...this.codes.keys()].filter(block => waits.some(wait => wait.block === block)).sort((a, b) => a - b)
    // When a handler has ended, its code stays to be read.
    if (blocks.length) this.handlers.replaceChildren(...blocks.map(block => this.codes.get(block)))
    const label = (...parts) => parts.filter(Boolean).join(" · ")
    const clients = new Map(), elsewhere = []
    for (const { client, block, line, where } of waits) {
      const at = this.codes.get(block)?.querySelector(`#lab-code-${block}-${line}`)
      if (at) clients.set(at, label(clients.get(at), client))
      else elsewhere.push(make("li", {}, label(client, words.waits, where)))
    }
    const notes = [...clients].map(([line, names]) => [line, label(names, words.waits)])
    annotate(this.handlers, notes)
    this.elsewhere.replaceChildren(...elsewhere)
  }

  showStates(states) {
    const side = (name, state) => make("span", { class: "ws-lab__side" }, make("code", {}, name), " ",
      make("b", { class: `ws-state ws-state--${state.toLowerCase()}` }, state))
    this.states.replaceChildren(...states.map(state => make("li", {},
      state.client ? make("span", { class: "ws-lab__client" }, state.client) : null,
      side("client_state", state.client_state), side("application_state", state.application_state))))
  }

  draw(drawing) {
    this.drawing.replaceChildren(drawing)
    const row = drawing !== this.still && [...drawing.querySelectorAll(".step")].at(-1)
    if (!row) return
    const { y, height } = row.getBBox()
    const mark = document.createElementNS("http://www.w3.org/2000/svg", "rect")
    set(mark, { class: "ws-lab__row", x: 0, y, width: "100%", height })
    drawing.querySelector(".background").after(mark)
  }

  over({ ok, title, expected, got }) {
    const said = (label, text) => text == null ? [] : [make("dt", {}, words[label]), make("dd", {}, make("code", {}, text))]
    if (ok) this.verdict.textContent = title
    else this.alert.replaceChildren(make("p", {}, title), make("dl", {}, ...said("expected", expected), ...said("got", got)))
  }

  problem({ text }) {
    this.alert.replaceChildren(make("p", {}, text))
  }
}
