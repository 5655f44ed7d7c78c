// `reference-ws serve` answers this file's address with `true`: then the examples are live.
export const live = false
