"""The lab: the page's transcripts run, stepped through and played with, live in the reader's browser."""
