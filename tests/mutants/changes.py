"""What a mutant is: one place of a module, changed as a slip of the pen would change it."""

from __future__ import annotations

import ast
import copy
import importlib.abc
import importlib.util
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[2]

OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


@dataclass(frozen=True)
class Change:
    """The ``number``-th node of a module, in the order of `ast.walk`, changed."""

    file: Path
    module: str
    number: int
    line: int
    before: str
    after: str
    lines: frozenset[int]
    """Who runs one of these may notice; when there are none, who runs any line of the module."""
    what: str
    """Names the change by its class and function, not its line, which other changes move."""

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line}: {self.before}  ->  {self.after}"


def changes(file: Path) -> Iterator[Change]:
    """Yield all the changes of a module."""
    tree = ast.parse(file.read_text())
    nodes = list(ast.walk(tree))
    unseen = _never_run(tree)
    places = _places(tree)
    parts = file.relative_to(ROOT).with_suffix("").parts
    module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    same: Counter[str] = Counter()
    for number, node in enumerate(nodes):
        line = getattr(node, "lineno", 0)
        if not line or id(node) in unseen:
            continue
        after = _changed(copy.deepcopy(node))
        if after is not None and ast.dump(after) != ast.dump(node):
            scope, lines = places[id(node)]
            before, now = _shown(node), _shown(after)
            what = f"{module}:{scope}: {before}  ->  {now}"
            same[what] += 1
            what += f" ({same[what]})" if same[what] > 1 else ""
            yield Change(file, module, number, line, before, now, lines, what)


def changed(change: Change) -> ast.Module:
    """Parse a module, and change it."""
    tree = ast.parse(change.file.read_text())
    node = list(ast.walk(tree))[change.number]
    after = _changed(copy.deepcopy(node))
    assert after is not None
    ast.copy_location(after, node)
    for above in ast.walk(tree):
        for name, value in ast.iter_fields(above):
            if value is node:
                setattr(above, name, after)
            elif isinstance(value, list):
                value[:] = [after if each is node else each for each in value]
    return ast.fix_missing_locations(tree)


class Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module of the library from a changed tree."""

    def __init__(self, change: Change) -> None:
        self.name, self.file = change.module, change.file
        self.code = compile(changed(change), str(self.file), "exec", dont_inherit=True)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != self.name:
            return None
        spec = importlib.util.spec_from_loader(name, self, origin=str(self.file), is_package=False)
        if spec is not None:
            spec.has_location = True
        return spec

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = str(self.file)
        exec(self.code, module.__dict__)


def _changed(node: ast.AST) -> ast.AST | None:
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in OPERATORS:
            node.ops = [OPERATORS[type(operator)]()]  # type: ignore[list-item]
        case ast.BinOp() | ast.BoolOp() if type(node.op) in OPERATORS:
            node.op = OPERATORS[type(node.op)]()  # type: ignore[assignment]
        case ast.UnaryOp(op=ast.Not()):
            return node.operand
        case ast.Constant(value=bool()):
            node.value = not node.value
        case ast.Constant(value=int()):
            node.value += 1  # type: ignore[operator]
        case ast.Constant(value="latin-1" | "utf-8-sig"):  # Python reads these names without their punctuation
            return None
        case ast.Constant(value=str()) if node.value:
            node.value = f"{node.value}?"  # type: ignore[str-bytes-safe]
        case ast.If() | ast.While() | ast.IfExp():
            node.test = ast.UnaryOp(ast.Not(), node.test)
        case ast.Return(value=ast.expr()):
            node.value = ast.Constant(None)
        case ast.Expr() | ast.Assign() | ast.AugAssign() | ast.Raise() | ast.Delete() | ast.Break() | ast.Continue():
            return ast.Pass()
        case _:
            return None
    return node


def _never_run(tree: ast.Module) -> set[int]:
    """Find what no test can notice: documentation, annotations, imports and ``__all__``, blocks for type checkers."""
    roots: list[ast.AST] = []
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                roots.append(node)
            case ast.Expr(value=ast.Constant(value=other)) if other is Ellipsis:
                roots.append(node)
            case ast.Import() | ast.ImportFrom() | ast.Assert():
                roots.append(node)
            case ast.Assign(targets=[ast.Name(id="__all__" | "__slots__")]) | ast.If(test=ast.Name(id="TYPE_CHECKING")):
                roots.append(node)
            case ast.Call(func=ast.Name(id="cast"), args=[kind, _]):
                roots.append(kind)
            case ast.Call(func=ast.Name(id="TypeVar")) | ast.Subscript(value=ast.Name(id="Literal")):
                roots.append(node)
            case ast.ClassDef():  # slots, eq and the like: smaller and quicker, not otherwise
                roots += node.decorator_list
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                roots += [each for each in (node.returns,) if each]
                roots += [
                    each
                    for each in node.decorator_list
                    if isinstance(each, ast.Name) and each.id in ("overload", "override")
                ]
            case ast.arg(annotation=ast.expr() as annotation) | ast.AnnAssign(annotation=annotation):
                roots.append(annotation)
    return {id(node) for root in roots for node in ast.walk(root)}


def _places(tree: ast.Module) -> dict[int, tuple[str, frozenset[int]]]:
    """Find for each node where it stands: its class and function, and the lines of its statement.

    For the head of a function, which is run before, the lines are the body's.
    """
    found: dict[int, tuple[str, frozenset[int]]] = {}

    def visit(node: ast.AST, scope: str, lines: frozenset[int], in_function: bool) -> None:
        body: Sequence[ast.stmt] = getattr(node, "body", ()) if isinstance(node, ast.stmt) else ()
        function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if function and not in_function:
            lines = _span(body[0].lineno, body[-1].end_lineno)
        elif isinstance(node, ast.stmt) and in_function:
            lines = _span(node.lineno, body[0].lineno if body else node.end_lineno)
        elif isinstance(node, ast.match_case):
            lines = _span(node.pattern.lineno, node.body[-1].end_lineno)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            scope = f"{scope}.{node.name}" if scope else node.name
        found[id(node)] = scope, lines
        for child in ast.iter_child_nodes(node):
            visit(child, scope, lines, in_function or (function and child in body))

    visit(tree, "", frozenset(), False)
    return found


def _span(first: int, last: int | None) -> frozenset[int]:
    return frozenset(range(first, (last or first) + 1))


def _shown(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 80 else f"{text[:77]}..."
