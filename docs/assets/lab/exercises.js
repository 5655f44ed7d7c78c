// Exercises: what the reader writes is checked by the exercise's transcript. What is solved is kept in this browser, and
// can be shown to a teacher by a link; the names are the same in every language.
import { keep, kept, make } from "./dom.js"
import { lesson } from "./engine.js"
import { changes } from "./listing.js"
import { hash, pageAddress } from "./share.js"
import { say, words } from "./words.js"

const KEY = "ws-lab solved" // ["handlers/three-ends", ...]: page and anchor
const NAME = /^[\w-]+\/[\w-]+$/

const solved = () => kept("localStorage", KEY) ?? []

function setSolved(names) {
  keep("localStorage", KEY, names)
  show(names)
}

export class Exercise {
  static around(figure, lab) {
    const box = figure.closest(".ws-exercise")
    return box && new Exercise(box, lab)
  }

  constructor(box, lab) {
    this.lab = lab
    this.kind = box.dataset.kind
    this.anchor = box.dataset.exercise
    this.name = `${lab.figure.dataset.page}/${this.anchor}`
    // One hint at a time: the next one comes when this one has been read.
    const hints = [...box.querySelectorAll(".ws-exercise__hint")]
    hints.forEach((hint, index) => {
      hint.hidden = index > 0
      hint.addEventListener("toggle", () => hints[index + 1] && (hints[index + 1].hidden = false), { once: true })
    })
    const solution = box.querySelector(".ws-exercise__solution")
    solution?.addEventListener("toggle", () => solution.open && this.compare(solution).catch(() => {}))
  }

  // The sample that is to be mended; in kind "script", none.
  get block() {
    return this.lab.lesson.exercises.find(({ name }) => name === this.anchor).block
  }

  mayWrite(block) {
    return this.kind === "code" && block === this.block
  }

  // What is checked: the reader's answer and nothing else that he has tried.
  answer({ code, script }) {
    if (this.kind === "script") return { code: {}, script }
    return { code: this.block in code ? { [this.block]: code[this.block] } : {}, script: null }
  }

  checked({ ok }) {
    if (ok && !solved().includes(this.name)) setSolved([...solved(), this.name])
  }

  // Marks in the solution what the reader has written otherwise.
  async compare(solution) {
    await this.lab.learn()
    const { code, script } = this.lab.draft
    const own = this.kind === "script" ? script : code[this.block]
    solution.querySelector(".ws-exercise__differs")?.remove()
    if (own === undefined || own === null) return
    const given = this.lab.lesson.exercises.find(({ name }) => name === this.anchor).solution
    const only = (text, other, sign) => changes(other.trimEnd(), text.trimEnd()).changed.map(line => `${sign} ${text.split("\n")[line - 1]}`)
    const lines = [...only(own, given, "−"), ...only(given, own, "+")]
    solution.querySelector("summary").after(make("div", { class: "ws-exercise__differs" },
      make("p", {}, lines.length ? words.differs : words.same),
      ...(lines.length ? [make("pre", {}, make("code", {}, lines.join("\n")))] : [])))
  }
}

// --- what was solved ---

const isThisPage = name => name.startsWith(`${document.querySelector("figure.ws-transcript").dataset.page}/`)
const tick = (text = "") => make("span", { class: "ws-solved", title: words.solved },
  make("span", { "aria-hidden": "true" }, `✓${text}`), make("span", { class: "ws-unseen" }, words.solved))
let bar = null

function show(names) {
  for (const old of document.querySelectorAll(".ws-solved")) old.remove()
  const counts = {}
  for (const name of names) {
    const [page, anchor] = name.split("/")
    counts[page] = (counts[page] ?? 0) + 1
    if (!isThisPage(name)) continue
    document.getElementById(anchor)?.append(tick())
    for (const link of document.querySelectorAll(`.md-nav--secondary a[href$="#${anchor}"]`)) link.append(tick())
  }
  for (const link of document.querySelectorAll(".md-nav--primary a.md-nav__link[href]:not([href*='#'])")) {
    const page = new URL(link.href).pathname.split("/").filter(Boolean).at(-1)
    if (counts[page]) link.append(tick(counts[page]))
  }
  if (!bar) return
  const here = document.querySelectorAll(".ws-exercise").length
  bar.link.value = pageAddress("", `solved=${names.join(",")}`)
  bar.count.textContent = say("solved_of", { number: names.filter(isThisPage).length, count: here })
  bar.more.hidden = !names.length
}

// At the end of a page with exercises: how many are solved, the link for a teacher, and a way to begin anew.
function makeBar() {
  const link = make("input", { readonly: true, focus: event => event.currentTarget.select() })
  const said = make("span", { role: "status" })
  const copy = async () => {
    link.focus()
    link.select()
    try {
      await navigator.clipboard.writeText(link.value)
      said.textContent = words.copied
    } catch { /* it is selected: the reader copies it */ }
  }
  const count = make("b")
  const more = make("div", { class: "ws-progress__more" },
    make("label", {}, words.teacher_link, link),
    make("button", { type: "button", class: "md-button", click: copy }, words.copy), said,
    make("button", { type: "button", class: "md-button", click: () => setSolved([]) }, words.forget))
  document.querySelector(".md-content__inner").append(
    make("section", { class: "ws-progress", "aria-label": words.exercises }, make("p", {}, count), more))
  return { link, count, more }
}

// What a learner's link says: names, shown as text; their titles from the pages that they are on.
async function showShared(root) {
  const [, list] = /^solved=(.*)$/.exec(hash()) ?? []
  if (list === undefined) return
  const names = [...new Set(list.split(","))].filter(name => NAME.test(name)).slice(0, 200)
  const items = new Map(names.map(name => [name, make("li", {}, make("code", {}, name))]))
  const element = make("section", { class: "ws-progress", tabindex: -1, "aria-label": words.solved_by },
    make("p", {}, make("b", {}, words.solved_by)), make("ol", {}, ...items.values()))
  document.querySelector(".ws-progress--shared")?.remove()
  element.classList.add("ws-progress--shared")
  document.querySelector(".md-content__inner").prepend(element)
  element.focus()
  for (const page of new Set(names.map(name => name.split("/")[0]))) {
    const folder = page === "index" ? root : new URL(`${page}/`, root)
    const data = await lesson(folder).catch(() => null)
    for (const { name, title } of data?.exercises ?? []) items.get(`${page}/${name}`)?.prepend(`${title} `)
  }
}

export function showProgress(labs) {
  const page = labs[0]?.figure.dataset.page
  if (labs.some(({ exercise }) => exercise)) bar = makeBar()
  show(solved().filter(name => NAME.test(name)))
  const root = new URL(page === "index" ? "./" : "../", location.href.split(/[?#]/)[0])
  showShared(root)
  addEventListener("hashchange", () => showShared(root))
  addEventListener("storage", ({ key }) => key === KEY && show(solved()))
}
