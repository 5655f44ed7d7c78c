// The lab's words in the page's language (reference_ws/guide/lab/words.py): nothing visible is written in these scripts.
export const words = JSON.parse(document.getElementById("ws-lab-words")?.textContent ?? "null")
