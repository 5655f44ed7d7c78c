"""Types of msgspec and pydantic: what can be read, what can't, and how wrong data is named."""

import dataclasses
import json
import subprocess
import sys
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import annotated_types
import msgspec
import pydantic
import pytest
import typing_extensions

from reference_ws import App, Depends, Query, SocketRoute, SocketView, WebSocket, WebSocketTypeError
from reference_ws.codec import dumps
from reference_ws.parameters import plan
from reference_ws.transcript import check
from reference_ws.typed import convert, reader

pytestmark = pytest.mark.anyio


class User(pydantic.BaseModel):
    name: str
    age: pydantic.PositiveInt = 1


class Plain:
    pass


@dataclasses.dataclass
class Holds:
    user: User


@dataclasses.dataclass
class Bounded:
    age: Annotated[int, pydantic.Field(gt=0)]


@pydantic.dataclasses.dataclass
class Validated:
    age: pydantic.PositiveInt


class Typed(typing_extensions.TypedDict):
    user: User


class Adult(User):
    @pydantic.model_validator(mode="after")
    def grown_up(self):
        if self.age < 18:
            raise ValueError("too young")
        return self


DATA = {"name": "Ana", "age": 7}


@pytest.mark.parametrize(
    ("type", "value", "expected"),
    [
        (User, DATA, User(**DATA)),
        (User | None, None, None),
        (list[User], [DATA], [User(**DATA)]),
        (dict[str, User], {"a": DATA}, {"a": User(**DATA)}),
        (Holds, {"user": DATA}, Holds(User(**DATA))),
        (Typed, {"user": DATA}, {"user": User(**DATA)}),
        (Validated, {"age": 7}, Validated(7)),
        (Bounded, {"age": 7}, Bounded(7)),
        (pydantic.PositiveInt, 7, 7),
        (list[pydantic.PositiveInt], [7], [7]),
        (Annotated[int, annotated_types.Gt(1)], 7, 7),
        (pydantic.HttpUrl, "http://a.b/", pydantic.HttpUrl("http://a.b/")),
        (object, [1], [1]),
        (Any, [1], [1]),
    ],
)
def test_a_type_of_pydantics_is_read_wherever_it_stands(type, value, expected):
    assert expected == convert(value, type)


@pytest.mark.parametrize(
    ("type", "value", "problem"),
    [
        (User, {"name": 1}, r"valid string - at `\$\.name`"),
        (list[User], [DATA, {"name": "a", "age": 0}], r"greater than 0 - at `\$\[1\]\.age`"),
        (Holds, {"user": {}}, r"Field required - at `\$\.user\.name`"),
        (Bounded, {"age": 0}, r"greater than 0 - at `\$\.age`"),
        (Validated, {"age": 0}, r"greater than 0 - at `\$\.age`"),
        (list[pydantic.PositiveInt], [1, -1], r"greater than 0 - at `\$\[1\]`"),
        (pydantic.PositiveInt, "a", r"valid integer.* - at `\$`"),
        (Adult, DATA, r"too young - at `\$`"),
        (User, {"name": 1, "age": 0}, r"string - at `\$\.name`; .*greater than 0 - at `\$\.age`$"),
    ],
)
def test_wrong_data_names_the_field_as_msgspec_does(type, value, problem):
    with pytest.raises(msgspec.ValidationError, match=problem):
        convert(value, type)


Number = Annotated[Decimal, pydantic.Field(allow_inf_nan=True)]


@dataclasses.dataclass(frozen=True)
class Price:
    amount: Decimal


@pytest.mark.parametrize(
    ("type", "value"),
    [
        (set[Decimal], ["sNaN"]),
        (frozenset[Decimal], ["1", "-sNaN7"]),
        (dict[Decimal, int], {"sNaN": 1}),
        (list[set[Decimal]], [[], ["sNaN"]]),
        (set[Price], [{"amount": "sNaN"}]),
        (set[Number], ["sNaN"]),
        (dict[Number, int], {"sNaN": 1}),
    ],
)
def test_what_a_set_can_not_hold_is_wrong_data(type, value):
    with pytest.raises(msgspec.ValidationError):
        convert(value, type)


@pytest.mark.parametrize("type", [int, Bounded, dict[int, str], Literal["a"], datetime])
def test_half_a_character_is_wrong_data_where_no_string_is_asked_for(type):
    half = json.loads('"\\ud800"')
    with pytest.raises(msgspec.ValidationError):
        convert({half: half} if type in (Bounded, dict[int, str]) else half, type)


def test_what_is_wrong_with_a_validator_is_not_the_datas():
    def validate(value):
        raise TypeError("validate takes something else")

    with pytest.raises(TypeError, match="takes something else"):
        convert(1, Annotated[int, pydantic.AfterValidator(validate)])


@dataclasses.dataclass
class Node:
    value: int
    after: "Node | None" = None
    others: "list[Node]" = dataclasses.field(default_factory=list)


def test_a_type_may_contain_itself():
    data = {"value": 1, "after": {"value": 2}, "others": [{"value": 3}]}
    assert Node(1, Node(2), [Node(3)]) == convert(data, Node)
    with pytest.raises(msgspec.ValidationError, match=r"\$\.after\.value"):
        convert({"value": 1, "after": {"value": "two"}}, Node)


class Mixed(msgspec.Struct):
    user: User


UNREADABLE = [Plain, list[Plain], dict[str, Plain], Plain | None, complex, Mixed, Annotated[Plain, "said"]]


@pytest.mark.parametrize("type", UNREADABLE)
def test_what_nobody_can_read_is_a_type_error(type):
    with pytest.raises(TypeError, match=r"can't (be )?read"):
        reader(type)


@pytest.mark.parametrize("type", UNREADABLE)
def test_a_view_hears_of_it_at_registration(type):
    class View(SocketView):
        async def on_receive(self, data: type): ...

    with pytest.raises(TypeError, match=r"on_receive \(.*test_typed.py:\d+\): .* can't (be )?read"):
        SocketRoute("/", View)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (User(**DATA), DATA),
        ([User(**DATA)], [DATA]),
        ({"a": User(**DATA), "b": None}, {"a": DATA, "b": None}),
        (Validated(7), {"age": 7}),
        (Holds(User(**DATA)), {"user": DATA}),
        (pydantic.HttpUrl("http://a.b/"), "http://a.b/"),
    ],
)
def test_models_are_written(value, expected):
    assert expected == json.loads(dumps(value))


@pytest.mark.parametrize("value", [Plain(), [Plain()], {"a": None, "b": Plain()}])
def test_what_is_no_json_is_still_a_type_error(value):
    with pytest.raises(TypeError):
        dumps(value)


# --- on a connection --------------------------------------------------------------------------------------------------


async def test_half_a_character_closes_with_1003():
    async def handler(ws: WebSocket):
        await ws.accept()
        await ws.receive_json(type=int)

    await plays(handler, '-> connect /ws\n<- accept\n-> text "\\"\\\\ud800\\""\n<- close 1003')


async def test_a_function_and_a_view_take_models_as_messages():
    app = App()

    @app.router.websocket("/function")
    async def function(ws: WebSocket):
        await ws.accept()
        try:
            async for user in ws.iter_json(type=User):
                await ws.send_json(user)
        except WebSocketTypeError as error:
            await ws.send_json(str(error))
            await ws.send_json(await ws.receive_json(type=User))

    @app.router.websocket("/view")
    class View(SocketView):
        async def on_receive(self, data: User):
            await self.websocket.send_json(data)

    sent = '-> json {"name": "Ana"}\n<- json {"name": "Ana", "age": 1}'
    wrong = '-> json {"name": "Ana", "age": 0}\n'
    said = '<- json "Input should be greater than 0 - at `$.age`"\n'
    await check(app, f"-> connect /function\n<- accept\n{sent}\n{wrong}{said}{sent}\n<- close 1000")
    await check(app, f"-> connect /view\n<- accept\n{sent}\n{wrong}<- close 1003")


async def plays(handler, text):
    await check(App(routes=[SocketRoute("/ws", handler)]), text)


def denied(name, given, expected):
    fault = {"name": name, "in": "query", "given": given, "expected": expected}
    return "<- deny 422 json " + json.dumps({"errors": [fault]})


class Page(pydantic.BaseModel):
    number: int = pydantic.Field(1, gt=0, alias="n")
    tags: list[str] = pydantic.Field(default_factory=list)
    link: pydantic.HttpUrl | None = None

    @pydantic.field_validator("tags")
    @classmethod
    def short(cls, tags):
        if len(tags) > 2:
            raise ValueError("too many")
        return tags


async def test_a_model_is_a_dependency_made_from_the_query():
    async def handler(ws: WebSocket, page: Annotated[Page, Depends()]):
        await ws.accept()
        await ws.send_json(page)

    await plays(handler, '-> connect /ws\n<- accept\n<- json {"n": 1, "tags": [], "link": null}\n<- close 1000')
    answer = '<- accept\n<- json {"n": 2, "tags": ["a", "b"], "link": "http://a.b/"}\n<- close 1000'
    await plays(handler, f"-> connect /ws?n=2&tags=a&tags=b&link=http://a.b\n{answer}")
    await plays(handler, "-> connect /ws?n=0\n" + denied("n", "0", "Annotated[int, Gt(gt=0)]"))
    await plays(
        handler,
        "-> connect /ws?tags=a&tags=b&tags=c\n" + denied("tags", ["a", "b", "c"], "Value error, too many"),
    )


async def test_what_a_model_refuses_as_a_whole_is_the_clients_fault_too():
    async def handler(ws: WebSocket, user: Annotated[Adult, Depends()]): ...

    await plays(handler, "-> connect /ws?name=Ana&age=7\n" + denied("Adult", None, "Value error, too young"))


async def test_what_a_factory_itself_gets_wrong_is_not_the_clients_fault():
    def load():
        return User(name=1)

    async def handler(ws: WebSocket, user: Annotated[User, Depends(load)]): ...

    await plays(handler, '-> connect /ws\n<- deny 500 text "Internal Server Error"\n!! ValidationError')


async def test_a_decimal_that_no_set_can_hold_is_the_clients_fault():
    async def handler(ws: WebSocket, prices: set[Decimal]): ...

    await plays(
        handler, "-> connect /ws?prices=1&prices=sNaN\n" + denied("prices", ["1", "sNaN"], "set[decimal.Decimal]")
    )


async def test_words_of_pydantics_count_in_signatures():
    async def handler(ws: WebSocket, n: pydantic.PositiveInt, m: Annotated[int, Query(5), pydantic.Field(lt=9)]):
        await ws.accept()
        await ws.send_json([n, m])

    await plays(handler, "-> connect /ws?n=1\n<- accept\n<- json [1, 5]\n<- close 1000")
    await plays(handler, "-> connect /ws?n=0\n" + denied("n", "0", "Annotated[int, Gt(gt=0)]"))


def test_a_field_that_is_given_by_no_name_is_an_error_at_registration():
    class Aliased(pydantic.BaseModel):
        agent: str = pydantic.Field("none", alias="user-agent")

    class Choice(pydantic.BaseModel):
        agent: str = pydantic.Field("none", validation_alias=pydantic.AliasChoices("a", "b"))

    class ByName(Aliased):
        model_config = pydantic.ConfigDict(populate_by_name=True)

    class Said(pydantic.BaseModel):
        agent: str = pydantic.Field("none", alias="user_agent", serialization_alias="user-agent")

    for model in (Aliased, Choice):
        with pytest.raises(TypeError, match=f"{model.__name__}.*: agent is given by its alias .* alone"):
            plan(model)
    assert ["agent"] == [each.key for each in plan(ByName).parameters]
    assert ["user_agent"] == [each.key for each in plan(Said).parameters]


def test_pydantics_field_as_a_default_is_a_foreign_marker():
    async def handler(ws: WebSocket, user: str = pydantic.Field(alias="who")): ...

    with pytest.raises(TypeError, match=r"user has .*FieldInfo"):
        SocketRoute("/", handler)


@pytest.mark.parametrize("nested", [User, list[User], dict[str, User]])
def test_a_model_without_depends_could_only_come_from_a_body(nested):
    async def handler(ws: WebSocket, user: nested): ...

    with pytest.raises(TypeError, match="could only come from a body"):
        SocketRoute("/", handler)


def test_the_library_does_not_import_pydantic():
    program = "import sys, reference_ws; reference_ws.WebSocket; sys.exit('pydantic' in sys.modules)"
    assert 0 == subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode


@dataclasses.dataclass
class Link:
    next: "Link | None"


def test_what_nests_deeper_than_the_stack_is_a_value_that_does_not_fit():
    value = None
    for _ in range(100_000):
        value = {"next": value}
    with pytest.raises(msgspec.ValidationError, match=r"^Nested too deeply$"):
        convert(value, Link)
