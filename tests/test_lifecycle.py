from itertools import product

import pytest

from reference_ws import lifecycle
from reference_ws.lifecycle import CLOSE_CODES, CONNECTED, CONNECTING, DISCONNECTED, ERRORS, RECEIVE, RESPONSE, SEND

STATES = (CONNECTING, CONNECTED, RESPONSE, DISCONNECTED)
SENT = tuple(SEND[CONNECTING])
RECEIVED = tuple(RECEIVE[CONNECTING])


def test_every_pair_of_state_and_message_has_an_entry():
    assert {state: set(row) for state, row in SEND.items()} == {state: set(SENT) for state in STATES}
    assert {state: set(row) for state, row in RECEIVE.items()} == {
        state: set(RECEIVED) for state in (CONNECTING, CONNECTED, DISCONNECTED)
    }


@pytest.mark.parametrize("table", [RECEIVE, SEND], ids=["receive", "send"])
def test_every_entry_is_a_state_of_the_table_or_an_error_with_a_text(table):
    for row in table.values():
        for entry in row.values():
            assert entry in table or entry in ERRORS


@pytest.mark.parametrize(
    ("joined", "look_up"),
    [
        (lifecycle.RECEIVE_WHILE_APPLICATION, lambda own, other: lifecycle.on_receive(own, other, RECEIVED[1])),
        (lifecycle.DATA_WHILE_APPLICATION, lifecycle.on_receive_data),
        (lifecycle.SEND_WHILE_CLIENT, lambda own, other: lifecycle.on_send(other, own, SENT[1])),
    ],
    ids=["receive", "data", "send"],
)
def test_a_row_that_joins_both_sides_stands_before_all_but_the_own_end(joined, look_up):
    assert set(joined.values()) <= set(ERRORS)
    for own, other in product((CONNECTING, CONNECTED), joined):
        assert joined[other] == look_up(own, other)
    assert not {look_up(DISCONNECTED, other) for other in STATES} & {*joined.values()}


@pytest.mark.parametrize("table", [RECEIVE, SEND], ids=["receive", "send"])
def test_every_state_can_be_reached_and_the_end_can_not_be_left(table):
    reached = {CONNECTING}
    while True:
        further = reached | {entry for state in reached for entry in table[state].values() if entry in table}
        if further == reached:
            break
        reached = further
    assert reached == set(table)
    assert not any(entry in table for entry in table[DISCONNECTED].values())


def test_the_end_of_either_side_ends_both_directions():
    for state, event in product(STATES, SENT):
        if state is not DISCONNECTED:
            assert lifecycle.on_send(DISCONNECTED, state, event) == "send-after-disconnect"
        assert lifecycle.on_send(CONNECTED, DISCONNECTED, event) == "send-after-close"
    for state, event in product(RECEIVE, RECEIVED):
        if state is not DISCONNECTED:
            assert lifecycle.on_receive(state, DISCONNECTED, event) == "receive-after-close"
        assert lifecycle.on_receive(DISCONNECTED, CONNECTED, event) == "receive-after-disconnect"


def test_data_comes_only_when_both_sides_are_connected():
    entries = {(c, a): lifecycle.on_receive_data(c, a) for c, a in product(RECEIVE, STATES)}
    assert entries.pop((CONNECTED, CONNECTED)) is CONNECTED
    assert entries == {
        (CONNECTING, CONNECTING): "receive-before-accept",
        (CONNECTED, CONNECTING): "receive-before-accept",
        (CONNECTING, CONNECTED): "connect-expected",
        (CONNECTING, RESPONSE): "denial-unfinished",
        (CONNECTED, RESPONSE): "denial-unfinished",
        (CONNECTING, DISCONNECTED): "receive-after-close",
        (CONNECTED, DISCONNECTED): "receive-after-close",
        **{(DISCONNECTED, state): "receive-after-disconnect" for state in STATES},
    }


def test_a_message_that_is_not_in_the_tables_is_unknown():
    assert lifecycle.on_send(CONNECTED, CONNECTED, "websocket.ping") == "unknown-message"
    assert lifecycle.on_receive(CONNECTED, CONNECTED, "http.request") == "unknown-message"
    assert lifecycle.sent_event({}) == "None"


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ("websocket.send", {"type": "websocket.send", "text": "x"}),
        ("websocket.http.response.body", {"type": "websocket.http.response.body", "more_body": True}),
        ("websocket.http.response.body (last)", {"type": "websocket.http.response.body", "more_body": False}),
        ("websocket.http.response.body (last)", {"type": "websocket.http.response.body"}),
    ],
)
def test_the_last_body_part_is_told_from_the_others(event, message):
    assert lifecycle.sent_event(message) == event


def test_allowed_lists_what_is_legal_here():
    assert lifecycle.allowed(SEND, CONNECTED, CONNECTED) == ("websocket.send", "websocket.close")
    assert lifecycle.allowed(SEND, DISCONNECTED, CONNECTED) == ()
    assert lifecycle.allowed(RECEIVE, CONNECTED, CONNECTING) == ("websocket.receive", "websocket.disconnect")
    assert lifecycle.allowed(RECEIVE, CONNECTED, DISCONNECTED) == ()


def test_exactly_the_errors_after_the_end_say_that_it_is_the_end():
    assert {id for id, text in ERRORS.items() if text.ends} == {
        "receive-after-close",
        "receive-after-disconnect",
        "send-after-close",
        "send-after-disconnect",
    }


def test_close_codes_cover_1000_to_4999_without_gap_or_overlap():
    covered = [code for row in CLOSE_CODES for code in range(row.first, row.last + 1)]
    assert covered == list(range(1000, 5000))


# RFC 6455, section 7.4.1: 1004, 1005, 1006 and 1015 are never in a close frame, 1010 only in a client's.
@pytest.mark.parametrize("code", [-1, 0, 999, 1004, 1005, 1006, 1010, 1015, 1016, 2999, 5000, 70000])
def test_codes_that_an_application_may_not_send(code):
    assert lifecycle.close_problem(code, "") == "close-code"


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013, 1014, 3000, 4000, 4999])
def test_codes_that_an_application_may_send(code):
    assert lifecycle.close_problem(code, "") is None


@pytest.mark.parametrize(
    ("problem", "reason"),
    [(None, "a" * 123), ("close-reason", "a" * 124), (None, "я" * 61), ("close-reason", "я" * 62)],
)
def test_a_reason_has_at_most_123_bytes(problem, reason):
    assert lifecycle.close_problem(1000, reason) == problem
