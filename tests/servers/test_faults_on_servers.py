"""What no page can show: clients that vanish, long messages, many messages, every close code, and a clean log."""

import asyncio
import json
import socket
import struct
from contextlib import suppress
from functools import partial
from http.client import HTTPException

import anyio
import pytest
from server import WAIT_S, connect
from servers import running
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

open_client = partial(connect, max_size=None, close_timeout=1)

SIZES_BYTES = [0, 1, 125, 126, 65_535, 65_536, 16 * 2**20]
"""The ends of the three ways to write a frame's length; 16 MiB is the limit that servers have by default."""

CLOSES = [(1000, ""), (1001, "away"), (1011, "до свидания"), (3000, ""), (4999, "x" * 123)]


def shown(result: object) -> str:
    return json.dumps(result, ensure_ascii=False)


def differing(expected: object, got: object) -> tuple[str, str] | None:
    return None if expected == got else (shown(expected), shown(got))


# --- clients that vanish ----------------------------------------------------------------------------------------------


def reset(client: ClientConnection) -> None:
    """Cut the connection with a TCP reset."""
    client.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.transport.abort()


async def talk_and_vanish(url: str, *, listen: bool) -> None:
    client = await open_client(url)
    if listen:
        await client.recv()
    else:
        for number in range(3):
            await client.send(str(number))
        await (await client.ping())  # the server has them all
    reset(client)
    await client.wait_closed()


@pytest.mark.parametrize("place", ["receive", "send", "cancel", "poll"])
def test_handler_ends_when_its_client_vanishes(server, compare, patience, place):
    clients, within_s = 10, patience(f"vanish/{place}")

    async def vanish_all() -> None:
        talk = partial(talk_and_vanish, f"{server.url}/vanish/{place}", listen=place == "send")
        await asyncio.gather(*(talk() for _ in range(clients)))

    asyncio.run(vanish_all())
    records = server.records(f"/vanish/{place}", clients, within_s)

    expected = [[[] if place == "send" else ["0", "1", "2"], 1006, ""]] * clients
    if records == expected:
        difference = None
    else:
        kinds = sorted({shown(record) for record in records})
        difference = shown(expected[0]), " ".join(kinds) or f"(still running after {within_s:g} s)"
    compare(f"vanish/{place}", {f"vanish/{place}": difference})


# --- messages ---------------------------------------------------------------------------------------------------------


async def echoed(url: str, messages: list[str | bytes], within_s: float) -> list[str | bytes] | str:
    """Send messages to an echo all at once; return what came back, or what happened instead."""
    async with open_client(url) as client:

        async def send() -> None:
            for message in messages:
                await client.send(message)

        sending = asyncio.create_task(send())
        try:
            with anyio.fail_after(within_s):
                got = [await client.recv() for _ in messages]
                await sending
                return got
        except TimeoutError:
            return f"(nothing within {within_s:g} s)"
        except ConnectionClosed as closed:
            return f"(closed with {closed.rcvd.code if closed.rcvd else 1006})"
        finally:
            sending.cancel()


@pytest.mark.parametrize("size", SIZES_BYTES)
def test_message_comes_back_in_its_kind_of_frame(server, compare, patience, size):
    text, data = ("0123456789" * (size // 10 + 1))[:size], bytes(range(256)) * (size // 256) + bytes(size % 256)
    messages = [text, data, text, data]

    name = f"echo/{size}"

    got = asyncio.run(echoed(f"{server.url}/echo", messages, patience(name)))

    told = got if isinstance(got, str) else "the messages, altered"
    compare(name, {name: None if got == messages else ("the messages", told)})


def test_messages_keep_their_order_while_is_disconnected_is_polled(server, compare):
    count = 10_000 if server.name.startswith("uvicorn") else 2_000
    messages = [str(number) for number in range(count)]

    got = asyncio.run(echoed(f"{server.url}/polled", messages, WAIT_S))

    compare("polled", {"polled": None if got == messages else ("the messages, in order", shown(got)[:80])})


# --- close codes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "reason"), [*CLOSES, (1005, "")])
def test_application_learns_how_its_client_closed(server, compare, code, reason):
    async def close() -> None:
        async with open_client(f"{server.url}/client-closes") as client:
            if code == 1005:  # a close frame without a code
                client.protocol.send_close()
                client.send_data()
            else:
                await client.close(code, reason)

    asyncio.run(close())

    got = server.records("/client-closes", 1, WAIT_S)
    compare(f"client-closes/{code}", {f"client-closes/{code}": differing([[[], code, reason]], got)})


@pytest.mark.parametrize(("code", "reason"), CLOSES)
def test_client_learns_how_the_application_closed(server, compare, code, reason):
    async def closed() -> list[object]:
        async with open_client(f"{server.url}/application-closes") as client:
            await client.send(json.dumps([code, reason]))
            with anyio.fail_after(WAIT_S):
                await client.wait_closed()
            return [client.close_code, client.close_reason]

    got = asyncio.run(closed())

    assert [[[], code, reason]] == server.records("/application-closes", 1, WAIT_S)
    compare(f"application-closes/{code}", {f"application-closes/{code}": differing([code, reason], got)})


# --- what a client may do to others -----------------------------------------------------------------------------------


def masked(opcode: int, payload: bytes) -> bytes:
    return bytes([0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0]) + payload


def talk_early(port: int, path: str, first: bytes, then: bytes) -> None:
    """Shake hands, with `first` in the same packet; send `then` in one packet once an answer has come; cut."""
    with socket.create_connection(("127.0.0.1", port), WAIT_S) as client:
        lines = (f"GET {path} HTTP/1.1", f"host: 127.0.0.1:{port}", "connection: upgrade", "upgrade: websocket")
        lines += ("sec-websocket-version: 13", "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==")
        client.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode() + first)
        client.recv(1000)
        if then:
            client.sendall(then)
            client.recv(1000)


@pytest.mark.parametrize(
    ("name", "path", "times", "first", "then"),
    [
        ("early-frame", "/vanish/receive", 1, masked(1, b"0"), b""),
        # The two have to meet on the wire: on trio the process is dead after a few.
        ("both-close", "/application-closes", 50, b"", masked(1, b'[1000,""]') + masked(8, b"\x03\xe8")),
    ],
)
def test_no_client_ends_more_than_its_own_connection(
    server, compare, patience, tmp_path, name, path, times, first, then
):
    with running(server.name, tmp_path / "log") as own:  # it may not be there any more afterwards
        result = "the handler ends"
        try:
            for _ in range(times):
                with suppress(TimeoutError, ConnectionResetError):
                    talk_early(int(own.url.rpartition(":")[2]), path, first, then)
            if len(own.records(path, times, patience(name))) < times:
                result = f"it is still running after {patience(name):g} s"
        except (OSError, HTTPException):
            result = "the server has ended"
    compare(name, {name: None if result == "the handler ends" else ("the handler ends", result)})
