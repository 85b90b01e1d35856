"""What the pages say can be followed: links lead somewhere, commands exist, a photograph passes no file twice."""

import itertools
import json
import re
import shlex
import tarfile
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from google.protobuf.json_format import ParseDict

from bench.line_picture import BOXES, picture
from bench.steps import expected_table, table
from defectory.api.generator.v1 import generator_pb2
from defectory.job_settings.generator_training import GeneratorTraining
from defectory.job_settings.messages import read
from defectory.storage import open_store
from orchestrator.cli.main import app
from orchestrator.pipeline.arms import DEFAULT_ARMS
from orchestrator.pipeline.line import line_of
from orchestrator.pipeline.presets import preset
from orchestrator.pipeline.settings import PipelineSettings, resolve

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
OF_THE_SHELL = (">", "&", "|", "&&")  # where what is typed for a command ends
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
    typed = (itertools.takewhile(lambda word: word not in OF_THE_SHELL, line[1:]) for line in words)
    return [[word for word in line if word != "…"] for line in typed]


WITH_COMMANDS = [page for page in PAGES if commands(page) and page.name != "cli.md"]  # which is the commands' own help


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=named)
def test_commands_of_the_pages_exist(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their own parser takes them, values and all: words up to the first option or argument are a command's."""
    monkeypatch.chdir(tmp_path)
    for file in ("metfaces.pkl", "screws.safetensors"):  # that have to be there before their command looks further
        (tmp_path / file).touch()
    for words in commands(page):
        command: Any = typer.main.get_command(app)
        rest = list(words)
        while rest and rest[0] in getattr(command, "commands", {}):
            command = command.commands[rest.pop(0)]
        assert not getattr(command, "commands", {}), words
        if "--help" not in rest:
            command.make_context(shlex.join(words), rest)


SECTIONS = set(PipelineSettings.model_fields)
PIPELINES = [
    pytest.param(block, id=f"{named(page)} {number}")
    for page in OF_TODAY
    for number, block in enumerate(re.findall(r"(?ms)^```yaml\n(.*?)^```", page.read_text()))
    if isinstance(values := yaml.safe_load(block), dict) and values.keys() <= SECTIONS
]


def test_pages_show_pieces_of_pipelines() -> None:
    assert len(PIPELINES) >= 2


@pytest.mark.parametrize("block", PIPELINES)
def test_what_is_shown_of_a_pipeline_is_one(block: str) -> None:
    values = {"name": "parts", "data": {"directory": "photos"}, **yaml.safe_load(block)}
    assert resolve(values, preset("quick"))


def test_a_request_that_is_shown_is_one() -> None:
    shown = [
        json.loads(block) for page in OF_TODAY for block in re.findall(r"(?ms)^```json\n(.*?)^```", page.read_text())
    ]
    (request,) = (block for block in shown if "requestId" in block)
    request = ParseDict(request, generator_pb2.TrainGeneratorRequest())
    assert read(GeneratorTraining, request.settings).config == "paper512"


def test_the_readme_has_commands_and_is_among_the_pages() -> None:
    assert len(commands(ROOT / "README.md")) >= 5
    assert ROOT / "README.md" in WITH_COMMANDS


def test_the_picture_of_the_line_is_what_its_script_draws() -> None:
    assert (ROOT / "docs/line.svg").read_text() == picture()
    steps = {step.name for step in line_of(DEFAULT_ARMS)}
    assert set(BOXES) - {"photographs"} <= steps


def test_the_readme_says_what_experiments_found_in_their_own_words() -> None:
    quoted = [line[2:] for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("> ")]
    verdicts = [
        sentence for path in (ROOT / "docs/results").glob("*/proof.json")
        for sentence in json.loads(path.read_text())["verdict"]
    ]  # fmt: skip
    assert len(quoted) >= 2
    assert set(quoted) <= set(verdicts)


def test_the_readmes_times_are_those_that_a_run_expects() -> None:
    assert expected_table({"good": 200, "defect": 100}) in (ROOT / "README.md").read_text()


def test_a_recorded_run_says_what_its_steps_took(tmp_path: Path) -> None:
    with tarfile.open(ROOT / "tests/files/run_of_0_1_0.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    said = table(open_store(f"file://{tmp_path}"), "demo")
    assert "| `generators` | 120 |" in said
    assert said.endswith("| in all | 212 |\n\n360 pictures; generators were shown so many kimg: 1 (defect), 3 (good).")


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
