"""Counts what a function does with a text, instead of the time that it takes: lines of Python that run, and characters
that patterns and the methods of `str` go over or copy. It is the same on every machine.
"""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, ModuleType, SimpleNamespace
from typing import Any

import pytest

_METHODS = ("split", "splitlines", "partition", "rpartition", "strip", "rstrip", "lstrip", "replace", "lower", "find")
_METHODS += ("count", "index", "encode", "removesuffix", "removeprefix", "translate", "isascii")


class Work:
    """So much has been done; ``text`` makes texts that are counted."""

    def __init__(self) -> None:
        self.done = 0

    def text(self, written: str) -> str:
        """Make a text of which every part that is taken is counted, and is counted itself."""
        work = self

        class Counted(str):
            __slots__ = ()

            def __getitem__(self, key: Any) -> str:
                return taken(super().__getitem__(key))

        def taken(result: Any) -> Any:
            if type(result) is str:
                work.done += len(result)
                return Counted(result)
            if isinstance(result, list | tuple):
                return type(result)(map(taken, result))
            return result

        def counted(name: str) -> Callable[..., Any]:
            def method(self: str, *arguments: Any, **named: Any) -> Any:
                work.done += len(self)
                return taken(getattr(str, name)(self, *arguments, **named))

            return method

        for name in _METHODS:
            setattr(Counted, name, counted(name))
        return Counted(written)

    def pattern(self, pattern: re.Pattern[str]) -> Any:
        """Count what a pattern goes over: what it matches, or, where it finds nothing, all that is left."""

        def method(name: str) -> Callable[..., Any]:
            def call(text: str, at: int = 0) -> Any:
                found = getattr(pattern, name)(text, at)
                if found is not None:
                    self.done += found.end() - at
                elif name == "search":
                    self.done += len(text) - at
                return found

            return call

        def sub(new: Any, text: str) -> str:
            self.done += len(text)
            return pattern.sub(new, text)

        def finditer(text: str) -> Iterator[re.Match[str]]:
            self.done += len(text)
            return pattern.finditer(text)

        return SimpleNamespace(sub=sub, finditer=finditer, **{n: method(n) for n in ("match", "search", "fullmatch")})

    @contextmanager
    def counting(self, modules: tuple[ModuleType, ...], patch: pytest.MonkeyPatch) -> Iterator[None]:
        """Count what the functions and patterns of these modules do."""

        def call(pattern: str, name: str) -> Any:
            return getattr(self.pattern(re.compile(pattern)), name)

        counted = {name: lambda pattern, *rest, n=name: call(pattern, n)(*rest) for name in ("search", "fullmatch")}
        counted["sub"] = lambda pattern, new, text: call(pattern, "sub")(new, text)
        for module in modules:
            for name, value in vars(module).copy().items():
                if isinstance(value, re.Pattern):
                    patch.setattr(module, name, self.pattern(value))
                elif value is re:
                    patch.setattr(module, name, SimpleNamespace(**{**vars(re), **counted}))
        files = {module.__file__ for module in modules}

        def trace(frame: FrameType, event: str, _argument: Any) -> Any:
            if frame.f_code.co_filename not in files:
                return None
            self.done += event == "line"
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            yield
        finally:
            sys.settrace(before)


def work_of(read: Callable[[str], object], text: str, *modules: ModuleType) -> int:
    """Count what `read` does with `text` in the code of `modules`; that it refuses the text is an answer, too."""
    work = Work()
    with pytest.MonkeyPatch.context() as patch, work.counting(modules, patch), suppress(ValueError):
        read(work.text(text))
    return work.done


def assert_linear(read: Callable[[str], object], text: Callable[[int], str], *modules: ModuleType) -> None:
    """See that twice the text is no more than twice the work."""
    few, many = (work_of(read, text(size), *modules) for size in (500, 1_000))
    assert few
    assert many < 2.2 * few, (few, many)
