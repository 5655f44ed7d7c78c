// The lab: every example of the page can be run, stepped through, edited and played with, in the reader's own Python.
// A play runs through at once in the worker; what it tells is kept, and the reader moves on it (timeline.js).
import { isPlain, keep, kept } from "./dom.js"
import { engine, lesson } from "./engine.js"
import { Exercise, showProgress } from "./exercises.js"
import { Panel } from "./panel.js"
import { Prediction } from "./predict.js"
import { Presentation, isPresented, sayThatNothingIsPresented } from "./present.js"
import { hash, link, shared } from "./share.js"
import { makeSheet } from "./sheets.js"
import { say, words } from "./words.js"

const labs = []
let opened = null // one at a time
let presentation = null

class Lab {
  shows = []
  mode = null
  data = null // what lab.json says of this example
  samples = []
  prediction = null // questions before the steps, while the reader is asked

  constructor(figure, number, count) {
    this.figure = figure
    this.exercise = Exercise.around(figure, this)
    this.example = Number(figure.dataset.example)
    this.heading = headingAbove(figure)
    this.place = say("example", { number, count })
    this.key = `ws-lab ${location.pathname} ${this.example}`
    // { code: { block: text }, script: text or null, lines: [{ line, headers }] }, and `own`: code and script as they
    // were before a link brought others
    this.draft = this.remembered()
    this.panel = new Panel(figure, this)
    this.panel.root.addEventListener("keydown", event => {
      this.press(event)
      // Material goes to another page at some letters, or into the search: not for what is typed here.
      if (isPlain(event)) event.stopPropagation()
    })
  }

  // --- what the reader has written: it outlives the lab, and the page ---

  // Work on an exercise is kept for another day.
  get storage() {
    return this.exercise ? "localStorage" : "sessionStorage"
  }

  remembered() {
    return { ...NOTHING(), ...kept(this.storage, this.key) }
  }

  remember() {
    keep(this.storage, this.key, this.draft)
  }

  pageCode(block) {
    return this.samples[block - 1].source
  }

  code(block) {
    return this.draft.code[block] ?? this.pageCode(block)
  }

  get pageScript() {
    return this.data.script
  }

  get script() {
    return this.draft.script ?? this.pageScript
  }

  get isEdited() {
    return this.draft.script !== null || Object.keys(this.draft.code).length > 0
  }

  write(block, text) {
    if (text === this.pageCode(block)) delete this.draft.code[block]
    else this.draft.code[block] = text
    this.changed()
  }

  writeScript(text) {
    this.draft.script = text === this.pageScript ? null : text
    this.changed()
  }

  changed() {
    // What came from a link is the reader's own now: loading the page again must not bring the link's back.
    if (/^#lab=/.test(location.hash)) history.replaceState(history.state, "", `#${this.figure.id}`)
    this.remember()
    this.panel.showChanges()
  }

  isChanged(block) {
    return block in this.draft.code
  }

  reset() {
    Object.assign(this.draft, { code: {}, script: null, own: null }, this.draft.own)
    this.remember()
    this.panel.reread()
  }

  link() {
    const { code, script } = this.draft
    return link(this.example, { code, script: this.mode === "play" ? this.transcript : script })
  }

  // What has happened, or, before anything has, what is to happen.
  get transcript() {
    return this.shows.at(-1)?.transcript || this.script
  }

  // Targets that the page's transcripts ask for at the same application.
  get targets() {
    const found = Object.values(this.lesson.examples).filter(({ app }) => app === this.data.app)
      .flatMap(({ script }) => [...script.matchAll(/-> connect (\S+)/g)].map(([, target]) => target))
    return [...new Set(found)]
  }

  // Learns what the page has; rejects as `lesson` does.
  async learn() {
    this.lesson ??= await lesson()
    this.samples = this.lesson.samples
    this.data = this.lesson.examples[this.example]
  }

  mayWrite(block) {
    return !this.exercise || this.exercise.mayWrite(block)
  }

  get mayWriteScript() {
    return this.exercise?.kind !== "code"
  }

  // --- opening and closing ---

  async open() {
    if (opened !== this) {
      opened?.close()
      opened = this
      this.panel.open(`${this.heading} · ${this.place}`)
      seen.observe(this.figure)
      if (!presentation) this.figure.scrollIntoView({ block: "start" })
    }
    try {
      await this.learn()
    } catch ({ status }) {
      const missing = status === 404
      this.panel.problem(missing ? words.no_runtime : words.runtime_failed, !missing && (() => this.start(this.asked)))
      return false
    }
    if (opened !== this) return false
    if (!this.panel.shown) this.panel.know(this.data.blocks, this.data.main)
    if (this.isEdited) await this.panel.makeEditable()
    return opened === this
  }

  close() {
    if (opened !== this) return
    this.prediction?.end()
    this.prediction = null
    const inside = this.panel.root.contains(document.activeElement)
    opened = null
    seen.disconnect()
    document.body.classList.remove("ws-lab-seen")
    if (engine.actor === this) engine.leave()
    this.shows = []
    this.mode = null
    this.panel.shut()
    if (inside) (this.panel[this.asked] ?? this.panel.run).focus({ preventScroll: true })
    if (!presentation) this.figure.scrollIntoView({ block: "nearest" }) // what was below it has moved up
  }

  async start(mode) {
    this.asked = mode // the focus returns to its button when the lab is closed
    if (!await this.open()) return
    if (mode === "edit") {
      engine.warm() // whoever edits runs it next
      this.uncover()
      return this.panel.makeEditable()
    }
    if (mode === "play") return this.playFreely()
    if (mode === "check") await this.panel.makeEditable()
    const { timeline } = this.panel
    if (mode === "step" && this.mode === "step" && this.panel.isFresh && !timeline.isAtEnd) return timeline.forward()
    this.perform(mode)
  }

  // --- plays ---

  perform(mode) {
    this.begin(mode)
    const { code, script } = this.exercise && mode === "check" ? this.exercise.answer(this.draft) : this.draft
    this.played = { code: JSON.stringify(code), script }
    engine.ask({ do: "play", example: this.example, code, script }, this)
  }

  begin(mode) {
    this.prediction?.end()
    this.mode = mode
    this.shows = []
    this.prediction = mode === "predict" ? new Prediction(this) : null
    this.panel.begin(mode)
  }

  // Whether code and script are something else by now than what was played.
  get stale() {
    const { shows, played, draft } = this, isPlayed = shows.length > 0 || this.panel.over
    return {
      code: Boolean(isPlayed && played.code !== JSON.stringify(draft.code)),
      script: Boolean(isPlayed && this.mode !== "play" && played.script !== draft.script),
    }
  }

  // What the worker says.
  take(message) {
    const { panel } = this
    switch (message.do) {
      case "progress": return panel.loads(message)
      case "ready": return panel.says(words.running)
      case "slow": return panel.says(words.slow)
      case "failed":
        panel.wait(false)
        this.uncover() // nothing can be asked: the pictures stay
        return panel.problem(message.text, message.again && (() => this.start(this.asked)))
      case "printed": return panel.print(message.text)
      case "problem":
        this.refused = !this.answered
        return panel.problem(message.text)
      case "show":
        if (this.mode === "play") return this.follow(message)
        return this.shows.push(message)
      case "over":
        return this.ends(message)
      case "done":
        panel.wait(engine.isBusy)
        return this.mode === "play" && this.next()
    }
  }

  ends(over) {
    const { panel } = this, { timeline } = panel
    panel.ends(over)
    const lines = this.script.split("\n")
    this.shows.forEach(show => show.text = lines[show.line - 1] ?? show.transcript.trimEnd().split("\n").at(-1))
    for (const [index, show] of this.shows.entries()) show.next ??= this.shows[index + 1]?.text
    if (this.mode === "play") return timeline.load(this.shows, this.shows.length)
    if (this.mode === "check") this.exercise.checked(over)
    if (this.prediction) return this.prediction.begin(!presentation)
    // What the reader has changed, he wants to know at once; he can go back.
    const all = this.mode === "check" || this.mode === "run" && this.isEdited
    timeline.load(this.shows, all ? this.shows.length : 0)
    if (this.mode === "step") timeline.forward()
    else if (!all) timeline.play()
  }

  // Leaves predict mode: all that was covered is seen.
  uncover() {
    if (!this.prediction) return
    this.prediction.end()
    this.prediction = null
    this.mode = "step"
    this.panel.uncover()
  }

  stop() {
    engine.stop()
    this.uncover()
    this.panel.wait(false)
    this.panel.timeline.load(this.shows, this.shows.length)
    this.panel.problem(words.stopped)
  }

  // --- play freely ---

  playFreely() {
    const { panel, draft } = this
    this.begin("play")
    this.turn = -1 // opening comes before the first line
    this.answered = this.refused = false
    this.played = { code: JSON.stringify(draft.code) }
    engine.ask({ do: "open", example: this.example, code: draft.code }, this)
    for (const line of draft.lines) this.send(line)
    if (draft.lines.length) panel.playing.resume(draft.lines.at(-1).line)
    const { first, message, element } = panel.playing
    if (!element.contains(document.activeElement)) (draft.lines.length ? message : first).focus({ preventScroll: true })
  }

  say(line, headers) {
    this.draft.lines.push({ line, headers })
    this.remember()
    this.panel.alert.replaceChildren()
    const isOpen = engine.actor === this && this.mode === "play" && !this.panel.over
    if (!isOpen || this.played.code !== JSON.stringify(this.draft.code)) return this.playFreely() // says it too
    this.send({ line, headers })
  }

  send(line) {
    engine.post({ do: "line", ...line })
    this.panel.wait(true)
  }

  // A line is done. What was refused is no part of the conversation.
  next() {
    if (this.refused) this.draft.lines.splice(this.turn, 1)
    else this.turn++
    this.answered = this.refused = false
    this.remember()
  }

  undo() {
    this.draft.lines.pop()
    this.remember()
    this.playFreely()
  }

  anew() {
    this.draft.lines = []
    this.remember()
    this.playFreely()
  }

  follow(show) {
    const { panel } = this
    if (show.row === 0) return // nothing has happened yet
    this.answered = true
    panel.alert.replaceChildren()
    this.shows.push(show)
    if (show.svg) panel.draw(show.svg)
    panel.timeline.load(this.shows, this.shows.length)
  }

  present() {
    presentation = new Presentation(labs, this, () => presentation = null)
  }

  // What a link brings: it is shown, and runs when the reader wants it to.
  async offer(draft) {
    opened?.close()
    const { own, code, script } = this.draft
    const isOther = this.isEdited && JSON.stringify({ code, script }) !== JSON.stringify(draft)
    if (draft) Object.assign(this.draft, draft, { own: own ?? (isOther ? { code, script } : null) })
    if (!await this.open()) return
    if (!draft) return this.panel.problem(words.cut_off)
    this.remember() // the address may soon be another one: the theme follows what is scrolled to
    await this.panel.makeEditable()
    const [first] = this.data.blocks.filter(block => this.isChanged(block)) // it runs only if it has been seen
    if (first) this.panel.shown = first
    this.panel.reread()
    this.panel.says(words.shared)
  }

  // --- keys ---

  press(event) {
    if (presentation || event.defaultPrevented || !isPlain(event)) return
    if (event.key === "Escape") this.close()
    else if (!this.prediction?.press(event) && !this.move(event)) return
    event.preventDefault()
  }

  // Keys that have another meaning where the focus is keep it: in a field, on a button, in what can be scrolled.
  move({ key, target }) {
    const { timeline, run } = this.panel
    if (!timeline?.shows.length || target.closest("input, textarea, select, summary")) return false
    if (key === " ") {
      const runs = target === run && this.mode === "run" && !timeline.isAtEnd // pressed once more, it pauses
      if (target.closest("button, a") && !runs || target.scrollHeight > target.clientHeight && !target.closest("button")) return false
      timeline.toggle()
    } else if (key === "ArrowRight" || key === "ArrowLeft") {
      if (target.scrollWidth > target.clientWidth && target.tabIndex === 0 && !target.closest("button")) return false
      if (key === "ArrowLeft") timeline.back()
      else timeline.forward()
    } else return false
    return true
  }
}

const NOTHING = () => ({ code: {}, script: null, own: null, lines: [] })

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

// In presentations, the first example at the place that the address names, or below it.
function addressed() {
  const place = document.getElementById(hash())
  return place && labs.find(({ figure }) =>
    figure === place || place.compareDocumentPosition(figure) & Node.DOCUMENT_POSITION_FOLLOWING) || labs.at(place ? -1 : 0)
}

async function offered() {
  const found = await shared(), lab = labs.find(({ example }) => example === found?.example)
  if (found) (lab ?? labs[0]).offer(lab ? found.draft : null)
}

function begin() {
  const figures = [...document.querySelectorAll("figure.ws-transcript")]
  labs.push(...figures.map((figure, index) => new Lab(figure, index + 1, figures.length)))
  showProgress(labs)
  makeSheet(labs)
  // Keys lead an open lab also where the focus is in the text.
  document.addEventListener("keydown", event => {
    if (opened && event.target === document.body) opened.press(event)
  })
  addEventListener("hashchange", offered)
  if (isPresented()) addressed().present()
  offered()
}

if (words) begin()
else if (isPresented()) sayThatNothingIsPresented()
