"""The measuring tools themselves: a wrong echo is out, ratios and differences are computed as the tables say."""

import asyncio
import gc
import json
import os
import time
from contextlib import asynccontextmanager

import pytest
from server import WAIT_S

from benchmarks import client, inmemory, peers, rooms, scenarios, sockets
from benchmarks.results import Report, Row

TEXT = scenarios.TEXT
BY_ID = {scenario.id: scenario for scenario in scenarios.IN_MEMORY}


@pytest.fixture(autouse=True)
def few_objects(monkeypatch):
    """Leave to `tests/conftest.py` what is out of the garbage collector's sight: a measurement would bring it back."""
    monkeypatch.setattr(gc, "freeze", lambda: None)
    monkeypatch.setattr(gc, "unfreeze", lambda: None)


def measured(*named, **options):
    """Measure applications in one scenario; returns its row."""
    entries = [inmemory.Entry(TEXT, name, app) for name, app in named]
    (row,) = asyncio.run(inmemory.measure(entries, 1, 0.001, **options))
    return row


def echo(change=lambda number, text: [text]):
    """An application that answers the message of each number with the texts that `change` gives."""

    async def app(scope, receive, send):
        assert scope["type"] == "websocket"
        await receive()
        await send({"type": "websocket.accept"})
        number = 0
        while (message := await receive())["type"] == "websocket.receive":
            for text in change(number, message["text"]):
                await send({"type": "websocket.send", "text": text})
            number += 1

    return app


async def refusing(scope, receive, send):
    await receive()
    await send({"type": "websocket.close"})


async def failing(scope, receive, send):
    raise OSError("no luck")


async def never_starting(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "Traceback\nOSError: no luck"})


# --- in memory --------------------------------------------------------------------------------------------------------


def test_a_right_echo_is_in_the_table():
    row = measured(("right", echo()))
    assert {"right"} == set(row.medians)
    assert {} == row.out
    assert 0 < row.medians["right"]


@pytest.mark.parametrize(
    ("app", "reason"),
    [
        (echo(lambda number, text: [] if number == 7 else [text]), "WrongEchoError: 1999 frames came back, not 2000"),
        (echo(lambda number, text: [text, text] if number == 7 else [text]), "2001 frames came back, not 2000"),
        (echo(lambda number, text: [text.strip() if number == 7 else text]), "7 ... came back, not "),
        (refusing, "no accept, but ['websocket.close']"),
        (failing, "OSError: no luck"),
        (never_starting, "startup failed: OSError: no luck"),
    ],
    ids=["one too few", "one too many", "other content", "refused", "raised", "not started"],
)
def test_a_wrong_answer_is_out_of_the_table_and_named(app, reason):
    row = measured(("raw", echo()), ("wrong", app))
    assert {"raw"} == set(row.medians)
    assert reason in row.out["wrong"]


def test_the_order_of_the_echo_is_checked():
    held = []

    def swapped(number, text):
        held.append(text)
        return [] if number % 2 == 0 else [held[-1], held[-2]]

    assert "came back, not" in measured(("wrong", echo(swapped))).out["wrong"]


def test_a_dependency_that_is_not_closed_is_out():
    async def leaking(scope, receive, send):
        assert scope["type"] == "websocket"
        generator = scenarios.resource()
        await anext(generator)
        await receive()
        await send({"type": "websocket.accept"})
        text = (await receive())["text"]
        await send({"type": "websocket.send", "text": f"12 ann resource {text}"})
        leaked.append(generator)

    leaked = []
    (row,) = asyncio.run(inmemory.measure([inmemory.Entry(BY_ID["binding"], "leaking", leaking)], 1, 0.001))
    asyncio.run(leaked[0].aclose())
    assert "not opened and closed once" in row.out["leaking"]
    scenarios.opened.closed = scenarios.opened.opened


def test_the_wrapper_is_new_for_each_sample():
    made = []

    def wrap(app):
        made.append(app)
        return app

    app = echo()
    asyncio.run(inmemory.measure([inmemory.Entry(TEXT, "raw", app, wrap)], 2, 0.001))
    assert [app] * 4 == made  # two to warm up, and two rounds


@pytest.mark.parametrize("scenario", scenarios.IN_MEMORY, ids=lambda scenario: scenario.id)
@pytest.mark.parametrize("name", ["raw", "starlette", "reference_ws"])
def test_what_is_installed_here_answers_rightly(name, scenario):
    app = scenario.build(peers.load(name))
    if app is None:
        assert ("raw", "binding") == (name, scenario.id)
    else:
        assert 0 < asyncio.run(inmemory.sample(scenario, app, 2))


def test_the_json_messages_are_what_the_standard_library_writes():
    text = scenarios.JSON.expected[0]
    assert text == json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)
    assert {125} == {len(each.encode()) for each in (*scenarios.JSON.expected, *scenarios.TEXT.expected)}


# --- over sockets -----------------------------------------------------------------------------------------------------


async def serving(answer, measure, *arguments):
    """Run a WebSocket server that answers each message, and measure it."""
    from websockets.asyncio.server import serve

    async def handler(connection):
        async for text in connection:
            await connection.send(answer(text))

    async with serve(handler, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        return await measure(client.Conversation.of(port, TEXT.sent), port, *arguments)


def test_echoes_are_counted_over_a_socket():
    rate = asyncio.run(serving(lambda text: text, client.echo_rate, 2, 0.02, 0.1, time.process_time))
    assert 100 < rate.per_second
    assert 0 < rate.client_load < 1.5


@pytest.mark.parametrize("answer", [str.strip, lambda text: text[:-1] + "x"], ids=["shorter", "other"])
def test_a_wrong_echo_over_a_socket_is_an_error(answer):
    with pytest.raises(client.WrongAnswerError, match="not the echo"):
        asyncio.run(serving(answer, client.echo_rate, 1, 0.02, 0.02, time.process_time))


def test_connections_are_counted_over_a_socket():
    rate = asyncio.run(serving(lambda text: text, client.connection_rate, 2, 0.1, time.process_time))
    assert 10 < rate.per_second


def test_idle_connections_are_all_accepted():
    async def count(conversation, port):
        connections = await client.idle(conversation, port, 5, at_once=2)
        for connection in connections:
            connection.leave()
        await asyncio.gather(*(connection.over for connection in connections))
        return len(connections)

    assert 5 == asyncio.run(serving(lambda text: text, count))


def test_a_refused_handshake_is_an_error():
    async def refuse(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    async def main():
        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            await client.connection_rate(client.Conversation.of(port, TEXT.sent), port, 1, 0.1, time.process_time)

    with pytest.raises(client.WrongAnswerError, match="403 Forbidden"):
        asyncio.run(main())


async def speak(conversation, port):
    [connection] = await client.idle(conversation, port, 1)
    connection.leave()
    await connection.over


def test_a_server_runs_in_its_own_process_and_ends_with_the_block():
    with sockets.running("reference_ws", "text_echo", core=max(os.sched_getaffinity(0))) as server:
        conversation = client.Conversation.of(server.port, TEXT.sent)
        asyncio.run(speak(conversation, server.port))
        assert 0 < server.cpu_s()
        assert 1000 < server.resident_kib
    assert server.process.returncode is not None


# --- rooms ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def few_members(monkeypatch):
    few = {"MEMBERS": 6, "BEFORE_MEMBERS": 2, "OTHERS": 2, "EACH": 2}
    for name, value in {**few, "AGAIN_S": 0.02, "QUIET_S": WAIT_S, "PATIENCE_S": WAIT_S}.items():
        monkeypatch.setattr(rooms, name, value)


@asynccontextmanager
async def a_room(change=lambda place, text: [text], form="{}"):
    """The clients of a room whose server sends to each member, by its place, what `change` gives for a text."""
    from websockets.asyncio.server import serve

    members = []

    async def handler(connection):
        members.append(connection)
        async for text in connection:
            for place, member in enumerate(members):
                for each in change(place, text):
                    await (member.ping() if each is None else member.send(each))

    async with serve(handler, "127.0.0.1", 0, compression=None, close_timeout=0) as server:
        port = server.sockets[0].getsockname()[1]
        async with rooms.Room(rooms.Peer("none", form=form), (port,)) as room:
            yield room


async def said(*texts, members=3, stalled=0, **options):
    """Say these texts in a room; returns it when all of them have come."""
    async with a_room(**options) as room:
        await room.join(members)
        if stalled:
            await room.join(stalled, reads=False)
        room.begin()
        for text in texts:
            room.say(text)
        await room.complete()
        return room


@pytest.mark.usefixtures("few_members")
def test_what_is_said_in_a_room_comes_to_all():
    room = asyncio.run(said("one", "two"))
    assert 3 * 3 == len(room.late_s)  # the mark too
    assert 0 < min(room.late_s)


def third(texts):
    """What the member in the third place gets instead of "one"."""
    return {"change": lambda place, text: texts if (place, text) == (2, "one") else [text]}


@pytest.mark.usefixtures("few_members")
@pytest.mark.parametrize(
    "texts", [["one", "one"], ["One"], ["two", "one"], []], ids=["doubled", "other content", "other order", "missing"]
)
def test_a_wrong_message_to_one_member_is_an_error(texts):
    with pytest.raises(client.WrongAnswerError, match="came, not"):
        asyncio.run(said("one", "two", **third(texts)))


@pytest.mark.usefixtures("few_members")
def test_when_nothing_comes_any_more_what_is_missing_is_counted(monkeypatch):
    monkeypatch.setattr(rooms, "QUIET_S", 0.1)
    with pytest.raises(client.WrongAnswerError, match="of 6 messages did not come"):
        asyncio.run(said("one", **third([])))


@pytest.mark.usefixtures("few_members")
def test_who_is_in_no_room_is_noticed(monkeypatch):
    monkeypatch.setattr(rooms, "PATIENCE_S", 0.1)
    with pytest.raises(client.WrongAnswerError, match="of 3 members heard nothing"):
        asyncio.run(said(change=lambda place, text: [text][:place]))


@pytest.mark.usefixtures("few_members")
def test_a_connection_that_ends_is_an_error():
    async def lose():
        async with a_room() as room:
            await room.join(2)
            room.members[1].transport.abort()
            room.say("one")
            await room.complete()

    with pytest.raises(client.WrongAnswerError, match="ended too early"):
        asyncio.run(lose())


@pytest.mark.usefixtures("few_members")
def test_who_does_not_read_is_not_waited_for():
    room = asyncio.run(said("one", members=2, stalled=1))
    assert 2 * 2 == len(room.late_s)


@pytest.mark.usefixtures("few_members")
def test_pings_are_no_messages():
    room = asyncio.run(said("one", change=lambda place, text: ["2", None, text]))
    assert 3 * 2 == len(room.late_s)


@pytest.mark.usefixtures("few_members")
def test_what_a_peer_puts_around_a_text_is_compared_too():
    room = asyncio.run(said("one", form='42["text","{}"]'))
    assert 3 * 2 == len(room.late_s)
    with pytest.raises(client.WrongAnswerError, match="came, not"):
        asyncio.run(said("one", form="42{}", change=lambda place, text: [text if "one" not in text else "one"]))


def test_the_percentile():
    assert [50, 99] == [rooms._percentile(list(range(101)), part) for part in (50, 99)]


BROKEN = {"broken": rooms.Peer("starlette", "no_such_builder")}


@pytest.mark.needs("redis")
@pytest.mark.usefixtures("few_members")
def test_every_row_has_a_figure_or_says_who_is_out():
    cores = os.sched_getaffinity(0)
    named = {"reference_ws": rooms.PEERS["reference_ws"], **BROKEN}
    measured = rooms.measure(rooms.Plan(1, 0.01, 5), named)
    assert ["fan-out", "member", "stalled", "between-50", "between-99"] == [row.id for row in measured]
    for row in measured:
        assert ["reference_ws"] == list(row.medians)
        assert {"broken": "WrongAnswerError: the server did not start"} == row.out
        assert row.id == "member" or 0 < row.medians["reference_ws"]
    assert cores == os.sched_getaffinity(0)


def test_without_redis_nothing_is_measured_between_processes(monkeypatch):
    monkeypatch.setattr(rooms, "redis_program", lambda: None)
    assert ["fan-out", "member", "stalled"] == [row.id for row in rooms.measure(rooms.Plan(1, 0.01, 5), BROKEN)]


# --- results ----------------------------------------------------------------------------------------------------------


def row(**values):
    made = Row("text", "text echo", "us a message", **values)
    made.add("raw", [2.0, 1.0, 30.0])
    made.add("reference_ws", [4.0, 3.0, 5.0])
    return made


def test_the_figure_is_the_ratio_of_the_medians():
    assert 2.0 == row().shown("reference_ws", {})


def test_beyond_the_floor_is_a_difference():
    assert 2.0 == row(beyond_floor=True).shown("reference_ws", {})


def test_what_something_adds_is_taken_from_the_same_peers_plain_row():
    plain = Row("connection", "", "us", medians={"reference_ws": 1.5, "raw": 0.5})
    assert 2.5 == row(plain="connection").shown("reference_ws", {"connection": plain})
    assert None is row(plain="connection").shown("other", {"connection": plain})


@pytest.mark.parametrize(
    ("target", "met"), [("<= 2.0", True), ("<= 1.9", False), (">= 2.0", True), (">= 2.1", False), ("", None)]
)
def test_a_target_is_met_or_missed(target, met):
    assert met is row(target=target).met("reference_ws", {})


def report(**values):
    return Report("2026-11-20", "make bench", {"CPUs": "2"}, {"a": "1"}, tables={"In memory": [row(**values)]})


def test_the_readme_says_what_is_missed_and_who_is_out():
    made = report(target="<= 1.9")
    made.tables["In memory"][0].out["kui"] = "WrongEchoError: other"
    text = made.markdown()
    assert "| text echo | 2.00 us a message | out | x2.00 (missed) | <= 1.9 |" in text
    assert "- text echo: kui is out, WrongEchoError: other" in text


def test_a_row_without_a_floor_shows_what_was_measured():
    made = report()
    made.tables["In memory"].append(Row("late", "p99", "ms", floor="", medians={"raw": 2.0, "kui": 7.0}))
    made.tables["In memory"][1].medians["reference_ws"] = 3.0
    assert "| p99, ms | 2.00 | 7.00 | 3.00 |  |" in made.markdown()
    assert ["p99: raw is ahead of reference_ws"] == made.remarks("In memory")


@pytest.mark.parametrize(("target", "ahead"), [("", ["kui"]), ("<= 9", ["kui"]), (">= 0.90", ["lihil"])])
def test_who_is_ahead_is_said(target, ahead):
    made = report(target=target)
    made.tables["In memory"][0].medians |= {"kui": 3.9, "lihil": 4.1, "lilya": 4.0}
    assert [f"text echo: {peer} is ahead of reference_ws" for peer in ahead] == made.remarks("In memory")


def test_a_busy_client_is_reported():
    made = report()
    made.tables["In memory"][0].client_load |= {"raw": 0.8, "reference_ws": 0.5}
    made.tables["In memory"][0].server_load |= {"raw": 0.9, "reference_ws": 1.0}
    assert [
        "text echo: the client needed 80% of its core at the most (for raw), the servers 90% of theirs at the least",
        "text echo: the client may be the bottleneck of raw (80%)",
    ] == made.remarks("In memory")


def test_the_result_file_holds_medians_and_figures(tmp_path):
    report().write(tmp_path / "results" / "day.json")
    written = json.loads((tmp_path / "results" / "day.json").read_text("utf-8"))
    (table,) = written["tables"]["In memory"]
    assert {"raw": 2.0, "reference_ws": 4.0} == table["medians"]
    assert {"raw": 1.0, "reference_ws": 2.0} == table["shown"]
