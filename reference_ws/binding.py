"""Supplying what a signature asks for: the values, the dependencies and their clean-ups of one connection.

One binder serves handlers, the ``on_connect`` of views, dependencies and middleware. `reference_ws.parameters` plans,
once; here the plan is carried out, for each connection.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection, Hashable
from dataclasses import dataclass, field, replace
from types import AsyncGeneratorType, GeneratorType
from typing import Any

from reference_ws.context import current
from reference_ws.lifecycle import DISCONNECTED
from reference_ws.parameters import (
    Dependency,
    Parameter,
    ParameterError,
    Plan,
    function_of,
    name_of,
    overridden,
    plan,
    read,
    where,
)
from reference_ws.typed import is_pydantics, problems
from reference_ws.websocket import WebSocket

Endpoint = Callable[..., Awaitable[None]]
Middleware = Callable[[Endpoint], Endpoint]
"""Takes an endpoint and returns one: a coroutine function whose parameters are bound like a handler's."""


class Bindings:
    """What is bound to one connection: the values from its handshake, the dependencies, and their clean-ups."""

    __slots__ = ("_made", "_plans", "_values", "unfinished", "websocket", "yields")

    def __init__(self, websocket: WebSocket, bound: Bound) -> None:
        self.websocket = websocket
        self._plans: dict[Plan, Plan] = {}
        if bound.depends and (overrides := getattr(websocket.scope.get("app"), "dependency_overrides", None)):
            path = websocket.scope.get("path_params") or {}
            self._plans = {each: overridden(each, overrides, path) for each in bound.plans}
            bound = replace(bound, plans=tuple(self._plans.values()))
        self.yields = bound.yields
        self._values = read(websocket, bound.wanted)
        self._made: dict[Hashable, Any] = {}
        self.unfinished: list[tuple[Any, Callable[..., Any]]] = []  # what waits at its yield, and its factory

    async def arguments(self, plan: Plan) -> tuple[list[Any], dict[str, Any]]:
        """Collect the arguments of a function, making what it depends on."""
        plan = self._plans.get(plan, plan)
        values = self._values
        named = {each.name: values[each] for each in plan.parameters if each in values}
        for name in plan.connections:
            named[name] = self.websocket
        for name, dependency in plan.dependencies:
            named[name] = await self._make(dependency)
        return [named.pop(name) for name in plan.by_place] if plan.by_place else [], named

    async def _make(self, dependency: Dependency) -> Any:
        factory = dependency.factory
        if dependency.reuse and dependency.key in self._made:
            return self._made[dependency.key]
        try:
            if dependency.plan.empty:
                value = factory()
            else:
                placed, named = await self.arguments(dependency.plan)
                value = factory(*placed, **named)
        except ValueError as error:
            if is_pydantics(factory) and (faults := _faults(dependency.plan, error)):
                raise ParameterError(faults) from error
            raise
        if dependency.yields and isinstance(value, (AsyncGeneratorType, GeneratorType)):
            generator = value
            try:
                value = await generator.__anext__() if isinstance(generator, AsyncGeneratorType) else next(generator)
            except (StopIteration, StopAsyncIteration):
                raise RuntimeError(f"{where(factory)}: a dependency must yield its value once.") from None
            self.unfinished.append((generator, factory))  # one that did not get so far has nothing left to clean up
        elif inspect.isawaitable(value):
            value = await value
        if dependency.reuse:
            self._made[dependency.key] = value
        return value

    async def clean_up(self, ended: BaseException | None) -> BaseException | None:
        """Let the latest generator go on after its ``yield``, as leaving the innermost of nested ``with`` blocks would.

        ``ended`` is the exception that what is inside of it has ended by, a cancellation too: it is raised at the
        ``yield``. A generator that catches it has dealt with it; an exception of its own takes its place. What is
        there afterwards is returned, for the generator before.
        """
        generator, factory = self.unfinished.pop()
        asynchronous = isinstance(generator, AsyncGeneratorType)
        traceback = ended.__traceback__ if ended is not None else None
        try:
            if ended is None:
                await generator.__anext__() if asynchronous else next(generator)
            else:
                await generator.athrow(ended) if asynchronous else generator.throw(ended)
            # It has yielded again.
            await generator.aclose() if asynchronous else generator.close()
        except GeneratorExit:  # nothing can be awaited any more
            raise
        except (StopIteration, StopAsyncIteration) as stop:
            return ended if stop is ended else None
        except BaseException as error:
            # Python makes a RuntimeError of a StopIteration that leaves a generator.
            renamed = isinstance(ended, StopIteration | StopAsyncIteration) and error.__cause__ is ended
            return ended.with_traceback(traceback) if ended is not None and (error is ended or renamed) else error
        again = RuntimeError(f"{where(factory)}: a dependency must yield its value once.")
        again.__context__ = ended
        return again


def _faults(model: Plan, error: ValueError) -> list[dict[str, Any]]:
    """Say of what a model of pydantic's refuses where it came from."""
    known = {each.name: each for each in model.parameters}
    return [
        known[place[0]].fault(given) | {"expected": problem}
        if place and place[0] in known
        else {"name": name_of(model.function), "in": "query", "given": None, "expected": problem}
        for place, given, problem in problems(error)
    ]


@dataclass(slots=True, eq=False)
class Bound:
    """A handler, or a middleware around one, ready to be called with a connection that has its `Bindings`."""

    plans: tuple[Plan, ...]
    call: Callable[[WebSocket], Awaitable[None]]
    name: str
    needs_bindings: bool
    """False when nothing but the connection has to be passed to anyone."""
    depends: bool = field(init=False)
    yields: bool = field(init=False)
    wanted: tuple[Parameter, ...] = field(init=False)
    """All that is taken from the handshake: by the handler, the middleware, and what they depend on."""

    def __post_init__(self) -> None:
        self.depends = any(each.dependencies for each in self.plans)
        self.yields = any(each.yields for each in self.plans)
        # A dependency that is needed in several places has a plan in each: nothing stands twice.
        self.wanted = tuple(parameter for each in self.plans for parameter in each.all_parameters())

    def around(self, middleware: Middleware, path: Collection[str]) -> Bound:
        """Put a middleware around it; the middleware's own parameters are bound like a handler's."""

        async def endpoint(*_: Any, **__: Any) -> None:
            # The connection itself, not what stands for it: a handler may keep it beyond its own end.
            await self.call(current())

        endpoint.__name__ = endpoint.__qualname__ = self.name
        outer = bind(middleware(endpoint), path)
        return Bound(outer.plans + self.plans, outer.call, self.name, outer.needs_bindings or self.needs_bindings)


def bind(handler: Callable[..., Any], path: Collection[str] = ()) -> Bound:
    """Plan how `handler` is called; ``path`` holds the names of the path's parameters.

    Raises `TypeError`, naming the handler, its file and line, when it is not ``async def``, or a parameter can't be
    bound, or dependencies need each other in a circle.
    """
    if not inspect.iscoroutinefunction(function_of(handler)):
        raise TypeError(f"{where(handler)}: a WebSocket handler must be a coroutine function: write `async def`.")
    planned = plan(handler, path)

    async def call(websocket: WebSocket) -> None:
        placed, named = await websocket._bindings.arguments(planned)
        if websocket.application_state is not DISCONNECTED:  # a dependency may have refused
            await handler(*placed, **named)

    def call_without(websocket: WebSocket) -> Awaitable[None]:  # noqa: ARG001
        return handler()  # type: ignore[no-any-return]

    chosen: Callable[[WebSocket], Awaitable[None]] = call
    if planned.plain and planned.connection_first and len(planned.connections) <= 1:
        chosen = handler
    elif planned.plain and not planned.connections:
        chosen = call_without
    name = getattr(function_of(handler), "__name__", type(handler).__name__)
    return Bound((planned,), chosen, name, needs_bindings=chosen is call)
