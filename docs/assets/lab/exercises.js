// Exercises: code that is to be mended, checked by its transcript.
export function extend(_labs) {}
