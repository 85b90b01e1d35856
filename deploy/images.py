"""Builds the images of docker-compose.yml and prints what each weighs beside its budget: `make images`.

What is built, of which Dockerfile and with which arguments, is said by the compose file alone, whose variables
(BASE_IMAGE, TORCH_INDEX, …) come from the environment. Added are the labels: the version of pyproject.toml, git's
revision, SOURCE and LICENSES of the environment. An image that is over its budget, lacks a label or does not say what
is installed in it (/opt/venv/sbom.cdx.json, CycloneDX) ends the command with exit code 1.

    python -m deploy.images                              all for CPUs
    python -m deploy.images defectory-filter             one
    python -m deploy.images --built                      what is there
    DOCKER=podman python -m deploy.images                by podman
    BUILD="podman build --format docker --network host"  by what builds where the plain command does not
"""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
SBOM = "/opt/venv/sbom.cdx.json"
LABEL = "org.opencontainers.image."
# MB over the base image: what each weighed when this was set, with torch's and TensorFlow's builds for CPUs, plus 15%.
BUDGETS_MB: Mapping[str, int] = {
    "defectory-generator": 1830,
    "defectory-classifier": 2170,
    "defectory-filter": 680,
    "defectory-explainer": 2090,
    "defectory-orchestrator": 940,
}


@dataclass(frozen=True)
class Build:
    """One image: its name, its Dockerfile from the root, and the arguments that it is built with."""

    image: str
    dockerfile: str
    arguments: Mapping[str, str]


def builds(environ: Mapping[str, str]) -> list[Build]:
    """What the compose file builds for CPUs, each image once."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"].values()
    known = dict[str, Build]()
    for service in services:
        if "build" in service and "gpu" not in service.get("profiles", ()):
            image = filled_in(service["image"], environ)
            arguments = {name: filled_in(value, environ) for name, value in service["build"].get("args", {}).items()}
            known[image] = Build(image, service["build"]["dockerfile"], arguments)
    return list(known.values())


def filled_in(text: str, environ: Mapping[str, str]) -> str:
    """A value of the compose file with its variables, `${NAME}` and `${NAME:-else}`, as compose fills them in."""
    return re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", lambda variable: environ.get(variable[1]) or variable[2] or "", text)


def origin(environ: Mapping[str, str]) -> dict[str, str]:
    """What the labels say: the version, git's revision (and whether the tree is another one), source and licences."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    revision = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "version": project["version"],
        "revision": revision or "unknown",
        "source": environ.get("SOURCE") or "unknown",
        "licenses": environ.get("LICENSES") or "NOASSERTION",
    }


def build_command(build: Build, builder: Sequence[str], labels: Mapping[str, str]) -> list[str]:
    """The command that builds an image."""
    arguments = [f"--build-arg={name}={value}" for name, value in build.arguments.items()]
    arguments += [f"--label={LABEL}{name}={value}" for name, value in labels.items()]
    return [*builder, "--file", build.dockerfile, "--tag", build.image, *arguments, "."]


def missing(image: str, about: Mapping[str, Any], sbom: str, labels: Mapping[str, str]) -> list[str]:
    """What an image should have and has not, a sentence each.

    Args:
        about: what the engine's `image inspect` says of it.
        sbom: its list of packages, "" where there is none.
    """
    said = about["Config"].get("Labels") or {}
    faults = [
        f"{image}: label {name} is {said.get(LABEL + name)!r}, not {value!r}"
        for name, value in {"title": image, **labels}.items()
        if said.get(LABEL + name) != value
    ]
    if "defectory" not in packages(sbom):
        faults.append(f"{image}: {SBOM} does not list what is installed")
    return faults


def packages(sbom: str) -> dict[str, str]:
    """Name -> version of what a CycloneDX document lists; {} of none."""
    try:
        return {one["name"]: one["version"] for one in json.loads(sbom)["components"]}
    except (ValueError, KeyError, TypeError):
        return {}


def main() -> int:
    """Build, look, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="*", help="images to build; all where none is named")
    parser.add_argument("--built", action="store_true", help="look at those that are there, and build none")
    asked = parser.parse_args()
    docker = next(filter(works, [named] if (named := os.environ.get("DOCKER")) else ["docker", "podman"]), None)
    if docker is None:
        sys.exit("make images needs Docker or podman, and neither works here; DOCKER=… names another program")
    builder = shlex.split(os.environ.get("BUILD") or f"{docker} build{' --format docker' * ('podman' in docker)}")
    chosen = [build for build in builds(os.environ) if not asked.images or build.image in asked.images]
    labels, faults = origin(os.environ), list[str]()
    sys.stdout.write("| image | MB over its base | budget | packages |\n|---|---|---|---|\n")
    for build in chosen:
        if not asked.built:
            subprocess.run(build_command(build, builder, labels), cwd=ROOT, check=True, stdout=sys.stderr)
        about, base = (inspected(docker, image) for image in (build.image, build.arguments["BASE_IMAGE"]))
        program = [docker, "run", "--rm", "--entrypoint", "cat", build.image, SBOM]
        sbom = subprocess.run(program, capture_output=True, text=True, check=False).stdout
        weight, budget = (about["Size"] - base["Size"]) / 1e6, BUDGETS_MB[build.image]
        sys.stdout.write(f"| {build.image} | {weight:.0f} | {budget} | {len(packages(sbom))} |\n")
        sys.stdout.flush()
        faults += missing(build.image, about, sbom, labels)
        if weight > budget:
            faults.append(f"{build.image} weighs {weight:.0f} MB over its base, its budget is {budget} MB")
    sys.stderr.writelines(f"{fault}\n" for fault in faults)
    return int(bool(faults))


def works(docker: str) -> bool:
    """Whether a program is there and has an engine behind it."""
    return shutil.which(docker) is not None and subprocess.run([docker, "info"], capture_output=True).returncode == 0


def inspected(docker: str, image: str) -> dict[str, Any]:
    """What the engine says of an image; one that a builder kept to itself is fetched."""
    command = [docker, "image", "inspect", image]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        subprocess.run([docker, "pull", "--quiet", image], check=True, stdout=sys.stderr)
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    (about,) = json.loads(done.stdout)
    return dict(about)


if __name__ == "__main__":
    sys.exit(main())
