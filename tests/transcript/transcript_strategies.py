"""Generated transcripts: valid ones, and the same ones written untidily."""

from typing import Any

from hypothesis import strategies as st

from reference_ws.lifecycle import CLOSE_CODES, CLOSE_REASON_MAX_BYTES, RECEIVE, SEND
from reference_ws.transcript.steps import (
    Accept,
    AnyMessage,
    ApplicationClose,
    ApplicationData,
    Blank,
    ClientClose,
    ClientData,
    Comment,
    Connect,
    Deny,
    Drop,
    Item,
    Payload,
    Raised,
    Silence,
    States,
    Transcript,
)

strings = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
lines = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
targets = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], exclude_characters="#"), max_size=12)
header_values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=12).map(
    lambda v: v.strip(" \t")
)
headers = st.lists(
    st.tuples(st.sampled_from(["cookie", "origin", "x-a", "sec-websocket-protocol", "*!~"]), header_values), max_size=3
).map(tuple)
reasons = strings.filter(lambda reason: len(reason.encode()) <= CLOSE_REASON_MAX_BYTES)


def json_values(*, wildcards: bool) -> st.SearchStrategy[Any]:
    leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | strings
    if wildcards:
        leaves |= st.just(...)
    return st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(strings, inner, max_size=3))


def payloads(*, wildcards: bool) -> st.SearchStrategy[Payload]:
    anything = st.just(...) if wildcards else st.nothing()
    return (
        st.builds(Payload, st.just("text"), strings | anything)
        | st.builds(Payload, st.just("bytes"), st.binary(max_size=8) | anything)
        | st.builds(Payload, st.sampled_from(["json", "bytes json"]), json_values(wildcards=wildcards))
    )


def codes(*senders: str) -> st.SearchStrategy[int]:
    return st.sampled_from([code for row in CLOSE_CODES if row.sender in senders for code in {row.first, row.last}])


connects = st.builds(Connect, target=targets.map("/".__add__), headers=headers)
accepts = st.builds(Accept, headers=headers)
drops = st.just(Drop())
client_steps = (
    st.builds(ClientData, payload=payloads(wildcards=False))
    | st.builds(ClientClose, code=codes("either", "client", "server"), reason=reasons)
    | st.just(ClientClose(code=1005))
    | drops
)
application_steps = (
    accepts
    | st.builds(ApplicationData, payload=payloads(wildcards=True))
    | st.builds(ApplicationClose, code=codes("either", "server"), reason=reasons | st.just(...))
    | st.builds(AnyMessage)
    | st.builds(
        Deny,
        status=st.integers(300, 599),
        headers=headers,
        payload=st.none() | payloads(wildcards=True).filter(lambda payload: not payload.binary),
    )
    | st.builds(Raised, exception=st.sampled_from(["ValueError", "json.JSONDecodeError", "Ошибка"]), message=strings)
    | st.builds(States, client_state=st.sampled_from(list(RECEIVE)), application_state=st.sampled_from(list(SEND)))
    | st.builds(Silence, milliseconds=st.integers(1, 10**6))
)


# What can be said next. The application's lines are expectations, and can be wrong in any way at any time.
POSSIBLE = {
    "new": [connects],
    "asked": [accepts, drops | application_steps],
    "accepted": [client_steps, application_steps],
    "application left": [connects, client_steps, application_steps],
    "over": [connects, application_steps],
}


comments = st.builds(Comment, lines.map(lambda line: line.rstrip(" ")))
notes = st.just("") | lines.map(str.strip)


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    names = draw(st.sampled_from([("",), ("alice",), ("alice", "Иван", "王")]))
    state: dict[str, str] = {}
    items: list[Item] = []
    for _ in range(draw(st.integers(1, 12))):
        if draw(st.integers(0, 4)) == 0:
            items.append(draw(comments))
        if items and not isinstance(items[-1], Blank) and draw(st.integers(0, 4)) == 0:
            items.append(Blank())
        client = draw(st.sampled_from(names))
        possible = POSSIBLE[state.get(client, "new")]
        step, note = draw(draw(st.sampled_from(possible))), draw(notes)
        fields = {name: getattr(step, name) for name in type(step).__dataclass_fields__}
        items.append(type(step)(**fields | {"client": client, "note": note}))
        match items[-1], state.get(client):
            case Connect(), _:
                state[client] = "asked"
            case Accept(), "asked":
                state[client] = "accepted"
            case (ClientClose() | Drop() | Deny(), _) | (ApplicationClose() | Raised(), "asked"):
                state[client] = "over"
            case (ApplicationClose() | Raised(), "accepted") | (AnyMessage(), "asked" | "accepted"):
                state[client] = "application left"
    return Transcript(tuple(items), "generated")


@st.composite
def untidy(draw: st.DrawFn, tidy: str) -> str:
    """Write the normal form `tidy` another way, without a change of what it says."""
    out = [""] * draw(st.integers(0, 2))
    margin = draw(st.sampled_from(["", "  ", "\t"]))
    for line in tidy.splitlines() if tidy.isascii() else tidy.split("\n"):
        tail = draw(st.sampled_from(["", "  ", "\t"]))
        if line.startswith("    "):
            name, _, value = line.strip(" ").partition(":")
            out.append(f"{margin}{draw(st.sampled_from([' ', '      ']))}{name.upper()}:\t{value}{tail}")
        elif line.startswith("#"):
            out.append(f"{margin}{line}{tail}")
        elif line:
            spaced = line
            for arrow in ("->", "<-", "!!", "==", ".."):
                name, found, rest = line.partition(f"{arrow} ")
                if found and (not name or name[:-1].isidentifier()):
                    spaced = f"{name.replace(' ', '   ')}{arrow}\t  {rest}"
            out.append(f"{margin}{spaced}{tail}{draw(st.sampled_from(['', '  #', '  # 注']))}")
        else:
            out += ["", tail]
    return draw(st.sampled_from(["\n", "\r\n"])).join(out)
