"""What the pages say can be followed: links lead somewhere, commands exist, a photograph passes no file twice."""

import re
import shlex
import tarfile
from pathlib import Path
from typing import Any

import pytest
import typer

from bench.line_picture import BOXES, picture
from bench.steps import table
from defectory.storage import open_store
from orchestrator.cli.main import app
from orchestrator.pipeline.arms import DEFAULT_ARMS
from orchestrator.pipeline.line import line_of

ROOT = Path(__file__).parents[2]
PAGES = sorted(page for folder in (".", "client", "docs/**", "services/**") for page in ROOT.glob(f"{folder}/*.md"))
OF_TODAY = [page for page in PAGES if page.parent.name != "decisions" and page.name != "CHANGELOG.md"]
TOP = (
    "bench",
    "client",
    "defectory",
    "deploy",
    "docs",
    "examples",
    "findings",
    "orchestrator",
    "proto",
    "services",
    "tests",
)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """The page's headings, as they are linked to."""
    headings = re.findall(r"(?m)^#+ (.*)$", page.read_text())
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text()):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", OF_TODAY, ids=named)
def test_files_that_are_named_exist(page: Path) -> None:
    names = re.findall(rf"`((?:{'|'.join(TOP)})/[\w./-]+)`", page.read_text())
    assert [name for name in names if "/X/" not in name and not (ROOT / name).exists()] == []


def commands(page: Path) -> list[list[str]]:
    """The `defectory` commands in the page's blocks of code, as words, without what a shell would make of them."""
    blocks = re.findall(r"(?ms)^```\w*\n(.*?)^```", page.read_text())
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    words = [shlex.split(line, comments=True) for line in lines if re.match(r"(\.venv/bin/)?defectory ", line)]
    return [[word for word in line[1:] if word != "…"] for line in words]


WITH_COMMANDS = [page for page in PAGES if commands(page) and page.name != "cli.md"]  # which is the commands' own help


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=named)
def test_commands_of_the_pages_exist(page: Path) -> None:
    """Every word up to the first option or argument is a command, and every option is one of that command's."""
    for words in commands(page):
        command: Any = typer.main.get_command(app)
        rest = list(words)
        while rest and rest[0] in getattr(command, "commands", {}):
            command = command.commands[rest.pop(0)]
        assert not getattr(command, "commands", {}), words
        options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        given = {word.partition("=")[0] for word in rest if word.startswith("--")}
        assert given <= options | {"--help"}, words


def test_the_readme_has_commands_and_is_among_the_pages() -> None:
    assert len(commands(ROOT / "README.md")) >= 5
    assert ROOT / "README.md" in WITH_COMMANDS


def test_the_picture_of_the_line_is_what_its_script_draws() -> None:
    assert (ROOT / "docs/line.svg").read_text() == picture()
    steps = {step.name for step in line_of(DEFAULT_ARMS)}
    assert set(BOXES) - {"photographs"} <= steps


def test_the_readmes_times_are_those_of_a_run_that_was_recorded(tmp_path: Path) -> None:
    with tarfile.open(ROOT / "tests/files/run_of_0_1_0.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    assert table(open_store(f"file://{tmp_path}"), "demo") in (ROOT / "README.md").read_text()


def test_the_readme_ends_with_a_table_of_at_most_ten_lines() -> None:
    _, _, last = (ROOT / "README.md").read_text().rpartition("\n## ")
    lines = [line for line in last.splitlines()[1:] if line]
    assert all(line.startswith("|") for line in lines)
    assert len(lines) <= 10


def modules_of_the_walk() -> list[Path]:
    """Files and packages that the walk names, in its order; a bare name lies in the folder of the one before it."""
    _, _, walk = (ROOT / "docs/architecture.md").read_text().partition("\n## The way of a photograph\n")
    passed: list[Path] = []
    for row in re.findall(r"(?m)^\| \d+ \| (.*?) \|", walk):
        for name in re.findall(r"`([^`]+)`", row):
            near = [ROOT / name, *(passed[-1].parent / name for _ in passed[-1:])]
            root = passed[-1].parents[1] / name if "/" in name and passed else ROOT / name
            (module,) = {path for path in (*near, root) if path.exists()}
            passed.append(module)
    return passed


def test_a_photograph_passes_no_file_twice() -> None:
    passed = modules_of_the_walk()
    assert len(passed) > 20
    assert len(passed) == len(set(passed))
    assert passed[0] == ROOT / "defectory/datasets/layouts"
    assert passed[-1] == ROOT / "services/classifier/decision.py"
