"""What a change of the code costs, counted in its source: `python -m bench.measures`.

Each row is a way in which the tree could grow together again: untyped values, arms and settings that are named where
they have no business, functions that take everything, modules of many subjects. Tests hold the first rows.
"""

import ast
import dataclasses
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel

from defectory.datasets.manifest_line import ManifestLine
from defectory.job_settings.classifier_training import ClassifierTraining
from defectory.job_settings.generator_training import GeneratorTraining
from orchestrator.pipeline.arms import DEFAULT_ARMS

ROOT = Path(__file__).parents[1]
PACKAGES = ("bench", "defectory", "orchestrator", "services")
GENERATED = "defectory/api"
# A name of a setting may stand here: its example, presets, an arm's recipe in words, what settings cost, and which do
# not go together.
OF_SETTINGS = (
    "cli/setting_options.py", "pipeline/presets.py", "report/recipe.py", "report/documents.py", "pipeline/durations.py",
    "pipeline/checks.py",
)  # fmt: skip
NAMES_OF_OPTIONS = re.compile(r"@with_settings\(\{.*?\}\)", re.DOTALL)


def main() -> int:
    """Print the measures."""
    for name, value in measures(ROOT):
        sys.stdout.write(f"{value:>6}  {name}\n")
    return 0


def measures(root: Path) -> Iterator[tuple[str, int]]:
    """(what is counted, how many) of a checkout."""
    orchestrator = root / "orchestrator"
    files = list(sources(root, PACKAGES))
    yield "Any in orchestrator/", sum(map(any_in, sources(root, ["orchestrator"])))
    arms = [arm.name for arm in DEFAULT_ARMS]
    outside = [path for path in sources(root, ["orchestrator"]) if path.name != "arms.py"]
    yield (
        f"literals {', '.join(arms)} in orchestrator/, beside the list of arms",
        sum(literals(path, arms) for path in outside),
    )
    for model in (GeneratorTraining, ClassifierTraining):
        places = named_in(orchestrator, model)
        worst = max(places, key=lambda name: len(places[name]))
        yield f"settings of {model.__name__}", len(model.model_fields)
        yield "of which the line or a command names", sum(bool(paths) for paths in places.values())
        yield f"in so many files the most named one, {worst}", len(places[worst])
    yield "fields of a manifest's line", len(dataclasses.fields(ManifestLine))
    count, place = max((parameters(path) for path in files), default=(0, ""))
    yield f"parameters of the function that takes most, {place}", count
    yield "`type: ignore` in the typed packages", sum(path.read_text().count("# type: ignore") for path in files)
    longest = max(files, key=lines)
    yield f"lines of the longest module, {longest.relative_to(root)}", lines(longest)


def sources(root: Path, packages: Iterable[str]) -> Iterator[Path]:
    """Modules that are written by hand."""
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            if not path.is_relative_to(root / GENERATED):
                yield path


def any_in(path: Path) -> int:
    """How often a module says Any, imports and quoted annotations included."""
    count = 0
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Name(id="Any") | ast.alias(name="Any") | ast.Attribute(attr="Any"):
                count += 1
            case ast.Constant(value=str(text)) if "[" in text and "Any]" in text:
                count += 1
    return count


def literals(path: Path, words: Iterable[str]) -> int:
    """How many string literals of a module are one of some words."""
    wanted = set(words)
    return sum(
        isinstance(node, ast.Constant) and node.value in wanted for node in ast.walk(ast.parse(path.read_text()))
    )


def named_in(orchestrator: Path, model: type[BaseModel]) -> Mapping[str, set[str]]:
    """Setting -> files of the orchestrator that name it, for settings whose name is no word of its own."""
    texts = {path.relative_to(orchestrator).as_posix(): path.read_text() for path in orchestrator.rglob("*.py")}
    texts = {path: NAMES_OF_OPTIONS.sub("", text) for path, text in texts.items() if path not in OF_SETTINGS}
    return {
        name: {path for path, text in texts.items() if re.search(rf"\b{name}\b", text)}
        for name in model.model_fields
        if "_" in name
    }


def parameters(path: Path) -> tuple[int, str]:
    """Parameters of a module's function that takes most, beside self and cls, and its name."""
    counts = [(0, path.name)]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            count = sum(argument.arg not in ("self", "cls") for argument in given)
            counts.append((count, f"{path.parent.name}/{path.name}:{node.name}"))
    return max(counts)


def lines(path: Path) -> int:
    """Lines of a file."""
    return len(path.read_text().splitlines())


if __name__ == "__main__":
    sys.exit(main())
