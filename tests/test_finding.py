"""The index finds what Starlette's search through all routes finds, and doesn't grow with their number."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette import routing
from starlette.routing import Host, Match, Mount, Route

from reference_ws import Router, SocketRoute
from reference_ws.finding import RouteIndex
from reference_ws.testing import handshake

parts = st.sampled_from(
    ["a", "b", "", "a b", "{x}", "{x:int}", "{x:float}", "{x:uuid}", "{x:path}", "p{x}", "{x:int}.{y}", "{x:path}z"]
)


def distinct(segments):
    """Number the parameters, so that none stands twice."""
    path = "/" + "/".join(segments)
    for number in range(path.count("{")):
        path = path.replace("{x", f"{{n{number}", 1).replace("{y", f"{{m{number}", 1)
    return path


paths = st.lists(parts, max_size=4).map(distinct)


async def handler(websocket): ...


class Own(SocketRoute):
    def matches(self, scope):
        match, child = super().matches(scope)
        return match, {**child, "own": True}


routes = st.one_of(
    paths.map(lambda path: SocketRoute(path, handler)),
    paths.map(lambda path: Own(path, handler)),
    paths.map(lambda path: routing.WebSocketRoute(path, handler)),
    paths.map(lambda path: Route(path, lambda request: None)),
    paths.filter(lambda path: "path}" not in path).map(lambda path: Mount(path, routes=[])),
    st.sampled_from(["a.org", "testserver"]).map(lambda host: Host(host, routing.Router())),
)
asked = st.one_of(
    st.lists(st.sampled_from(["a", "b", "", "a b", "7", "1.5", "p7", "7.x", "az", "é", "a\n"]), max_size=5).map(
        lambda segments: "/" + "/".join(segments)
    ),
    st.text(alphabet="ab/7.\n", max_size=6),
)


def searched(routes, scope):
    for route in routes:
        match, child = route.matches(scope)
        if match is Match.FULL:
            return route, child
    return None


@given(st.lists(routes, max_size=8), asked, st.dictionaries(st.sampled_from(["n0", "outer"]), st.just("1"), max_size=1))
@settings(max_examples=1000, deadline=None)
def test_the_index_finds_what_a_search_finds(routes, path, outer):
    scope = {**handshake("/"), "path": path, "path_params": outer}
    assert searched(routes, scope) == RouteIndex(routes).find(path, scope)


@pytest.mark.parametrize(
    "change",
    [
        lambda routes: routes.append(SocketRoute("/new", handler)),
        lambda routes: routes.insert(0, SocketRoute("/new", handler)),
        lambda routes: routes.extend([SocketRoute("/new", handler)]),
        lambda routes: routes.__iadd__([SocketRoute("/new", handler)]),
        lambda routes: routes.__setitem__(0, SocketRoute("/new", handler)),
    ],
)
def test_a_route_that_is_added_later_is_found(change):
    router = Router([SocketRoute("/old", handler)])
    scope = handshake("/new")
    assert router.find(scope) is None
    change(router.routes)
    assert router.find(scope) is not None


@pytest.mark.parametrize(
    "change",
    [
        lambda routes: routes.pop(),
        lambda routes: routes.remove(routes[0]),
        lambda routes: routes.clear(),
        lambda routes: routes.__delitem__(0),
    ],
)
def test_a_route_that_is_taken_away_is_not_found(change):
    router = Router([SocketRoute("/old", handler)])
    assert router.find(handshake("/old")) is not None
    change(router.routes)
    assert router.find(handshake("/old")) is None


def test_the_order_of_the_list_decides():
    first, second = SocketRoute("/{x}", handler), SocketRoute("/a", handler)
    router = Router([first, second])
    assert router.find(handshake("/a"))[0] is first
    router.routes.reverse()
    assert router.find(handshake("/a"))[0] is second
    router.routes.sort(key=lambda route: route.path, reverse=True)
    assert router.find(handshake("/a"))[0] is first


def test_a_list_that_is_replaced_is_used():
    router = Router()
    router.routes = [SocketRoute("/a", handler)]
    assert router.find(handshake("/a")) is not None


def test_few_routes_are_asked_however_many_there_are():
    asked = []

    class Noting(SocketRoute):
        def matches(self, scope):
            asked.append(self.path)
            return super().matches(scope)

    # A class of its own is asked every time; the others only when their path has the shape.
    index = RouteIndex([SocketRoute(f"/r{n}/{{x:int}}", handler) for n in range(1000)] + [Noting("/{x}", handler)])
    for path, places in (("/r999/7", [999, 1000]), ("/r7/x", [7, 1000]), ("/other", [1000]), ("/r5", [1000])):
        assert places == index._candidates(path)
    assert index.find("/other", handshake("/other")) is not None
    assert ["/{x}"] == asked


@pytest.mark.parametrize(
    "refusing",
    [SocketRoute("/{n:int}/a", handler), Own("/{n:int}/a", handler), Mount("/{n:int}", routes=[])],
    ids=lambda route: type(route).__name__,
)
def test_what_a_convertor_refuses_is_another_routes(refusing):
    rest = SocketRoute("/{rest:path}", handler)
    path = f"/{'7' * 5000}/a"  # more digits than Python converts
    assert RouteIndex([refusing, rest]).find(path, {**handshake("/"), "path": path})[0] is rest
