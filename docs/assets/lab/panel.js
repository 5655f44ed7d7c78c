// What a lab looks like: the buttons under an example, and, once one is pressed, all that is seen of a play. It shows
// what it is told; what the reader does goes to the lab. What code prints or names is text, never markup.
import { isEnabled, make, parse, reveal, set } from "./dom.js"
import { makeEditor } from "./editor.js"
import { freePlay } from "./free.js"
import { annotate, changes, codeListing, linesOf, listing, reach } from "./listing.js"
import { saveSvg } from "./share.js"
import { Timeline } from "./timeline.js"
import { wire } from "./wire.js"
import { say, words } from "./words.js"

const MODES = ["run", "step", "edit", "predict", "play"]
const TABS = ["diagram", "code", "states"] // where there is room for one pane only

const placeOf = ({ block, line, where }) => block ? say("sample_line", { number: block, line }) : where

export class Panel {
  constructor(figure, lab) {
    this.figure = figure
    this.lab = lab // does what the buttons say
    this.root = figure.querySelector(".ws-lab")
    this.text = figure.querySelector(".ws-transcript__text")
    this.diagram = figure.querySelector(".ws-transcript__diagram")
    this.drawing = figure.querySelector(".ws-transcript__drawing")
    this.still = this.drawing.querySelector("svg")
    this.root.append(...this.bar())
    this.root.hidden = false
  }

  // --- what it consists of ---

  bar() {
    const button = (name, act = () => this.lab[name]()) => this[name] = make("button", {
      type: "button", class: `ws-lab__${name}`, "aria-label": `${words[name]} – ${this.lab.place}, ${this.lab.heading}`,
      click: () => isEnabled(this[name]) && act(),
    }, words[name])
    const modes = this.lab.exercise ? ["check", ...MODES] : MODES
    for (const mode of modes) set(button(mode, () => this.lab.start(mode)), { "data-mode": mode })
    for (const name of ["stop", "present", "close"]) button(name)
    this.close.replaceChildren("✕ ", make("span", {}, words.close))
    this.windows = make("div", { class: "ws-lab__windows", hidden: true }, this.present, this.close)
    this.stop.hidden = true
    this.modes = make("div", { class: "ws-lab__modes" }, ...modes.map(mode => this[mode]), this.stop)
    return [this.modes, this.windows]
  }

  build() {
    const pane = (name, title, ...children) => make("section", {
      class: `ws-lab__pane ws-lab__${name}`, "aria-label": title,
    }, ...children)
    const title = (text, ...more) => make("p", { class: "ws-lab__title" }, make("span", {}, text), ...more)
    // Whoever has no mouse scrolls with the arrow keys, which needs the focus.
    const scroller = (name, label) =>
      make("div", { class: `ws-lab__${name}`, tabindex: 0, role: "group", "aria-label": words[label] })

    this.timeline = new Timeline(at => this.show(at))
    this.alert = make("div", { class: "ws-lab__alert", role: "alert" })
    this.progress = make("div", { class: "ws-lab__progress", role: "status" })
    this.told = make("div", { class: "ws-lab__told", role: "status", "aria-live": "polite" })
    this.verdict = make("div", { class: "ws-lab__verdict", role: "status" })
    this.question = make("div", { class: "ws-lab__question" })
    this.printed = make("pre", { class: "ws-lab__printed" })
    this.prints = make("details", { class: "ws-lab__prints", hidden: true }, make("summary", {}, words.printed), this.printed)
    this.lines = scroller("lines", "transcript")
    this.handlers = scroller("handlers", "code")
    this.elsewhere = make("ul", { class: "ws-lab__elsewhere" })
    this.states = make("tbody")
    this.explanation = make("div", { class: "ws-lab__explanation" })
    this.sample = make("select", {
      class: "ws-lab__sample", "aria-label": words.sample_choice, hidden: true,
      change: () => this.showCode(Number(this.sample.value)),
    })
    this.changed = { code: make("span", { class: "ws-lab__count" }), script: make("span", { class: "ws-lab__count" }) }
    this.reset = make("button", { type: "button", class: "ws-lab__reset", hidden: true, click: () => this.lab.reset() }, words.reset)
    this.playing = freePlay(this.lab)
    this.heads = make("div", { class: "ws-lab__heads", "aria-hidden": "true" })

    this.picture = pane("picture", words.diagram, title(words.diagram))
    this.codePane = pane("code", words.code, title(words.code, this.sample, this.changed.code, this.reset),
      this.handlers, this.elsewhere)
    this.script = pane("script", words.transcript, title(words.transcript, this.changed.script), this.lines)
    const head = name => make("th", { scope: "col" }, name)
    const meaning = pane("meaning", words.explanation,
      make("div", { class: "ws-lab__now", tabindex: 0, role: "group", "aria-label": words.explanation },
        this.question, this.verdict, this.told, this.explanation, this.prints),
      make("div", { class: "ws-lab__states", tabindex: 0, role: "group", "aria-label": words.states }, make("table", {},
        make("thead", {}, make("tr", {}, head(words.client), head("client_state"), head("application_state"))), this.states)))
    this.tabs = make("div", { class: "ws-lab__tabs", role: "group", "aria-label": words.view },
      ...TABS.map(name => make("button", { type: "button", "data-tab": name, click: () => this.tab(name) }, words[name])))
    this.keep = this.keepsakes()
    return make("div", { class: "ws-lab__body" },
      this.progress, this.alert, this.playing.element, this.tabs,
      make("div", { class: "ws-lab__panes" }, this.codePane, this.script, this.picture, meaning),
      this.timeline.element, this.keep, wire(this.figure))
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
    return make("div", { class: "ws-lab__keep" },
      button("share", async () => copy(await this.lab.link())),
      button("copy_transcript", () => copy(this.lab.transcript)),
      button("save_svg", () => saveSvg(this.svg ?? this.still, `${this.figure.dataset.page}-${this.lab.example}.svg`)),
      said, hand)
  }

  tab(name) {
    this.figure.dataset.tab = name
    for (const button of this.tabs.children) set(button, { "aria-pressed": String(button.dataset.tab === name) })
  }

  // --- opening and closing ---

  open(label) {
    if (this.body) return
    this.body = this.build()
    this.stale = this.lab.stale
    this.lines.append(this.text)
    set(this.drawing, { tabindex: 0, role: "group", "aria-label": words.diagram })
    this.picture.append(this.diagram)
    this.drawing.before(this.heads)
    this.drawing.addEventListener("scroll", () => this.heads.scrollLeft = this.drawing.scrollLeft)
    this.root.append(this.body)
    this.room = new ResizeObserver(() => this.keepInSight())
    for (const box of [this.lines, this.handlers, this.drawing]) this.room.observe(box)
    this.lines.addEventListener("click", ({ target }) => this.jumpTo(target))
    set(this.root, { tabindex: -1, role: "group", "aria-label": label })
    this.figure.classList.add("ws-transcript--lab")
    this.windows.hidden = false
    this.tab("diagram")
    this.timeline.load([])
  }

  shut() {
    this.room.disconnect()
    this.timeline.pause()
    this.setMode(null)
    this.heads.remove()
    this.text.hidden = false
    reach(this.text, null)
    this.figure.prepend(this.text, this.diagram)
    this.drawing.replaceChildren(this.still)
    for (const box of [this.drawing, this.root]) set(box, { tabindex: null, role: null, "aria-label": null })
    this.figure.classList.remove("ws-transcript--lab")
    this.body.remove()
    this.body = this.svg = this.editors = this.shown = this.over = null
    this.windows.hidden = true
    this.wait(false)
    for (const name of ["tab", "edit"]) delete this.figure.dataset[name]
  }

  // --- code and conversation ---

  // What the page has; from here on the code is there.
  know(blocks, main) {
    this.main = main
    this.sample.replaceChildren(...[...blocks].sort((a, b) => (b === main) - (a === main) || b - a)
      .map(block => make("option", { value: block }, say("sample", { number: block }))))
    this.sample.hidden = blocks.length < 2
    this.showCode(main)
    this.playing.know(this.lab)
  }

  showCode(block) {
    if (this.shown !== block || this.editors) this.handlers.scrollTop = 0
    this.shown = block
    this.sample.value = block
    if (this.editors) {
      this.editors.code.text = this.lab.code(block)
      this.editors.code.isLocked = !this.lab.mayWrite(block)
      this.showChanges()
    } else {
      this.handlers.replaceChildren(codeListing(this.lab.code(block)))
      this.mark()
    }
  }

  // Code and transcript become editors, and stay so until the lab is closed.
  async makeEditable() {
    this.figure.dataset.edit = ""
    set(this.edit, { "aria-pressed": "true" })
    if (this.editors) return this.editors.code.field.focus({ preventScroll: true })
    const body = this.body
    const [code, script] = await Promise.all([
      makeEditor("python", words.code, text => this.lab.write(this.shown, text)),
      makeEditor("transcript", words.transcript, text => this.lab.writeScript(text)),
    ])
    if (body !== this.body || this.editors) return
    this.editors = { code, script }
    script.isLocked = !this.lab.mayWriteScript
    this.handlers.replaceChildren(code.element)
    set(this.handlers, { tabindex: null, role: null, "aria-label": null }) // the field in it has the focus
    this.lines.append(script.element)
    this.showCode(this.shown)
    script.text = this.lab.script
    this.conversation()
    this.tab("code")
    code.field.focus({ preventScroll: true })
  }

  reread() {
    if (!this.editors) return
    this.editors.script.text = this.lab.script
    this.showCode(this.shown)
  }

  // What differs from the page, and from what was played: then what was said of that no longer holds.
  showChanges() {
    const { lab, shown, stale: { code, script } } = this
    this.stale = lab.stale
    const count = ({ count }) => count ? say("changed", { count }) : ""
    const told = (...parts) => parts.filter(Boolean).join(" · ")
    const inCode = block => changes(lab.pageCode(block), lab.code(block))
    this.differs = { code: inCode(shown), script: changes(lab.pageScript, lab.script) }
    const others = lab.data.blocks.filter(block => block !== shown && lab.isChanged(block))
      .map(block => `${say("sample", { number: block })} – ${count(inCode(block))}`)
    this.changed.code.textContent = told(count(this.differs.code), ...others, this.stale.code && words.stale)
    this.changed.script.textContent = told(count(this.differs.script), this.stale.script && words.stale)
    this.reset.hidden = !lab.isEdited
    this.reset.textContent = lab.draft.own ? words.reset_own : words.reset
    if (code === this.stale.code && script === this.stale.script) return this.mark()
    this.timeline.pause()
    this.show(this.timeline.at)
  }

  // Whether the verdict, if there is one, is about what stands here.
  get isFresh() {
    return this.over && !this.stale.code && !this.stale.script
  }

  // Whether the conversation in the pane is what has happened, not the page's, nor the editor's, which tells the future.
  get isToldAsItHappens() {
    return this.lab.mode === "play" || Boolean(this.editors && this.lab.prediction)
  }

  // Which conversation stands in the pane.
  conversation(other = this.now?.transcript) {
    this.other?.remove()
    this.other = null
    const happens = this.isToldAsItHappens
    this.text.hidden = happens || Boolean(this.editors)
    if (this.editors) this.editors.script.element.hidden = happens
    set(this.lines, { tabindex: this.editors && !happens ? null : 0 })
    if (happens && other) this.lines.append(this.other = make("div", { class: "ws-lab__other" }, listing(other)))
  }

  // --- a play ---

  begin(mode) {
    this.setMode(mode)
    this.over = null
    this.svg = null
    for (const part of [this.alert, this.verdict, this.told, this.explanation, this.states, this.printed, this.elsewhere])
      part.replaceChildren()
    delete this.verdict.dataset.ok
    this.prints.hidden = true
    this.conversation()
    if (mode === "predict") this.drawing.replaceChildren(this.still) // covered by its style, until the play is there
    this.timeline.load([])
    if (this.editors) this.showChanges()
    this.wait(true)
  }

  // What stood covered is seen, at the place that has been reached.
  uncover() {
    if (!this.body) return
    this.conversation()
    if (!this.over) this.drawing.replaceChildren(this.still)
    this.timeline.go(this.timeline.at)
  }

  setMode(mode) {
    for (const button of this.modes.children) set(button, { "aria-current": button.dataset.mode === mode && "true" })
    if (this.playing) this.playing.element.hidden = mode !== "play"
    this.figure.dataset.mode = mode ?? ""
  }

  // The button to stop it comes when that may be wanted: what is over at once would only let the others jump.
  wait(on) {
    if (on) return this.stopping ??= setTimeout(() => this.stop.hidden = false, 300)
    clearTimeout(this.stopping)
    this.stopping = null
    this.stop.hidden = true
    this.progress.replaceChildren()
  }

  loads({ bytes, total }) {
    const size = number => (number / 1e6).toLocaleString(document.documentElement.lang, { maximumFractionDigits: 1, minimumFractionDigits: 1 })
    const bar = this.progress.querySelector("progress")
    const text = bytes < total ? say("loading", { bytes: size(bytes), total: size(total) }) : words.starting
    if (bar) {
      set(bar, { value: bytes, max: total })
      this.progress.firstElementChild.textContent = text
    } else this.progress.replaceChildren(make("span", {}, text),
      make("progress", { value: bytes, max: total, "aria-label": words.progress }))
  }

  says(text) {
    this.progress.replaceChildren(make("span", {}, text))
  }

  print(text) {
    this.printed.append(text)
    this.prints.hidden = false
  }

  problem(text, again) {
    const retry = again && make("button", { type: "button", click: again }, words.try_again)
    this.alert.replaceChildren(make("p", {}, text), retry || "")
  }

  ends(over) {
    this.over = over
    if (over.svg) this.draw(over.svg)
  }

  draw(svg) {
    this.svg = parse(svg).firstElementChild
    this.svg.classList.add("ws-lab__played")
    this.rows = [...this.svg.querySelectorAll(".step")]
    this.drawing.replaceChildren(this.svg)
    // The names above the lanes stay in sight: the top of the same picture, over what scrolls.
    const heads = this.svg.cloneNode(true)
    for (const part of heads.querySelectorAll(".step")) part.remove()
    const [, , width] = heads.getAttribute("viewBox").split(" ")
    const height = Math.min(...[...heads.querySelectorAll(".life")].map(line => Number(line.getAttribute("y1"))))
    heads.setAttribute("viewBox", `0 0 ${width} ${height}`)
    this.heads.replaceChildren(heads)
  }

  // The play as it was after so many steps.
  show(at) {
    if (!this.lab.shows) return
    const show = this.lab.shows[at - 1] ?? { row: 0, line: 0, waits: [], raised: [], states: [], told: "", transcript: "" }
    this.now = show
    const focused = document.activeElement // perhaps a link of the explanation
    this.reveal(show)
    this.told.replaceChildren(...show.told.split("\n").filter(Boolean).map(text => make("p", {}, text)))
    this.explanation.replaceChildren(show.explanation ? parse(show.explanation) : "")
    this.states.replaceChildren(...show.states.map(state => make("tr", {}, make("th", { scope: "row" }, state.client || words.client),
      ...["client_state", "application_state"].map(side => make("td", {},
        make("b", { class: `ws-state ws-state--${state[side].toLowerCase()}` }, state[side]))))))
    this.body.toggleAttribute("data-talks", this.lab.mode === "play" && at > 0)
    if (this.isToldAsItHappens) {
      this.conversation(show.transcript)
      if (this.other) reach(this.other, linesOf(this.other).length)
    } else if (!this.editors) reach(this.text, show.line ?? 0)
    const blocks = show.waits.concat(show.raised ?? []).map(place => place.block).filter(Boolean)
    if (blocks.length && !blocks.includes(this.shown)) this.showCode(blocks.at(-1))
    else this.mark()
    this.showVerdict(at)
    this.lab.prediction?.moved(at)
    this.keepInSight()
    if (document.activeElement === document.body && focused !== document.body) this.root.focus({ preventScroll: true })
  }

  // The row of the picture that has been reached.
  get reachedRow() {
    return this.rows?.findLast(part => part.style.display !== "none")
  }

  reveal({ row }) {
    if (!this.svg) return
    for (const part of this.rows) part.style.display = Number(part.dataset.step) > row ? "none" : ""
    this.svg.querySelector(".ws-lab__row")?.remove()
    const last = this.reachedRow
    if (!last) return
    const { y, height } = last.getBBox()
    const mark = document.createElementNS("http://www.w3.org/2000/svg", "rect")
    set(mark, { class: "ws-lab__row", x: 0, y, width: "100%", height })
    this.svg.querySelector(".background").after(mark)
  }

  // The lines that matter now, in what is shown of the code and in the transcript's editor.
  mark() {
    const { over, stale } = this
    const now = this.now && !stale.code ? this.now : { waits: [], raised: [] } // lines have moved since
    const atEnd = over && !stale.code && this.timeline?.isAtEnd
    const code = new Map(), script = new Map(), elsewhere = []
    const joined = (...parts) => parts.filter(Boolean).join(" · ")
    const put = (marks, line, kind, note, short = note) => {
      const known = marks.get(line)
      marks.set(line, { kind, note: joined(known?.note, note), short: joined(known?.short, short) })
    }
    if (this.editors && this.differs) {
      for (const line of this.differs.code.changed) put(code, line, "changed", "")
      for (const line of this.differs.script.changed) put(script, line, "changed", "")
    }
    const place = (kind, at, note, short = at.text) => {
      const { client, block, line, text } = at
      const said = joined(client, note, text)
      if (block === this.shown && line) put(code, line, kind, said, joined(client, note, short))
      else elsewhere.push(make("li", {}, `${said} – ${placeOf(at)}`))
    }
    const waiting = new Map() // several clients may wait in one line
    for (const wait of now.waits) {
      const key = `${wait.block} ${wait.line} ${wait.where}`
      waiting.set(key, { ...wait, client: joined(waiting.get(key)?.client, wait.client) })
    }
    for (const wait of waiting.values()) place("waits", wait, words.waits)
    const raised = [...now.raised ?? []]
    const key = ({ client, block, line }) => `${client} ${block} ${line}`
    if (atEnd) raised.push(...(over.raised ?? []).filter(error => !raised.some(known => key(known) === key(error))))
    for (const error of raised) place("raised", error, "", error.text.split(":")[0].split(".").at(-1))
    const problem = this.timeline?.isAtEnd && over?.problem
    if (problem?.block && !stale.code) place("wrong", problem, "")
    if (problem?.script && !stale.script) put(script, problem.script, "wrong", "")
    if (this.editors) {
      if (this.now?.line && !stale.script && this.lab.mode !== "play") put(script, this.now.line, "reached", "")
      this.editors.code.mark(code)
      this.editors.script.mark(script)
    } else annotate(this.handlers, code)
    this.elsewhere.replaceChildren(...elsewhere)
  }

  showVerdict(at) {
    const { verdict, over } = this
    if (!this.isFresh || at < this.lab.shows.length) {
      delete verdict.dataset.ok
      return verdict.replaceChildren()
    }
    const said = (label, text) => text == null ? [] : [make("dt", {}, words[label]), make("dd", {}, make("code", {}, text))]
    const raised = (over.raised ?? []).map(error => make("dd", {}, make("code", {}, error.text), ` – ${placeOf(error)}`))
    const { problem } = over
    const problems = !problem ? [] : [make("dd", {}, make("code", {}, problem.text),
      problem.block || problem.where ? ` – ${placeOf(problem)}` : problem.script ? ` – ${say("script_line", { line: problem.script })}` : "")]
    const isNew = verdict.dataset.ok === undefined
    verdict.dataset.ok = String(over.ok)
    verdict.replaceChildren(make("p", {}, over.title), make("dl", {},
      ...said("expected", over.expected), ...said("got", over.got),
      ...(problems.length ? [make("dt", {}, words.problem), ...problems] : []),
      ...(raised.length ? [make("dt", {}, words.raised), ...raised] : [])))
    if (!isNew) return
    verdict.parentElement.scrollIntoView({ block: "nearest" }) // on a small screen
    reveal(verdict.parentElement, verdict.firstElementChild)
  }

  // A row of the conversation: to the step in which it happened.
  jumpTo(target) {
    const line = target.closest("code > span")
    if (!line || !this.timeline.shows.length || !getSelection().isCollapsed) return
    const number = linesOf(line.closest(".highlight")).indexOf(line) + 1
    const free = this.lab.mode === "play"
    const length = text => text.replace(/\n+$/, "").split("\n").length
    const at = this.lab.shows.findIndex(show => free ? length(show.transcript) >= number : show.line >= number)
    if (at >= 0) this.timeline.jump(at + 1)
  }

  // What was reached last, whenever it or the room for it has changed.
  keepInSight() {
    const parts = [[this.lines, "[aria-current], [data-mark=reached]"], [this.handlers, "[data-mark=waits], [data-mark=raised], [data-mark=wrong]", 30]]
    for (const [box, part, air] of parts) {
      const last = [...box.querySelectorAll(part)].at(-1)
      if (last) reveal(last.closest(".prism-code-editor") ?? box, last, air) // an editor scrolls by itself
    }
    const row = this.drawing.querySelector(".ws-lab__row"), step = this.reachedRow
    if (!row || !step) return
    reveal(this.drawing, row, 10)
    for (const arrow of step.querySelectorAll(".arrow, .head, text")) reveal(this.drawing, arrow, 10)
  }
}
