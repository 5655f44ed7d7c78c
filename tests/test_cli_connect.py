"""`reference-ws connect`: what is typed, what is seen, what is saved."""

import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from server import WAIT_S, in_thread
from websockets.sync.server import ServerConnection, serve

from reference_ws import App, WebSocket
from reference_ws.guide.command import connect as command

app = App()


@app.router.websocket("/echo")
async def echo(websocket: WebSocket):
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


@app.router.websocket("/chat")
async def chat(websocket: WebSocket):
    await websocket.accept(subprotocol="chat", headers=[(b"x-lesson", b"1")])
    await websocket.send_bytes(b"\x00\xff")
    await websocket.close(4000, "done")


@app.router.websocket("/busy")
async def busy(websocket: WebSocket):
    await websocket.close()


ENGLISH = {**os.environ, "LC_ALL": "C.UTF-8"}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with in_thread(app) as url:
        yield url


@pytest.fixture
def connect_to(run_command, monkeypatch, tmp_path):
    """Run the command in this process with these lines as its input: exit code, stdout, stderr."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "QUIET_S", 0.5)  # a busy machine may be silent before it answers
    monkeypatch.setattr(command, "PATIENCE_S", WAIT_S)

    def connect_and_type(address: str, *options: str, lines: tuple[str, ...] = ()):
        typed = tmp_path / "typed"
        typed.write_text("\n".join(lines), "utf-8")
        others = threading.enumerate()
        with typed.open() as stdin:
            monkeypatch.setattr(sys, "stdin", stdin)
            done = run_command("connect", address, *options)
            for reads in set(threading.enumerate()).difference(others):
                reads.join(WAIT_S)
        return done

    return connect_and_type


@pytest.fixture
def connect(connect_to, address):
    """Connect to a path of the application above and type."""

    def connect_and_type(path: str, *lines: str, options: tuple[str, ...] = ()):
        return connect_to(address + path, *options, lines=lines)

    return connect_and_type


def test_both_directions_are_shown_with_both_states(connect):
    assert (
        0,
        """\
-> connect /echo?a=1
   client=CONNECTED application=CONNECTING
<- accept
   client=CONNECTED application=CONNECTED
-> text "你好"
   client=CONNECTED application=CONNECTED
<- text "你好"
   client=CONNECTED application=CONNECTED
-> close 4000 "bye"
   client=DISCONNECTED application=CONNECTED
""",
        "",
    ) == connect("/echo?a=1", 'text "你好"', 'close 4000 "bye"')


@pytest.mark.parametrize("end", ["its first line", "what it hears"])
def test_who_reads_no_further_ends_it_quietly(address, end):
    command = [sys.executable, "-m", "reference_ws", "connect", f"{address}/echo"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, env=ENGLISH) as process:
        if end == "what it hears":
            read_until(process.stdout.fileno(), b"<- accept\n")
        process.stdout.close()
        process.stdin.write(b'text "hi"\n')
        process.stdin.flush()  # and stays open, as a terminal does

        assert (0, b"") == (process.wait(WAIT_S), process.stderr.read())


def test_lines_may_come_through_a_pipe(address):
    command = [sys.executable, "-m", "reference_ws", "connect", f"{address}/echo"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENGLISH) as process:
        process.stdin.write('text "你好"\n'.encode())
        process.stdin.flush()
        read_until(process.stdout.fileno(), '<- text "你好"\n'.encode())
        output, _ = process.communicate(b'close 4000 "bye"\n', timeout=WAIT_S)

    assert 0 == process.returncode
    assert output.endswith(b'-> close 4000 "bye"\n   client=DISCONNECTED application=CONNECTED\n')


def test_arrows_may_be_typed_too(connect):
    assert connect("/echo", "-> json [1]", "close") == connect("/echo", "json [1]", "-> close")


@pytest.mark.parametrize("end", [[], ["quit"], ["quit", 'text "unheard"']])
def test_the_end_of_the_input_closes_the_connection(connect, end):
    code, output, errors = connect("/echo", *end)

    assert (0, "") == (code, errors)
    assert output.endswith("-> close 1000\n   client=DISCONNECTED application=CONNECTED\n")


def test_what_the_application_ends_is_over(connect):
    code, output, _ = connect("/chat", options=("--header", "sec-websocket-protocol: chat"))

    assert 0 == code
    assert output.endswith("""\
<- accept
    x-lesson: 1
    sec-websocket-protocol: chat
   client=CONNECTED application=CONNECTED
<- bytes 00 ff
   client=CONNECTED application=CONNECTED
<- close 4000 "done"
   client=CONNECTED application=DISCONNECTED
The connection is over: 4000. Type connect /PATH for another one, or quit.
""")


@pytest.mark.parametrize("line", ['text "more"', "close", "drop"])
def test_nothing_can_be_done_on_a_connection_that_is_over(connect, tmp_path, line):
    code, output, errors = connect("/chat", line, "save my.ws", options=("--header", "sec-websocket-protocol: chat"))

    assert (2, 1) == (code, output.count("->"))
    assert errors.startswith("input:1:1: expected the client to connect again before this: its connection is over\n")
    assert (tmp_path / "my.ws").read_text("utf-8").endswith('<- close 4000 "done"\n')


def test_help_lists_what_can_be_typed(connect):
    code, output, errors = connect("/echo", "help")

    assert (0, "") == (code, errors)
    for form in ('text "hi"', 'json {"n": 1}', "bytes 00 ff", 'close 4000 "bye"', "drop", "save FILE", "quit"):
        assert f"\n  {form} " in output


def test_a_refusal_is_shown(connect):
    code, output, _ = connect("/busy")

    assert 0 == code
    assert "\n<- deny 403\n" in output
    assert output.endswith("\nThe connection is over: HTTP 403. Type connect /PATH for another one, or quit.\n")


def test_one_can_connect_again(connect):
    code, output, errors = connect("/echo", "drop", "connect /busy", "connect /chat", "connect /echo")

    assert (0, "") == (code, errors)
    assert ["/echo", "/busy", "/chat", "/echo"] == [
        line.split()[2] for line in output.splitlines() if line.startswith("-> connect")
    ]


@contextmanager
def serving(handler: Callable[[ServerConnection], None], **options: object) -> Iterator[str]:
    """Serve what no ASGI application can do, in a thread; gives the address."""
    with serve(handler, "127.0.0.1", 0, **options) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_a_connection_that_was_cut_is_told(connect_to):
    def cut(connection: ServerConnection) -> None:
        connection.socket.shutdown(socket.SHUT_RDWR)

    with serving(cut) as address:
        code, output, _ = connect_to(address)

    assert 0 == code
    assert "\n-> drop  # the connection was cut without a close frame\n" in output
    assert "\nThe connection is over: 1006. " in output


def test_what_a_server_sends_does_not_control_the_terminal(connect_to):
    def evil(connection: ServerConnection) -> None:
        connection.send("\x1b[2J\x07\x9b31m\u202e")
        connection.close(4000, "\x1b]0;pwned\x07")

    def header(connection, request, response):
        response.headers["x-name"] = "\x9b31m\x80"
        return response

    with serving(evil, process_response=header) as address:
        code, output, errors = connect_to(address)

    shown = output + errors
    assert "\\u001b" in shown, (code, shown)
    assert [] == re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown)


def test_a_mistake_is_shown_with_a_caret_and_nothing_is_lost(connect):
    code, output, errors = connect("/echo", "text hello", 'text "hello"')

    assert 2 == code
    assert 'input:1:9: expected a JSON string literal, such as "hello"\n-> text hello\n        ^\n' == errors
    assert '<- text "hello"' in output


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('<- text "x"', "what the client does: the application's lines come from the server"),
        ("== client=CONNECTED application=CONNECTED", "what the client does"),
        ("connect /echo", "an end of the open connection of the client before it connects again"),
        ("txt", "connect, text, bytes, json, close or drop"),
    ],
)
def test_what_a_client_can_not_do_is_told(connect, line, expected):
    code, _, errors = connect("/echo", line)

    assert 2 == code
    assert f"expected {expected}" in errors


def test_a_comment_is_kept(connect, tmp_path):
    _, output, _ = connect("/echo", 'text "a"', "# what now?", "save my.ws")

    assert 1 == output.count('-> text "a"')
    assert '<- text "a"\n# what now?\n' in (tmp_path / "my.ws").read_text("utf-8")


def test_silence_is_waited_for(connect, tmp_path):
    connect("/echo", ".. 300ms", "save my.ws")

    assert ".. 300ms" in (tmp_path / "my.ws").read_text("utf-8").splitlines()


def test_what_was_saved_plays(connect, run_command, tmp_path):
    _, output, _ = connect("/echo", 'text "a"', "save my.ws", 'text "b"', "close")

    assert 2 == output.count("Saved in my.ws\n")
    assert """\
-> connect /echo
<- accept
-> text "a"
<- text "a"
-> text "b"
<- text "b"
-> close 1000
""" == (tmp_path / "my.ws").read_text("utf-8")
    assert (0, "") == run_command("play", "my.ws", "--app", "test_cli_connect:app", "-q")[::2]


@pytest.mark.parametrize(
    ("line", "problem"),
    [("save", "write save and the name of a file"), ("save a/b", "a/b can't be written: No such file or directory")],
)
def test_what_can_not_be_saved_is_told(connect, line, problem):
    assert (2, f"{problem}\n") == connect("/echo", line)[::2]


def test_a_header_that_is_none_is_told(connect):
    code, output, errors = connect("/echo", options=("--header", "nonsense"))

    assert (2, "") == (code, output)
    assert errors.startswith("reference-ws: handshake:2:13: expected a header's name, right followed by :\n")


def test_nobody_at_the_address_is_one_line(connect_to):
    code, output, errors = connect_to("ws://127.0.0.1:1/echo")

    assert (2, "", 1) == (code, output, errors.count("\n"))
    assert errors.startswith("reference-ws: nobody answers at ws://127.0.0.1:1: is the server running?")


# --- in a terminal ----------------------------------------------------------------------------------------------------


@pytest.fixture
def terminal(address):
    """Connect to /echo in a terminal: the process, and the terminal's other end."""
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(ours)
    process = subprocess.Popen(
        [sys.executable, "-m", "reference_ws", "connect", f"{address}/echo"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**ENGLISH, "TERM": "xterm-256color"},
        start_new_session=True,
    )
    os.close(theirs)
    yield process, ours
    process.kill()
    process.wait()
    assert before == termios.tcgetattr(ours)
    os.close(ours)


def read_until(terminal: int, text: bytes) -> bytes:
    seen = b""
    while text not in seen:
        seen += os.read(terminal, 4096)
    return seen


def leave(terminal: int) -> None:
    """Press Ctrl-D until it is heard: between two lines the terminal itself takes it."""
    seen = b""
    while b"1000" not in seen:
        os.write(terminal, b"\x04")
        if select.select([terminal], [], [], 0.5)[0]:
            seen += os.read(terminal, 4096)


def test_a_terminal_shows_colours_and_ctrl_d_ends(terminal):
    process, ours = terminal
    seen = read_until(ours, b"accept")
    os.write(ours, b'text "hi"\n')
    seen += read_until(ours, b'text "hi"\x1b')
    leave(ours)

    assert 0 == process.wait(timeout=WAIT_S)
    assert b"Type what the client does" in seen
    assert b"\x1b[" in seen


def test_a_line_can_be_edited_and_comes_again(terminal):
    process, ours = terminal
    read_until(ours, b"accept")
    os.write(ours, b'text "i"\x1b[D\x1b[Dh\n')  # two to the left
    read_until(ours, b'<-\x1b[0m\x1b[1m text "hi"')
    os.write(ours, b'\x1b[A\x7f there"\n')  # up, and the quote away
    seen = read_until(ours, b'<-\x1b[0m\x1b[1m text "hi there"')
    leave(ours)

    assert 0 == process.wait(timeout=WAIT_S)
    assert b"^[[" not in seen


def test_what_comes_meanwhile_leaves_the_line_that_is_being_typed(terminal):
    process, ours = terminal
    read_until(ours, b"accept")
    os.write(ours, b'text "later"\ntext "hal')  # the answer to the first comes while the second is typed
    read_until(ours, b'<-\x1b[0m\x1b[1m text "later"')
    os.write(ours, b'f"\n')
    read_until(ours, b'<-\x1b[0m\x1b[1m text "half"')
    leave(ours)

    assert 0 == process.wait(timeout=WAIT_S)


@pytest.mark.parametrize("lines", [0, 1], ids=["at once", "while it waits for a line"])
def test_ctrl_c_in_a_terminal_is_no_error(terminal, lines):
    process, ours = terminal
    read_until(ours, b"accept")
    for _ in range(lines):
        os.write(ours, b'text "hi"\n')
        read_until(ours, b'<-\x1b[0m\x1b[1m text "hi"')
    process.send_signal(signal.SIGINT)
    seen = b""
    with suppress(OSError):  # how Linux tells that the other end is gone
        while more := os.read(ours, 4096):
            seen += more

    assert 130 == process.wait(timeout=WAIT_S)
    assert b"Traceback" not in seen
