// Predict: the reader says what comes before it is shown. `lab.panel.timeline.gate` is where a question is asked.
export function extend(_labs) {}
