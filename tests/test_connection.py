import pytest
from starlette import datastructures
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from reference_ws import URL, Address, App, WebSocket
from reference_ws.testing import connect, handshake


async def silent(*_):
    raise AssertionError("nothing is received or sent here")


def opened(target="/", **arguments):
    return WebSocket(handshake(target, **arguments), silent, silent)


def test_it_is_a_read_only_mapping_over_the_scope():
    websocket = opened("/ws")
    assert ("/ws", "websocket") == (websocket["path"], websocket["type"])
    with pytest.raises(TypeError):
        websocket["path"] = "/other"


def test_a_url_shows_itself_as_it_is_written():
    assert "URL('ws://a/b?c=d')" == repr(URL("ws://a/b?c=d"))


def test_the_url_is_a_str_with_components():
    url = opened("wss://example.org:8443/room/1?x=1&x=2").url
    assert isinstance(url, str)
    assert isinstance(url, datastructures.URL)
    assert "wss://example.org:8443/room/1?x=1&x=2" == url
    assert ("wss", "example.org", 8443, "/room/1", "x=1&x=2", "") == (
        url.scheme,
        url.hostname,
        url.port,
        url.path,
        url.query,
        url.fragment,
    )
    assert (None, None, True) == (url.username, url.password, url.is_secure)
    assert ("ana", "secret") == (URL("ws://ana:secret@a/").username, URL("ws://ana:secret@a/").password)


def test_replace_exchanges_components_or_parts_of_the_string():
    url = opened("/a?x=1").url
    assert "ws://testserver:8000/b?x=1" == url.replace(path="/b", port=8000)
    assert "ws://testserver/c?x=1" == url.replace("/a", "/c")
    assert "ws://testserver/a?x=1&y=2" == url.include_query_params(y=2)
    assert all(isinstance(other, URL) for other in (url.replace(path="/b"), url.include_query_params(y=2)))


def test_a_url_without_a_port_has_none():
    assert opened("/").url.port is None


def test_a_server_that_leaves_the_scheme_out_means_ws():
    app = App()

    @app.router.websocket("/room", name="room")
    async def room(websocket): ...

    for read in (lambda websocket: websocket.url, lambda websocket: websocket.url_for("room")):
        websocket = opened("/room")
        websocket.scope["app"] = app
        del websocket.scope["scheme"]
        assert "ws" == read(websocket).scheme


@pytest.mark.parametrize(("scheme", "other"), [("ws", "http"), ("wss", "https")])
def test_url_for_knows_websocket_and_http_routes(scheme, other):
    app = App(routes=[Route("/page/{n:int}", lambda request: PlainTextResponse(""), name="page")])

    @app.router.websocket("/room/{name}", name="room")
    async def room(websocket): ...

    websocket = opened(f"{scheme}://example.org/", headers={"host": "example.org"})
    websocket.scope["app"] = app
    assert f"{scheme}://example.org/room/blue" == websocket.url_for("room", name="blue")
    assert f"{other}://example.org/page/7" == websocket.url_for("page", n=7)
    assert isinstance(websocket.url_for("page", n=7), str)


def test_headers_ignore_case_keep_repetitions_and_can_not_be_changed():
    headers = opened("/", headers=[("X-A", "1"), ("x-a", "2")]).headers
    assert "1" == headers["X-a"]
    assert ["1", "2"] == headers.getlist("x-A")
    assert all(key == key.lower() for key in headers)
    assert not hasattr(headers, "__setitem__")


def test_query_params_keep_repetitions_and_can_not_be_changed():
    query = opened("/?search=a&search=b").query_params
    assert ("b", ["a", "b"]) == (query["search"], query.getlist("search"))
    assert not hasattr(query, "__setitem__")


@pytest.mark.parametrize("client", [("127.0.0.1", 5000), None])
def test_the_client_is_always_an_address(client):
    address = opened("/", client=client).client
    assert isinstance(address, Address)
    assert (client or (None, None)) == (address.host, address.port)


def test_cookies_whose_name_is_no_token_are_left_out():
    cookies = opened("/", headers={"cookie": 'a=1; bad name=2; b@d=3; =4; flag; good="5 6"'}).cookies
    assert {"a": "1", "good": "5 6"} == cookies
    assert dict is type(cookies)


def test_state_is_written_read_and_deleted():
    state = opened().state
    state.user = "Ana"
    assert "Ana" == state.user
    del state.user
    assert not hasattr(state, "user")


def test_state_is_never_shared_even_if_the_server_hands_out_one_dict():
    shared = {"from_lifespan": 1}
    first, second = opened(), opened()
    first.scope["state"] = second.scope["state"] = shared
    first.state.user = "Ana"
    assert not hasattr(second.state, "user")
    assert (1, {"from_lifespan": 1}) == (second.state.from_lifespan, shared)


def test_state_is_one_for_all_objects_of_a_connection():
    first = opened()
    first.state.user = "Ana"
    second = WebSocket(first.scope, silent, silent)
    assert "Ana" == second.state.user
    second.state.user = "Bo"
    assert "Bo" == first.state.user


def test_state_works_where_the_server_has_none():
    websocket = opened()
    del websocket.scope["state"]
    websocket.state.user = "Ana"
    assert "Ana" == websocket.state.user


@pytest.mark.anyio
async def test_path_params_are_parsed_and_the_application_is_known():
    app = App()

    @app.router.websocket("/room/{name}/{n:int}")
    async def room(websocket):
        assert websocket.app is app
        await websocket.accept()
        await websocket.send_json(websocket.path_params)

    async with connect(app, "/room/blue/7") as client:
        assert {"name": "blue", "n": 7} == await client.receive_json()
