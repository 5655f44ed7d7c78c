import re
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from transcript_strategies import transcripts

from reference_ws.lifecycle import WebSocketState
from reference_ws.transcript.diagram import STYLE, mermaid, states, svg
from reference_ws.transcript.grammar import format_transcript, parse
from reference_ws.transcript.steps import ClientData, Connect, Payload, Transcript

CONNECTED, DISCONNECTED = WebSocketState.CONNECTED, WebSocketState.DISCONNECTED
STATE_NAMES = {state.name for state in WebSocketState}

ECHO = '-> connect /echo\n<- accept\n-> text "hi"\n<- text "hi"\n-> close 1000 "bye"\n'


def drawn(transcript: Transcript | str, **options: Any) -> ElementTree.Element:
    picture = svg(parse(transcript) if isinstance(transcript, str) else transcript, **options)
    return ElementTree.fromstring(picture.replace(' xmlns="http://www.w3.org/2000/svg"', "", 1))


def steps(root: ElementTree.Element) -> list[ElementTree.Element]:
    return root.findall("g[@class='step']")


def bands(step: ElementTree.Element, side: str) -> list[str]:
    """Name the states of one side's bands beside a step, from top to bottom."""
    lines = [line for line in step.findall("line") if line.get("class", "").startswith(f"band {side} ")]
    return [line.get("class", "").split()[2].upper() for line in lines]


def texts(element: ElementTree.Element) -> list[str]:
    return ["".join(text.itertext()) for text in element.iter("text")]


# --- the states -------------------------------------------------------------------------------------------------------


def after(text: str) -> tuple[str, str]:
    *_, (_, _, last) = states(parse(text))
    assert last is not None
    return last[0].name, last[1].name


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (("CONNECTED", "CONNECTING"), "-> connect /"),
        (("CONNECTED", "CONNECTED"), "-> connect /\n<- accept"),
        (("DISCONNECTED", "CONNECTED"), "-> connect /\n<- accept\n-> close"),
        (("DISCONNECTED", "CONNECTED"), "-> connect /\n<- accept\n-> drop"),
        (("DISCONNECTED", "CONNECTING"), "-> connect /\n-> drop"),
        (("CONNECTED", "DISCONNECTED"), "-> connect /\n<- accept\n<- close"),
        (("CONNECTED", "DISCONNECTED"), "-> connect /\n<- close"),
        (("CONNECTING", "DISCONNECTED"), "-> connect /\n<- deny 403"),
        (("CONNECTING", "DISCONNECTED"), '-> connect /\n<- deny 404 text "no"'),
        (("CONNECTED", "CONNECTING"), '-> connect /\n<- text "too early"'),
        (("CONNECTED", "CONNECTING"), "-> connect /\n-> drop\n-> connect /"),
        (("CONNECTED", "CONNECTED"), "-> connect /\n<- accept\n!! ValueError"),
    ],
)
def test_the_states_after_a_transcript(expected: tuple[str, str], text: str) -> None:
    assert expected == after(text)


def test_the_states_are_those_that_a_statement_finds() -> None:
    text = "-> connect /\n<- accept\n<- close\n== client=CONNECTED application=DISCONNECTED"
    assert ("CONNECTED", "DISCONNECTED") == after(text)


def test_clients_have_states_of_their_own() -> None:
    walk = list(states(parse("a -> connect /\na <- accept\nb -> connect /\na -> drop\nb <- accept")))
    assert (DISCONNECTED, CONNECTED) == walk[3][2]
    assert (CONNECTED, CONNECTED) == walk[4][2]


# --- SVG --------------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(transcripts())
def test_any_transcript_is_drawn_and_written_as_its_steps_are(transcript: Transcript) -> None:
    groups = steps(drawn(transcript))
    every_step_is_drawn_once(transcript, groups)
    bands_change_where_the_tables_say_so(transcript, groups)
    mermaid_has_one_line_for_a_step(transcript)


def every_step_is_drawn_once(transcript: Transcript, groups: list[ElementTree.Element]) -> None:
    assert [str(number) for number in range(1, len(transcript.steps) + 1)] == [g.get("data-step") for g in groups]


def bands_change_where_the_tables_say_so(transcript: Transcript, groups: list[ElementTree.Element]) -> None:
    if len(transcript.clients) != 1:
        return
    for (_, before, now), group in zip(states(transcript), groups, strict=True):
        if before is None or now is None:  # silence that concerns all clients
            continue
        for side, old, new in zip(("client", "application"), before, now, strict=True):
            assert list(dict.fromkeys([old.name, new.name])) == bands(group, side)


def test_bands_change_at_the_arrow() -> None:
    groups = steps(drawn(ECHO))
    assert ["CONNECTING", "CONNECTED"] == bands(groups[0], "client")
    assert ["CONNECTING"] == bands(groups[0], "application")
    assert ["CONNECTING", "CONNECTED"] == bands(groups[1], "application")
    assert ["CONNECTED"] == bands(groups[2], "client")
    assert ["CONNECTED", "DISCONNECTED"] == bands(groups[4], "client")


def test_bands_have_no_gap_between_steps() -> None:
    lines = [line for step in steps(drawn(ECHO)) for line in step.findall("line[@class]")]
    client = [line for line in lines if line.get("class", "").startswith("band client")]
    assert [line.get("y2") for line in client[:-1]] == [line.get("y1") for line in client[1:]]


def test_a_state_is_named_where_it_begins() -> None:
    named = [[text for text in texts(step) if text in STATE_NAMES] for step in steps(drawn(ECHO))]
    assert [["CONNECTING", "CONNECTING", "CONNECTED"], ["CONNECTED"], [], [], ["DISCONNECTED"]] == named


def test_the_application_has_a_band_for_each_client() -> None:
    root = drawn("a -> connect /\nb -> connect /\na <- accept")
    assert ["CONNECTING", "CONNECTED", "CONNECTING"] == bands(steps(root)[2], "application")


def test_each_band_of_several_clients_has_a_name() -> None:
    root = drawn("ana -> connect /\nli -> connect /\nana <- accept", client="клиент", application="приложение")
    names = [(text.text, int(text.get("x", ""))) for text in root.findall("text")]
    assert ["клиент", "приложение", "ana", "li", "ana", "li"] == [name for name, _ in names]
    lives = [int(line.get("x1", "")) for line in root.findall("line[@class='life']")]
    assert [5, 5, 5, 5] == [abs(life - x) for life, (_, x) in zip(lives, names[2:], strict=True)]


@pytest.mark.parametrize(("heading", "who"), [("cliente", ""), ("ana", "ana ")])
def test_one_client_heads_its_side(heading: str, who: str) -> None:
    root = drawn(f"{who}-> connect /", client="cliente", application="aplicação")
    assert [heading, "aplicação"] == [text.text for text in root.findall("text")]


def test_names_of_several_clients_stand_apart() -> None:
    root = drawn("ana -> connect /\nalexandrina -> connect /\nconstantino -> connect /")
    ends = [int(text.get("x", "")) for text in root.findall("text") if text.get("text-anchor") == "end"][1:]
    assert min(b - a for a, b in pairwise(ends)) > 11 * 13 * 0.6


def test_a_step_knows_its_line() -> None:
    root = drawn(parse("-> connect /\n\n<- accept", first_line=40))
    assert ["40", "42"] == [step.get("data-line") for step in steps(root)]


def test_header_lines_stand_under_their_arrow() -> None:
    step = steps(drawn("-> connect /\n  cookie: a=b\n"))[0]
    assert "cookie: a=b" in texts(step)


def test_a_picture_is_as_wide_as_its_longest_header_line() -> None:
    line = f"x-name: {'a' * 35}"
    assert line in texts(drawn(f"-> connect /\n  {line}"))


def test_what_is_said_is_escaped() -> None:
    step = steps(drawn('-> connect /\n<- accept\n-> text "<b>&amp;"'))[2]
    assert ['text "<b>&amp;"'] == texts(step)


def test_what_xml_cannot_hold_is_replaced() -> None:
    transcript = Transcript((Connect(target="/\ufffe"),))
    assert "connect /\ufffd" in texts(drawn(transcript))


def test_a_long_payload_is_shortened_and_whole_in_its_title() -> None:
    message = "很长的消息" * 20
    step = steps(drawn(Transcript((Connect(target="/"), ClientData(payload=Payload("text", message))))))[1]
    assert f'-> text "{message}"' == step.findtext("title")
    assert ['text "很长的消息很长的消息很长的消息很长…'] == texts(step)


def test_a_dropped_connection_and_an_exception_are_crossed() -> None:
    groups = steps(drawn("-> connect /\n<- accept\n-> drop\n!! ValueError"))
    assert [0, 0, 1, 1] == [len(step.findall("path[@class='error']")) for step in groups]


def test_one_client_fits_a_telephone() -> None:
    widest = f'-> connect /{"x" * 300}\n  cookie: {"y" * 300}\n<- deny 401 text "{"z" * 300}"'
    width = float(drawn(widest).get("viewBox", "").split()[2])
    assert width <= 400


def test_text_stays_inside_of_the_picture() -> None:
    root = drawn(f'-> connect /{"x" * 300}\n  cookie: {"y" * 300}\n!! ValueError "{"z" * 300}"')
    width = float(root.get("viewBox", "").split()[2])
    for text in root.iter("text"):
        length = len("".join(text.itertext())) * (11 if "small" in text.get("class", "") else 13) * 0.6
        left = float(text.get("x", "")) - {"start": 0, "middle": length / 2, "end": length}[text.get("text-anchor", "")]
        assert left >= 0
        assert left + length <= width


def test_a_hidden_picture_says_nothing_to_a_screen_reader() -> None:
    root = drawn(ECHO, hidden=True)
    assert ("true", None, None, None, None) == (
        root.get("aria-hidden"),
        root.get("role"),
        root.get("aria-labelledby"),
        root.find("title"),
        root.find("desc"),
    )


def test_a_picture_grows_with_the_font_size() -> None:
    root = drawn(ECHO)
    _, _, width, height = root.get("viewBox", "").split()
    assert f"--ws-width:{width};--ws-height:{height}" == root.get("style")
    assert "width:calc(var(--ws-width)*0.07rem)" in (root.findtext("style") or "")


def test_a_screen_reader_gets_title_and_description() -> None:
    root = drawn(ECHO, title="回声 <1>", description="说什么，就回什么", lang="zh")
    assert ("回声 <1>", "说什么，就回什么") == (root.findtext("title"), root.findtext("desc"))
    assert ("img", "zh") == (root.get("role"), root.get("lang"))
    ids = [element.get("id") for element in root if element.tag in ("title", "desc")]
    assert ids == root.get("aria-labelledby", "").split()


def test_without_title_and_description_the_transcript_speaks() -> None:
    root = drawn(ECHO)
    assert ("WebSocket /echo", ECHO) == (root.findtext("title"), root.findtext("desc"))


def test_the_same_transcript_gives_the_same_picture() -> None:
    assert svg(parse(ECHO)) == svg(parse(format_transcript(parse(ECHO))))


def test_another_picture_has_other_ids() -> None:
    ids = [drawn(ECHO, title=title).get("aria-labelledby") for title in ("one", "two")]
    assert ids[0] != ids[1]


def test_half_a_character_in_a_title_is_no_error() -> None:
    assert "Echo" in svg(parse(ECHO), title="Echo \ud83d")


def test_both_states_have_room_beside_each_other() -> None:
    """As ``== client=DISCONNECTED application=DISCONNECTED`` shows them: in the gap, and apart."""
    root = drawn("-> connect /\n-> drop\n== client=DISCONNECTED application=DISCONNECTED")
    left, _, right = root.findall(".//g[@data-step='3']/text")
    assert float(right.get("x")) - float(left.get("x")) >= 2 * len("DISCONNECTED") * 6.6 + 20


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(
    "scheme",
    [
        r"^\.ws-diagram",
        r"prefers-color-scheme:dark\)\{\.ws-diagram",
        r"\[data-md-color-scheme\] \.ws-diagram",
        r'\[data-md-color-scheme="slate"\] \.ws-diagram',
    ],
    ids=["light", "dark", "Material light", "Material dark"],
)
def test_text_is_legible_in_every_scheme(scheme: str) -> None:
    style = drawn(ECHO).findtext("style") or ""
    rule = re.search(scheme + r"\{([^}]*)\}", style)
    assert rule is not None
    colours = dict(re.findall(r"--([a-z]+):var\(--ws-[^#]*(#[0-9a-f]{6})", rule[1]))
    background = luminance(colours.pop("background"))
    contrast = {
        name: (max(luminance(colour), background) + 0.05) / (min(luminance(colour), background) + 0.05)
        for name, colour in colours.items()
    }
    assert {"text", "quiet", "error", *(name.lower() for name in STATE_NAMES)} <= contrast.keys()
    assert [] == [name for name, ratio in contrast.items() if ratio < 4.5]


def test_the_dark_scheme_is_not_the_light_one() -> None:
    style = drawn(ECHO).findtext("style") or ""
    light, media, material_light, material_dark = re.findall(r"(?<!svg)\.ws-diagram\{([^}]*--[^}]*)\}", style)
    assert (light, media) == (material_light, material_dark)
    assert light != media


# --- Mermaid ----------------------------------------------------------------------------------------------------------


def test_mermaid_says_the_same() -> None:
    text = """
        alice -> connect /a
          cookie: a=b
        alice <- accept
        Иван -> connect /a
        .. 5ms
        alice == client=CONNECTED application=CONNECTED
        alice -> drop
        alice .. 5ms
        alice !! ValueError
    """
    expected = """\
sequenceDiagram
    participant c1 as alice
    participant c2 as Иван
    participant app as application
    c1->>app: connect /a<br/>cookie#58; a=b
    app-->>c1: accept
    c2->>app: connect /a
    Note over c1,app: .. 5ms
    Note over c1,app: == client=CONNECTED application=CONNECTED
    c1-xapp: drop
    Note over c1,app: .. 5ms
    Note over app: #33;#33; ValueError
"""
    assert expected == mermaid(parse(text))


def test_the_one_client_of_mermaid_is_called_client() -> None:
    assert "    participant c1 as client\n" in mermaid(parse("-> connect /"))


def test_what_mermaid_could_take_for_its_own_is_a_character_code() -> None:
    text = mermaid(parse('-> connect /\n<- accept\n-> text "a;b#c:d<e>%%{f}"'))
    assert "    c1->>app: text #34;a#59;b#35;c#58;d#60;e#62;#37;#37;#123;f#125;#34;\n" in text


def mermaid_has_one_line_for_a_step(transcript: Transcript) -> None:
    lines = mermaid(transcript).split("\n")
    assert len(transcript.steps) == len(lines) - len(transcript.clients) - 3
    for line in lines[len(transcript.clients) + 2 : -1]:
        _, said = line.split(": ", 1)
        assert "" == re.sub(r"#\d+;|<br/>|[^;#%:<>{}&$`\\]", "", said)


def test_a_long_message_is_cut_at_once():
    text = "я" * 1_000_000
    drawn = svg(parse(f'-> connect /\n<- accept\n-> text "{text}"'), hidden=True)
    assert re.search(r'"я{20,50}…</tspan>|"я{20,50}…', drawn)


def test_a_page_may_have_the_style_of_its_pictures_once():
    assert svg(parse(ECHO)) == svg(parse(ECHO), styled=False).replace("<rect", f"<style>{STYLE}</style>\n<rect", 1)


def test_what_is_said_before_a_client_connects_is_not_drawn() -> None:
    said = Transcript((ClientData(client="bob", payload=Payload("text", "a")),))
    with pytest.raises(ValueError, match=r"^'bob -> text \"a\"' comes before its client connects$"):
        svg(said)


# --- all of a picture -------------------------------------------------------------------------------------------------

LESSON = """\
Анна -> connect /chat?room=1
  cookie: a=b
Анна <- accept
学生_with_a_long_name -> connect /chat  # late
.. 250ms
Анна == client=CONNECTED application=CONNECTED
Анна -> json ["a payload that is longer than the widest gap", {"of": "all"}]
学生_with_a_long_name <- deny 503 text "full"
  retry-after: 7
Анна .. 2s
Анна -> drop
Анна !! WebSocketDisconnect
"""


def test_a_picture_is_as_it_was_when_somebody_last_looked_at_it():
    """After a change that is meant, look at what is drawn now, and write it there."""
    seconds = (0, 0.004, 0.5, 0.75, 0.75, 1, 1, 3, 3, 12.345)
    now = svg(parse(LESSON), title="Урок", lang="ru", client="клиенты", application="приложение", seconds=seconds)
    assert Path(__file__).with_name("picture.svg").read_text("utf-8") == f"{now}\n"
