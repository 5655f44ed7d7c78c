"""Runs the console fences of a page that say ``run=here``, as a reader types them.

They run in a shell, in the page's language, in a folder with the files that the page shows (``file=``), and
`reference-ws serve` answers at ``ws://127.0.0.1:8000``: a server with the live examples, on a free port.
"""

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from server import WAIT_S, in_thread

from reference_ws.guide.live import live_application
from reference_ws.guide.pages import Fence, Page, PageError

SERVER: Final = "127.0.0.1:8000"
"""Where the pages say that it answers."""

COMMAND: Final = f"""#!{sys.executable}
import os

os.environ["LC_ALL"] = "{{language}}.UTF-8"  # not for the shell, which may not know this locale
from reference_ws.guide.command import connect
from reference_ws_command import main

connect.QUIET_S, connect.PATIENCE_S = 1, {WAIT_S}  # a busy machine may be silent before it answers
main()
"""


def run_console(page: Page, fence: Fence) -> None:
    """Run each command of a fence and compare what it writes, stdout and stderr as they come. Raises `PageError`."""
    wanted = f"ws://{SERVER}" in fence.source
    serving = in_thread(live_application(page.path.parents[1])) if wanted else nullcontext(f"ws://{SERVER}")
    with TemporaryDirectory() as made, serving as url:
        folder = Path(made)
        for shown in page.fences:
            if "file" in shown.options and shown.line < fence.line:
                (folder / shown.options["file"]).write_text(shown.source, "utf-8")
        bin_ = folder / ".bin"
        bin_.mkdir()
        (bin_ / "reference-ws").write_text(COMMAND.format(language=page.language))
        (bin_ / "reference-ws").chmod(0o755)
        path = f"{bin_}{os.pathsep}{os.environ['PATH']}"
        root = str(page.path.parents[2])
        env = {**os.environ, "PATH": path, "PYTHONPATH": root, "COLUMNS": "80"}
        address = url.partition("//")[2]
        for number, command, expected in _commands(fence):
            run = subprocess.run(
                ["sh", "-c", command.replace(SERVER, address)],
                cwd=folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=WAIT_S,
            )
            got = run.stdout.decode().replace(address, SERVER).rstrip("\n")
            if got != expected:
                told = f"`{command}` writes something else.\nexpected:\n{expected}\ngot:\n{got}"
                raise PageError(page.file, number, told)


def _commands(fence: Fence) -> list[tuple[int, str, str]]:
    """List the commands of a fence: the line of the page, what is typed after ``$``, and what is shown below it."""
    found: list[tuple[int, str, list[str]]] = []
    for number, line in enumerate(fence.source.splitlines(), fence.line + 1):
        if line.startswith("$ "):
            found.append((number, line[2:], []))
        else:
            found[-1][2].append(line)
    return [(number, command, "\n".join(shown).rstrip("\n")) for number, command, shown in found]
