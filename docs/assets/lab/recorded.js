// The run that was recorded when the site was built, for a host that only has files: a lab.json beside each page.
import { words } from "./words.js"

const PACE = 1500 // milliseconds from step to step: time to read a line and look at the picture

let recordings

export class Recorded {
  constructor(example, panel) {
    this.example = example
    this.panel = panel
  }

  async start(mode) {
    this.stop()
    const run = this.run = { mode, at: 0 }
    recordings ??= fetch("lab.json").then(answer => answer.ok ? answer.json() : Promise.reject(answer.status))
    try {
      const { codes, examples } = await recordings
      if (run !== this.run) return
      Object.assign(run, examples[this.example])
      for (const [block, html] of Object.entries(codes)) this.panel.code({ block: Number(block), html })
      this.next() // what there is before the first step
    } catch {
      recordings = null
      if (run !== this.run) return
      this.panel.problem({ text: words.needs_server })
      this.panel.end()
    }
  }

  next() {
    const { run } = this
    if (!run) return
    const show = run.shows[run.at++], steps = run.mode === "step"
    this.panel.show({ ...show, drawing: this.upTo(show.step), next: steps ? show.next : null })
    if (run.at === run.shows.length) {
      this.panel.over({ ok: true, title: run.title })
      this.panel.end()
    } else if (!steps) run.timer = setTimeout(() => this.next(), show.step && PACE)
  }

  // The picture has its final size from the start: nothing moves while steps appear.
  upTo(step) {
    const drawing = this.panel.still.cloneNode(true)
    for (const row of drawing.querySelectorAll(".step")) if (row.dataset.step > step) row.remove()
    return drawing
  }

  stop() {
    clearTimeout(this.run?.timer)
    if (this.run) this.panel.end()
    this.run = null
  }

  leave() {
    this.stop()
  }
}
