"""What the lab's buttons, fields and notes say on a page; docs/assets/lab/ finds them in the page as JSON."""

from __future__ import annotations

import json
from gettext import NullTranslations

from reference_ws.lifecycle import CLOSE_CODES


def words_of(words: NullTranslations) -> dict[str, str]:
    """Collect the lab's words in one language: the scripts' name for each -> the words."""
    _ = words.gettext
    return {
        "run": _("Run"),
        "step": _("Step"),
        "edit": _("Edit"),
        "predict": _("Predict"),
        "play": _("Play freely"),
        "check": _("Check"),
        "stop": _("Stop"),
        "close": _("Close the lab"),
        "example": _("Example %(number)s of %(count)s"),
        # while the runtime loads, and while code runs
        "loading": _("Python is loading: %(bytes)s of %(total)s MB. It stays in the browser's cache."),
        "starting": _("Python is starting…"),
        "progress": _("Progress"),
        "running": _("Running…"),
        "slow": _("It is still running. If it never ends, press Stop."),
        "stopped": _("Stopped. What had happened until then is shown."),
        "no_runtime": _(
            "Python isn't part of this copy of the site, so nothing can be run here. The pictures show what happens."
        ),
        "runtime_failed": _("Python couldn't be loaded."),
        "broken": _("The code has brought Python down: %(text)s"),
        "try_again": _("Try again"),
        # the panes
        "code": _("The code"),
        "diagram": _("Diagram"),
        "transcript": _("Transcript"),
        "states": _("States"),
        "explanation": _("What is happening"),
        "view": _("View"),
        "sample": _("Sample %(number)s"),
        "sample_choice": _("Which sample of the page"),
        "sample_line": _("sample %(number)s, line %(line)s"),
        "script_line": _("transcript, line %(line)s"),
        "waits": _("waits here"),
        "changed": _("Lines changed: %(count)s"),
        "stale": _("not run yet"),
        "reset": _("Reset to the page's"),
        "reset_own": _("Back to what you had"),
        "printed": _("Printed"),
        # the time line
        "time_line": _("Time line"),
        "back": _("Back"),
        "next": _("Next"),
        "pause": _("Pause"),
        "go_on": _("Go on"),
        "speed": _("Speed"),
        "step_of": _("Step %(number)s of %(count)s"),
        # the verdict
        "expected": _("expected"),
        "got": _("got"),
        "problem": _("problem"),
        "raised": _("raised"),
        # predict
        "given": _("Next:"),
        "ask_states": _("Which states are the two sides in afterwards?"),
        "ask_waits": _("In which line does the handler wait then?"),
        "ask_next": _("What comes from the application next?"),
        "ask_who": _("Who gets a message now?"),
        "ask_learns": _("Which close code does the application get to know?"),
        "ask_code": _("With which code does the application close?"),
        "ask_raised": _("Which exception leaves the handler?"),
        "nowhere": _("Nowhere: the handler has ended."),
        "reveal": _("Show the answer"),
        "answer_right": _("Right."),
        "answer_wrong": _("Not this time. What comes is:"),
        "answer_shown": _("What comes is:"),
        "score": _("Right: %(right)s of %(count)s; on this page: %(page_right)s of %(page_count)s"),
        "close_codes": "\n".join(f"{row.first} {row.name}" for row in CLOSE_CODES if row.first == row.last),
        # exercises
        "exercises": _("Exercises"),
        "solved": _("Solved"),
        "solved_of": _("Exercises solved on this page: %(number)s of %(count)s"),
        "solved_by": _("From a link: the exercises that were solved"),
        "teacher_link": _("Link for the teacher"),
        "copy": _("Copy"),
        "forget": _("Forget what was solved"),
        "differs": _("Where you and the solution differ: − yours, + the solution's"),
        "same": _("What you wrote is the solution, line by line."),
        # play freely
        "client": _("Client"),
        "target": _("Path and query"),
        "protocols": _("Subprotocols"),
        "headers": _("Headers, one a line"),
        "connect": _("Connect"),
        "message": _("Message"),
        "kind": _("Kind"),
        "send": _("Send"),
        "close_code": _("Close code"),
        "reason": _("Reason"),
        "close_connection": _("Close"),
        "more": _("Close, break"),
        "undo": _("Undo the last line"),
        "anew": _("Begin anew"),
        "break_it": _("Break it:"),
        "drop": _("Drop"),
        "drop_hint": _("The connection breaks, as if the network had failed."),
        "flood": _("Flood"),
        "flood_hint": _("Fifty messages, one after the other."),
        "large": _("Large message"),
        "large_hint": _("A text of 20,000 characters."),
        "stop_reading": _("Stop reading"),
        "stop_reading_hint": _("The client takes nothing from the network any more, as if all buffers were full."),
        "read_on": _("Read on"),
        "bad_text": _("Close with 1007"),
        "bad_text_hint": _("What a client does that got bytes as text that are no UTF-8."),
        # what can be taken along
        "share": _("Copy a link to this"),
        "copy_transcript": _("Copy as transcript"),
        "save_svg": _("Save as SVG"),
        "copied": _("Copied."),
        "copy_by_hand": _("Copy it from here:"),
        "shared": _("From a link: read it, then press Run."),
        "cut_off": _("The link holds nothing that can be read: was it cut off?"),
        # on the wire
        "wire": _("Over the wire"),
        "wire_hint": _("The browser's own WebSocket, connected to the live address, and what the browser sees."),
        "address": _("Live address"),
        "event": _("Event"),
        "data": _("Data"),
        # the presentation
        "present": _("Present"),
        "leave": _("Leave the presentation"),
        "previous_example": _("Previous example"),
        "next_example": _("Next example"),
        "examples": _("Examples"),
        "language": _("Language"),
        "keys": _(
            "→ or space asks and goes on, ← back, 1 to 4 answer, Q asks or shows all, R run, S step, P play freely,"
            " N and B next and previous example, Esc end"
        ),
        # sheets
        "sheet": _("Sheet"),
        "sheet_answers": _("Sheet with answers"),
        "print": _("Print"),
        "back_to_page": _("Back to the page"),
    }


def script(words: NullTranslations) -> str:
    """Write the words as an element that the page's scripts read and nobody sees."""
    data = json.dumps(words_of(words), ensure_ascii=False).replace("</", "<\\/")
    return f'<script type="application/json" id="ws-lab-words">{data}</script>'
