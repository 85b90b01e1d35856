"""No name says only that something was found, told or made: it says what it holds."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.measures import PACKAGES, ROOT, sources

EMPTY = {"found", "told", "made"}
WATCHED = (*PACKAGES, "client", "tests")


@pytest.mark.parametrize("package", WATCHED)
def test_names_say_what_they_hold(package: str) -> None:
    files = list(sources(ROOT, [package]))
    assert files
    assert [place for file in files for place in _empty_names(file.read_text(), file.relative_to(ROOT))] == []


@pytest.mark.parametrize(
    "code",
    [
        "found = 1",
        "found: int = 1",
        "made, rest = 1, 2",
        "for told in []: pass",
        "[told for told in []]",
        "if (found := 1): pass",
        "def made(): pass",
        "def f(x, *, found=1): pass",
        "lambda *made: 1",
        "class Made:\n    made: int",
        "with open('x') as found: pass",
        "try: pass\nexcept OSError as told: pass",
        "import numpy as found",
        "from x import made",
        "match 1:\n    case [1, *found]: pass",
        "match 1:\n    case {'a': 1, **told}: pass",
        "match 1:\n    case int() as made: pass",
        "self.found = 1",
    ],
)
def test_every_way_to_bind_a_name_is_seen(code: str) -> None:
    assert len(list(_empty_names(code, Path("oven.py")))) == 1


@pytest.mark.parametrize("code", ["unfound = 1", "x = {'found': 1}['found']", "f(made=1)", "x.found", "# told"])
def test_words_keys_and_others_names_may_be_such(code: str) -> None:
    assert list(_empty_names(code, Path("oven.py"))) == []


def _empty_names(code: str, file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(code)):
        match node:
            case (
                ast.Name(id=name, ctx=ast.Store())
                | ast.Attribute(attr=name, ctx=ast.Store())
                | ast.arg(arg=name)
                | ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
                | ast.ExceptHandler(name=name)
                | ast.MatchAs(name=name)
                | ast.MatchStar(name=name)
                | ast.MatchMapping(rest=name)
            ):
                bound = name
            case ast.alias():
                bound = node.asname or node.name
            case _:
                continue
        if bound in EMPTY:
            yield f"{file}:{getattr(node, 'lineno', 0)} {bound}"
