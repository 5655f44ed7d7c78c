// The lab's words in the page's language (reference_ws/guide/lab/words.py): nothing visible is written in these scripts.
export const words = JSON.parse(document.getElementById("ws-lab-words")?.textContent ?? "null")

// fill("Example %(number)s of %(count)s", { number: 2, count: 17 })
export const fill = (sentence, values) => sentence.replace(/%\((\w+)\)s/g, (_, name) => values[name])
