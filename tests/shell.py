"""Runs the console fences of a page that say ``run=here``, as a reader types them.

They run in a shell, in the page's language, in a folder with the files that the page shows (``file=``), and
`reference-ws serve` answers at ``ws://127.0.0.1:8000``: a server with the live examples, on a free port.
"""

import os
import subprocess
import sys
from contextlib import ExitStack, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from server import WAIT_S, in_thread

from reference_ws.guide.live import live_application
from reference_ws.guide.pages import Fence, Page, PageError

SERVER: Final = "127.0.0.1:8000"
"""Where the pages say that it answers."""

COMMAND: Final = f"""#!{sys.executable} -IS
import os, socket, sys

with socket.socket(socket.AF_UNIX) as prepared:
    prepared.connect(os.path.join(os.path.dirname(sys.argv[0]), "prepared"))
    socket.send_fds(prepared, ["\\0".join([os.getcwd(), *sys.argv]).encode()], [0, 1, 2])
    sys.exit(int(prepared.recv(9)))
"""
"""What the shell finds as `reference-ws`: it hands all over to `PREPARED`, and ends as that says."""

PREPARED: Final = f"""
import os, select, signal, socket, sys, traceback

os.environ["LC_ALL"] = sys.argv.pop() + ".UTF-8"  # not for the shell, which may not know this locale
from reference_ws.guide.command import commands, connect
from reference_ws_command import main

connect.QUIET_S, connect.PATIENCE_S = 1, {WAIT_S}  # a busy machine may be silent before it answers
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind("prepared")
    listener.listen()
    print(flush=True)
    while listener in select.select([listener, 0], [], [])[0]:
        caller, _ = listener.accept()
        told, files, _, _ = socket.recv_fds(caller, 2**16, 3)
        if not os.fork():
            break
        for file in (*files, caller.detach()):
            os.close(file)
    else:
        sys.exit()
signal.signal(signal.SIGCHLD, signal.SIG_DFL)
folder, *sys.argv = told.decode().split("\\0")
os.chdir(folder)
for number, file in enumerate(files):
    os.dup2(file, number)
    os.close(file)
code = 0
try:
    main()
except SystemExit as ended:
    code = ended.code or 0
except BaseException:
    traceback.print_exc()
    code = 1
sys.stdout.flush()
caller.send(b"%d" % code)
os._exit(0)
"""
"""The command with all that it imports, which takes longer than what it does: each call is a fork of this process."""


class Shell:
    """Runs the console fences of one page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._stack = ExitStack()
        self.bin = Path(self._stack.enter_context(TemporaryDirectory()))
        (self.bin / "reference-ws").write_text(COMMAND)
        (self.bin / "reference-ws").chmod(0o755)
        (self.bin / "prepare.py").write_text(f"{os.environ.get('PREPARED_FIRST', '')}\n{PREPARED}")
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        self.env = {**os.environ, "PATH": path, "PYTHONPATH": str(page.path.parents[2]), "COLUMNS": "80"}
        self._prepared: subprocess.Popen[bytes] | None = None

    def run(self, fence: Fence) -> None:
        """Run each command and compare what it writes, stdout and stderr as they come. Raises `PageError`."""
        wanted = f"ws://{SERVER}" in fence.source
        serving = in_thread(live_application(self.page.path.parents[1])) if wanted else nullcontext(f"ws://{SERVER}")
        with TemporaryDirectory() as made, serving as url:
            if "reference-ws" in fence.source and self._prepared is None:
                self._prepare()
            folder = Path(made)
            for shown in self.page.fences:
                if "file" in shown.options and shown.line < fence.line:
                    (folder / shown.options["file"]).write_text(shown.source, "utf-8")
            address = url.partition("//")[2]
            for number, command, expected in _commands(fence):
                run = subprocess.run(
                    ["sh", "-c", command.replace(SERVER, address)],
                    cwd=folder,
                    env=self.env,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    timeout=WAIT_S,
                )
                got = run.stdout.decode().replace(address, SERVER).rstrip("\n")
                if got != expected:
                    told = f"`{command}` writes something else.\nexpected:\n{expected}\ngot:\n{got}"
                    raise PageError(self.page.file, number, told)

    def _prepare(self) -> None:
        command = [sys.executable, "prepare.py", self.page.language]
        # It ends with its stdin; like those that a command gets here, none of the three is a file.
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        self._prepared = self._stack.enter_context(subprocess.Popen(command, cwd=self.bin, env=self.env, **pipes))
        self._prepared.stdout.readline()

    def close(self) -> None:
        self._stack.close()


def _commands(fence: Fence) -> list[tuple[int, str, str]]:
    """List the commands of a fence: the line of the page, what is typed after ``$``, and what is shown below it."""
    found: list[tuple[int, str, list[str]]] = []
    for number, line in enumerate(fence.source.splitlines(), fence.line + 1):
        if line.startswith("$ "):
            found.append((number, line[2:], []))
        else:
            found[-1][2].append(line)
    return [(number, command, "\n".join(shown).rstrip("\n")) for number, command, shown in found]
