"""Each image installs one extra: everything that its code imports, through whichever module, must be in it."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from defectory.settings import DEFAULT_PORTS

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OURS = ("defectory", "services", "orchestrator")
# Asked for by another package of the extra, which could not work without it.
BROUGHT_ALONG = {"keras": "tensorflow", "urllib3": "minio", "click": "typer", "markupsafe": "jinja2"}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(extra: str) -> set[str]:
    extras = [PROJECT["optional-dependencies"][name] for name in (extra, "tracing")]
    return {canonical(name) for names in (PROJECT["dependencies"], *extras) for name in names}


def module_file(module: str) -> Path | None:
    path = ROOT / module.replace(".", "/")
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def imports(path: Path) -> set[str]:
    """Modules that a file names in imports, at its top or inside functions, but not those for type checkers only."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def needed(start: list[Path]) -> dict[str, Path]:
    """Third-party top-level modules that the files, and ours that they import, need; each with a file that does."""
    waiting, seen, outside = list(start), set(), {}
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for module in imports(path):
            top = module.partition(".")[0]
            if top in OURS:
                found = module_file(module)
                waiting += [found] if found else []
            elif top not in sys.stdlib_module_names:
                outside.setdefault(top, path)
    return outside


@pytest.mark.parametrize("image", [*DEFAULT_PORTS, "orchestrator"])
def test_an_image_has_what_its_code_imports(image: str) -> None:
    folder = ROOT / ("orchestrator" if image == "orchestrator" else f"services/{image}")
    distributions = packages_distributions()
    have = declared(image)
    for module, path in needed(sorted(folder.rglob("*.py"))).items():
        names = {canonical(name) for name in distributions.get(module, [module])}
        names |= {BROUGHT_ALONG.get(name, name) for name in names}
        if module == "google":  # a namespace that several packages share
            continue
        assert names & have, f"{path.relative_to(ROOT)} imports {module}, which the extra {image!r} does not bring"
