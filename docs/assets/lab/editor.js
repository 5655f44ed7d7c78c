// A field in which code is edited: the library's where the site brought it (prism-code-editor: a real <textarea> below
// coloured lines), else the <textarea> alone.
import { make, set } from "./dom.js"
import { editorFolder } from "./engine.js"

let library = null

const load = async () => {
  const folder = await editorFolder()
  if (!folder) return null
  const [editor, prism, commands] = await Promise.all(["index.js", "prism/index.js", "extensions/commands/index.js",
    "prism/languages/python.js"].map(name => import(new URL(name, folder))))
  const { languages } = prism
  languages.transcript = {
    comment: /^#.*/m,
    keyword: /^(?:[\p{L}\p{N}_]+ +)?->(?: \S+)?/mu,
    function: /^(?:[\p{L}\p{N}_]+ +)?<-(?: \S+)?/mu,
    important: /^(?:[\p{L}\p{N}_]+ +)?(?:!!|==)(?: \S+)?/mu,
    string: /"(?:\\.|[^"\\\n])*"/,
  }
  editor.languageMap.python = { comments: { line: "#" }, autoIndent: [([start], text) => /[:([{]\s*$/.test(text.slice(0, start))] }
  commands.setIgnoreTab(true) // Tab leads on: a keyboard must not be caught. Ctrl+] indents, Ctrl+M lets Tab do it.
  await new Promise(done => document.head.append(make("link",
    { rel: "stylesheet", href: new URL("layout.css", folder).href, load: done, error: done })))
  return { create: editor.createEditor, commands: commands.editorCommands(commands.defaultKeymap) }
}

// `changed(text)` is told of what the reader types, not of what `text = ...` sets.
export async function makeEditor(language, label, changed) {
  library ??= load().catch(() => null)
  const found = await library
  const box = make("div", { class: "ws-lab__editor" })
  let setting = false, marks = new Map(), field, editor = null
  const told = text => setting || changed(text)
  if (found) {
    editor = found.create(box, { language, value: "", tabSize: 4, wordWrap: true }, found.commands)
    field = editor.textarea
    delete editor.keyCommandMap.Escape // it would drop the focus; here this key closes the lab
    editor.on("update", text => {
      paint()
      told(text)
    })
  } else {
    field = box.appendChild(make("textarea", { input: () => told(field.value) }))
  }
  set(field, { "aria-label": label, spellcheck: "false", autocapitalize: "off", autocomplete: "off" })

  function paint() {
    if (!editor) return
    for (let number = 1; number < editor.lines.length; number++) {
      const mark = marks.get(number)
      set(editor.lines[number], { "data-mark": mark?.kind, "data-note": mark?.short })
    }
  }

  return {
    element: box,
    field,
    get text() {
      return field.value
    },
    set text(value) {
      setting = true
      if (editor) editor.setOptions({ value })
      else field.value = value
      setting = false
    },
    // Whether it can only be read.
    set isLocked(on) {
      editor?.setOptions({ readOnly: on })
      field.readOnly = on
    },
    // As for `annotate`, and the kinds "changed" and "reached"; a note is `short` here.
    mark(now) {
      marks = now
      paint()
    },
    line: number => editor?.lines[number],
  }
}
