// The lab: every example on the page can be run, stepped through and played with.
