"""Containers: Dockerfiles and the compose file, read by the tools of their trade."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from defectory.ports import DEFAULT_METRICS_PORTS, DEFAULT_PORTS
from defectory.settings import ServiceSettings, stop_timeout_s
from tests.deploy.rendering import pods, rendered
from tests.s3_servers import SEAWEEDFS_ENVIRONMENT, SEAWEEDFS_FLAGS, WEED

ROOT = Path(__file__).parents[2]
SERVICES = tuple(DEFAULT_PORTS)
DOCKERFILES = [ROOT / "services" / name / "Dockerfile" for name in SERVICES] + [ROOT / "orchestrator/Dockerfile"]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_dockerfiles_are_clean_and_run_as_somebody_else_than_root(path: Path) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    lines = path.read_text().splitlines()
    assert "USER 10001" in lines
    assert lines.index("USER 10001") > max(i for i, line in enumerate(lines) if line.startswith("FROM"))
    assert all("${BASE_IMAGE}" in line for line in lines if line.startswith("FROM"))


@pytest.mark.parametrize("service", SERVICES)
def test_images_listen_where_the_settings_say(service: str) -> None:
    text = (ROOT / "services" / service / "Dockerfile").read_text()
    assert f"EXPOSE {DEFAULT_PORTS[service]} {DEFAULT_METRICS_PORTS[service]}" in text
    assert f'"127.0.0.1:{DEFAULT_PORTS[service]}"' in text
    assert f'ENTRYPOINT ["defectory", "serve", "{service}"]' in text
    extras = {"classifier": "${EXTRA},openvino"}.get(service, service)
    assert f'".[{extras},tracing]"' in text


def test_torch_and_tensorflow_share_no_image() -> None:
    import tomllib

    optional = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    extras = {
        name: {Requirement(line).name for line in lines}.union(*(Requirement(line).extras for line in lines))
        for name, lines in optional.items()
    }
    for name in (*SERVICES, "orchestrator"):
        assert not {"torch", "tensorflow-cpu"} <= extras[name]
    assert not {"torch", "tensorflow-cpu"} & (extras["orchestrator"] | extras["filter"])
    assert "torch" in extras["generator"]
    assert "tensorflow-cpu" in extras["classifier"] & extras["explainer"]


def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_compose_starts_everything_behind_a_healthy_store() -> None:
    services = compose()["services"]
    assert set(services) == {"store", "orchestrator", "review", "generator-gpu", *SERVICES}
    for name in (*SERVICES, "review", "generator-gpu"):
        service = services[name]
        assert service["depends_on"] == {"store": {"condition": "service_healthy"}}
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
    for name in ("classifier", "filter", "explainer"):
        assert services["orchestrator"]["depends_on"][name] == {"condition": "service_healthy"}
    for name in SERVICES:
        address = services["orchestrator"]["environment"][f"DEFECTORY_{name.upper()}_ADDRESS"]
        assert address == f"{name}:{DEFAULT_PORTS[name]}"


def test_compose_passes_what_its_example_of_an_environment_and_the_dockerfiles_name() -> None:
    text = "".join((ROOT / name).read_text() for name in ("docker-compose.yml", "deploy/observability/compose.yml"))
    example = (ROOT / ".env.example").read_text()
    for name in re.findall(r"^#?([A-Z0-9_]+)=", example, re.MULTILINE):
        assert name == "COMPOSE_PROFILES" or re.search(rf"\$\{{{name}[:}}]", text), name
    assert not re.search(r"^[^#\n]*:-\}", text, re.MULTILINE), "podman-compose 1.0 does not fill in an empty default"
    for name in ("DEFECTORY_TOKEN", "CERTIFICATES", "BASE_IMAGE", "S3_IMAGE", "TORCH_INDEX"):
        assert f"{name}=" in example
    services = compose()["services"]
    for name in (*SERVICES, "generator-gpu", "orchestrator"):
        assert services[name]["build"]["args"]["BASE_IMAGE"].startswith("${BASE_IMAGE:-python:3.11"), name
        assert any(volume.endswith(":/certificates:ro") for volume in services[name]["volumes"]), name


def test_compose_is_secured_by_what_one_command_makes(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / "deploy/secrets.sh", tmp_path / "deploy")
    shutil.copy(ROOT / ".env.example", tmp_path)
    program = {"DEFECTORY": f"{sys.executable} -m orchestrator.cli.main", "PYTHONPATH": str(ROOT)}
    for _ in range(2):
        command = ["sh", tmp_path / "deploy/secrets.sh", "compose"]
        subprocess.run(command, env={**os.environ, **program}, capture_output=True, check=True)
    variables = dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", (tmp_path / ".env").read_text(), re.MULTILINE))
    for required in re.findall(r"\$\{([A-Z0-9_]+):\?", (ROOT / "docker-compose.yml").read_text()):
        assert variables[required], required
    assert len(variables["DEFECTORY_TOKEN"]) == 48  # 192 bits in hexadecimal
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    there = {path.name: path for path in (tmp_path / "certificates").iterdir()}
    services = compose()["services"]
    for name in (*SERVICES, "generator-gpu", "orchestrator"):
        environment = services[name]["environment"]
        kind = {"generator-gpu": "generator", "orchestrator": "client"}.get(name, name)
        assert (environment["DEFECTORY_TLS_CERT"], environment["DEFECTORY_TLS_KEY"]) == tuple(
            f"/certificates/{kind}.{ending}" for ending in ("pem", "key")
        )
        for variable in ("CERT", "KEY", "CA", "CLIENT_CA"):
            file = there[environment[f"DEFECTORY_TLS_{variable}"].removeprefix("/certificates/")]
            assert file.stat().st_mode & stat.S_IROTH  # the containers are another user
        assert environment["DEFECTORY_TOKENS"] == "/certificates/tokens"
        assert "tokens" in there
        assert environment["DEFECTORY_TOKEN"].startswith("${DEFECTORY_TOKEN:?")
    assert not there["ca.key"].stat().st_mode & (stat.S_IROTH | stat.S_IRGRP)


def test_containers_get_the_time_that_a_service_takes_to_stop() -> None:
    longest = stop_timeout_s(ServiceSettings.model_fields["drain_s"].default)
    services = compose()["services"]
    for name in SERVICES:
        assert float(services[name]["stop_grace_period"].removesuffix("s")) > longest


def test_compose_has_a_gpu_profile_under_the_same_name() -> None:
    services = compose()["services"]
    assert services["generator"]["profiles"] == ["cpu"]
    assert services["generator-gpu"]["profiles"] == ["gpu"]
    assert services["generator-gpu"]["networks"]["line"]["aliases"] == ["generator"]
    devices = services["generator-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert devices[0]["capabilities"] == ["gpu"]
    assert "COMPOSE_PROFILES=cpu" in (ROOT / ".env.example").read_text().splitlines()


def test_the_review_page_is_published_to_this_machine_alone() -> None:
    assert compose()["services"]["review"]["ports"] == ["127.0.0.1:8765:8765"]
    (container,) = pods(list(yaml.safe_load_all((ROOT / "deploy/kubernetes/review/review.yaml").read_text())))[
        "review"
    ]["containers"]
    assert "--host" not in container["args"]  # loopback of its pod: kubectl port-forward reaches it, no other pod does


def test_compose_has_no_secret_of_its_own() -> None:
    for service in compose()["services"].values():
        secret = service.get("environment", {}).get("AWS_SECRET_ACCESS_KEY", "${S3_SECRET_KEY:?")
        assert secret.startswith("${S3_SECRET_KEY:?")


def test_the_bundled_store_runs_as_the_tests_run_it() -> None:
    store = compose()["services"]["store"]
    (container,) = pods(rendered("overlays/cpu"))["store"]["containers"]
    variables = {variable["name"]: variable["value"] for variable in container["env"]}
    assert store["environment"].items() >= SEAWEEDFS_ENVIRONMENT.items()
    assert variables == SEAWEEDFS_ENVIRONMENT
    for arguments in (store["command"], container["args"]):
        assert arguments == ["server", "-dir=/data", "-s3", *SEAWEEDFS_FLAGS]


def test_the_bundled_store_listens_on_none_of_our_ports() -> None:
    """With its own ports, not those that the tests give it: 9101 was among them, where the generator's metrics are."""
    help_text = subprocess.run([WEED, "server", "-h"], capture_output=True, text=True, check=False)
    text = help_text.stdout + help_text.stderr
    ports = {name: int(port) for name, port in re.findall(r"-(\S*port\S*) int\n[^\n]*default (\d+)\)", text)}
    assert ports["s3.port"] == 8333
    switched_off = {flag.removeprefix("-").removesuffix("=0") for flag in SEAWEEDFS_FLAGS if flag.endswith("=0")}
    opened = {port for name, port in ports.items() if name not in switched_off}
    opened |= {port + 10_000 for port in opened}  # gRPC
    assert not opened & {*DEFAULT_PORTS.values(), *DEFAULT_METRICS_PORTS.values()}
    assert ports["s3.port.lance"] in DEFAULT_METRICS_PORTS.values()  # else there was nothing to switch off
