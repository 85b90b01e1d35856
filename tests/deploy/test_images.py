"""What is built and how it is labelled, without building: Dockerfiles, the compose file and `deploy.images`."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from defectory.ports import DEFAULT_PORTS
from deploy.images import BUDGETS_MB, LABEL, SBOM, Build, build_command, builds, filled_in, missing, origin

ROOT = Path(__file__).parents[2]
DOCKERFILES = {name: ROOT / f"services/{name}/Dockerfile" for name in DEFAULT_PORTS} | {
    "orchestrator": ROOT / "orchestrator/Dockerfile"
}
LABELS = {"version": "1.2.3", "revision": "abc", "source": "unknown", "licenses": "NOASSERTION"}
GOOD = {"Config": {"Labels": {
    LABEL + "title": "defectory-filter", LABEL + "version": "1.2.3", LABEL + "revision": "abc",
    LABEL + "source": "unknown", LABEL + "licenses": "NOASSERTION",
}}}  # fmt: skip
LISTED = json.dumps({"components": [{"name": "defectory", "version": "1.2.3"}]})


def instructions(path: Path) -> list[tuple[str, str]]:
    """(instruction, what follows) of a Dockerfile, lines that go on joined, comments left out."""
    text = re.sub(r"^#.*\n", "", path.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    pairs = (re.sub(r"\s+", " ", line).strip().partition(" ") for line in text.splitlines() if line.strip())
    return [(name, rest) for name, _, rest in pairs]


def last_stage(path: Path) -> list[tuple[str, str]]:
    lines = instructions(path)
    return lines[max(at for at, (name, _) in enumerate(lines) if name == "FROM") :]


@pytest.mark.parametrize("name", DOCKERFILES)
def test_an_image_says_what_it_is_and_takes_no_label_from_an_argument(name: str) -> None:
    lines = last_stage(DOCKERFILES[name])
    assert [rest for instruction, rest in lines if instruction == "LABEL"] == [f'{LABEL}title="defectory-{name}"']
    assert not [rest for instruction, rest in lines if instruction == "ARG"], "a cache may hold another value's image"


@pytest.mark.parametrize("name", DOCKERFILES)
def test_what_is_installed_is_written_down_behind_the_last_installation(name: str) -> None:
    lines = instructions(DOCKERFILES[name])
    stage = [rest for instruction, rest in lines if instruction == "RUN"]
    (writing,) = (rest for rest in stage if "cyclonedx-py" in rest)
    commands = [command.strip() for command in writing.split("&&")]
    assert commands[0].startswith("pip install")
    assert f"--output-file {SBOM} /opt/venv/bin/python" in commands[-1]
    assert "pip uninstall --yes pip" in commands, "an image installs nothing more"
    behind = stage[stage.index(writing) + 1 :]
    assert not any("pip install" in rest for rest in behind)
    assert ("COPY", "--from=build /opt/venv /opt/venv") in last_stage(DOCKERFILES[name])


@pytest.mark.parametrize("name", DOCKERFILES)
def test_an_image_holds_no_compiler_and_no_cache(name: str) -> None:
    runs = [rest for instruction, rest in instructions(DOCKERFILES[name]) if instruction == "RUN"]
    assert not any(re.search(r"\b(gcc|g\+\+|build-essential|python3-dev)\b", rest) for rest in runs)
    for rest in runs:
        for command in re.findall(r"pip install[^&]*", rest):
            assert "--no-cache-dir" in command
        if "apt-get install" in rest:
            assert "--no-install-recommends" in rest
            assert "/var/lib/apt/lists/" in rest


def test_every_image_of_the_compose_file_is_built_once_and_has_a_budget() -> None:
    known = {build.image: build for build in builds({})}
    assert set(known) == set(BUDGETS_MB) == {f"defectory-{name}" for name in DOCKERFILES}
    for name, path in DOCKERFILES.items():
        assert ROOT / known[f"defectory-{name}"].dockerfile == path
    assert known["defectory-generator"].arguments == {
        "BASE_IMAGE": "python:3.11-slim-bookworm", "TORCH": "torch==2.13.0", "TORCH_INDEX": "",
    }  # fmt: skip


def test_variables_are_filled_in_as_compose_does() -> None:
    assert filled_in("${A:-b}/${C}", {}) == "b/"
    assert filled_in("${C}", {"C": "x"}) == "x"
    assert filled_in("${A:-b}", {"A": ""}) == "b"
    assert filled_in("${A:-b}", {"A": "x"}) == "x"
    build = {build.image: build for build in builds({"BASE_IMAGE": "base@sha256:1"})}["defectory-filter"]
    assert build.arguments == {"BASE_IMAGE": "base@sha256:1"}
    every = (ROOT / "docker-compose.yml").read_text()
    of_builds = yaml.safe_load(every)["services"].values()
    values = [value for one in of_builds for value in one.get("build", {}).get("args", {}).values()]
    assert values
    assert not any("$" in filled_in(value, {}) for value in values), "a form that deploy.images does not know"


def test_a_build_gets_the_composed_arguments_and_the_labels() -> None:
    build = Build("defectory-filter", "services/filter/Dockerfile", {"BASE_IMAGE": "base"})
    assert build_command(build, ["podman", "build"], LABELS) == [
        "podman", "build", "--file", "services/filter/Dockerfile", "--tag", "defectory-filter",
        "--build-arg=BASE_IMAGE=base", f"--label={LABEL}version=1.2.3", f"--label={LABEL}revision=abc",
        f"--label={LABEL}source=unknown", f"--label={LABEL}licenses=NOASSERTION", ".",
    ]  # fmt: skip


def test_labels_come_from_the_project_and_what_the_builder_says() -> None:
    labels = origin({"SOURCE": "https://example.org/line", "LICENSES": ""})
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    assert labels["version"] == version[1]
    assert labels["source"] == "https://example.org/line"
    assert labels["licenses"] == "NOASSERTION"
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?|unknown", labels["revision"])


def test_an_image_of_another_version_or_without_its_list_is_named() -> None:
    assert missing("defectory-filter", GOOD, LISTED, LABELS) == []
    (fault,) = missing("defectory-filter", GOOD, LISTED, {**LABELS, "version": "2"})
    assert fault == "defectory-filter: label version is '1.2.3', not '2'"
    for sbom in ("", "{}", '{"components": []}'):
        assert missing("defectory-filter", GOOD, sbom, LABELS) == [
            f"defectory-filter: {SBOM} does not list what is installed"
        ]
    assert len(missing("defectory-filter", {"Config": {"Labels": None}}, LISTED, LABELS)) == 5


@pytest.mark.parametrize(
    "command",
    [[sys.executable, "-m", "deploy.images"], ["bash", "tests/deploy/compose_test.sh"]],
    ids=["images", "test"],
)
def test_where_nothing_can_build_a_sentence_says_what_is_needed(command: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "DOCKER": str(tmp_path / "none")}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Docker" in done.stderr
    assert "Traceback" not in done.stderr
