"""The transcript notation: document, test, diagram and lab script at once.

`parse` and `format_transcript` turn text into a `Transcript` and back. `play` plays one in memory or over a real
socket, `check` does so for a test. `Recorder` writes down what a running application says, `svg` and `mermaid` draw.
"""

from reference_ws.transcript.diagram import mermaid, svg
from reference_ws.transcript.grammar import format_step, format_transcript, parse
from reference_ws.transcript.mistakes import TranscriptError
from reference_ws.transcript.observer import Recorder
from reference_ws.transcript.player import Report, TranscriptFailure, check, play
from reference_ws.transcript.steps import Transcript

__all__ = [
    "Recorder",
    "Report",
    "Transcript",
    "TranscriptError",
    "TranscriptFailure",
    "check",
    "format_step",
    "format_transcript",
    "mermaid",
    "parse",
    "play",
    "svg",
]
