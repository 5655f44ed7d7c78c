"""What the lab's buttons, fields and notes say on a page; docs/assets/lab/ finds them in the page as JSON."""

from __future__ import annotations

import json
from gettext import NullTranslations


def words_of(words: NullTranslations) -> dict[str, str]:
    """Collect the lab's words in one language: the scripts' name for each -> the words."""
    _ = words.gettext
    return {
        "run": _("Run"),
        "step": _("Step"),
        "play": _("Play freely"),
        "next": _("Next"),
        "stop": _("Stop"),
        "close": _("Close the lab"),
        "code": _("The handler's code"),
        "waits": _("waits here"),
        "diagram": _("Diagram"),
        "transcript": _("Transcript"),
        "states": _("States"),
        "explanation": _("What is happening"),
        "recording": _("Recording: this page has no server behind it, so you see the run from when it was built."),
        "expected": _("expected"),
        "got": _("got"),
        "client": _("Client"),
        "target": _("Path and query"),
        "protocols": _("Subprotocols"),
        "headers": _("Headers"),
        "headers_hint": _("Headers that a browser can't set: the server adds them. One a line, name: value."),
        "connect": _("Connect"),
        "message": _("Message"),
        "kind": _("Kind"),
        "send": _("Send"),
        "close_code": _("Close code"),
        "reason": _("Reason"),
        "close_connection": _("Close"),
        "drop": _("Drop"),
        "drop_hint": _("The server cuts the connection, as if the network had failed."),
        "copy_transcript": _("Copy as transcript"),
        "save_svg": _("Save as SVG"),
        "share": _("Copy a link that replays this"),
        "copied": _("Copied."),
        "copy_by_hand": _("Copy it from here:"),
        "shared": _("A shared conversation: press Run or Step."),
        "shared_needs_server": _("A shared conversation. Only a server can replay it: run make serve."),
        "cut_off": _("The shared conversation isn't one: was the link cut off?"),
        "needs_server": _("Only the served documentation can do this: run make serve."),
        "lost": _("The lab's server doesn't answer any more. Press a button to start again."),
        "present": _("Present"),
        "leave": _("Leave the presentation"),
        "previous_example": _("Previous example"),
        "next_example": _("Next example"),
        "keys": _("R run, S step, P play freely, → or space next step, N and B next and previous example, Esc end"),
        "example": _("Example %(number)s of %(count)s"),
    }


def script(words: NullTranslations) -> str:
    """Write the words as an element that the page's scripts read and nobody sees."""
    data = json.dumps(words_of(words), ensure_ascii=False).replace("</", "<\\/")
    return f'<script type="application/json" id="ws-lab-words">{data}</script>'
