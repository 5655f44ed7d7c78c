// The run that was recorded when the site was built, for a host that only has files: a lab.json beside each page.
import { words } from "./words.js"

const PACE = 700 // milliseconds from step to step: time to read a line and look at the picture

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
      const asks = this.asks(run.shows[0])
      if (mode === "run") this.next()
      else this.panel.show({ next: asks })
    } catch {
      recordings = null
      if (run !== this.run) return
      this.panel.problem({ text: words.needs_server })
      this.panel.end()
    }
  }

  next() {
    const { run } = this
    if (!run?.shows || run.at >= run.shows.length) return
    const show = run.shows[run.at++], following = run.shows[run.at]
    const asks = run.mode === "step" && following ? this.asks(following) : null
    this.panel.show({ ...show, drawing: this.upTo(show.step ?? 0), next: asks })
    if (following) {
      if (run.mode === "run") run.timer = setTimeout(() => this.next(), PACE)
      return
    }
    this.panel.over({ ok: true, title: run.title })
    this.panel.end()
  }

  asks(show) {
    return this.panel.source.split("\n")[show.line - 1] ?? ""
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
