// The lab's words in the page's language (reference_ws/guide/lab/words.py): nothing visible is written in these scripts.
export const words = JSON.parse(document.getElementById("ws-lab-words")?.textContent ?? "null")

// say("step_of", { number: 3, count: 7 })
export const say = (name, values) => words[name].replace(/%\((\w+)\)s/g, (_, key) => values[key])
