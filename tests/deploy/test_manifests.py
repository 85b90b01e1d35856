"""What is deployed: Dockerfiles, the compose file and the Kubernetes manifests, read by the tools of their trade."""

import copy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from defectory.settings import DEFAULT_METRICS_PORTS, DEFAULT_PORTS

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
    extras = {"classifier": "classifier,openvino"}.get(service, service)
    assert f'".[{extras},tracing]"' in text


def test_torch_and_tensorflow_share_no_image() -> None:
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for name in (*SERVICES, "orchestrator"):
        assert not {"torch", "tensorflow"} <= set(extras[name])
    assert not {"torch", "tensorflow"} & set(extras["orchestrator"] + extras["filter"])


def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_compose_starts_everything_behind_a_healthy_store() -> None:
    services = compose()["services"]
    assert set(services) == {"store", "orchestrator", "generator-gpu", *SERVICES}
    for name in (*SERVICES, "generator-gpu"):
        service = services[name]
        assert service["depends_on"] == {"store": {"condition": "service_healthy"}}
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
    for name in ("classifier", "filter", "explainer"):
        assert services["orchestrator"]["depends_on"][name] == {"condition": "service_healthy"}
    for name in SERVICES:
        address = services["orchestrator"]["environment"][f"DEFECTORY_{name.upper()}_ADDRESS"]
        assert address == f"{name}:{DEFAULT_PORTS[name]}"


def test_compose_has_a_gpu_profile_under_the_same_name() -> None:
    services = compose()["services"]
    assert services["generator"]["profiles"] == ["cpu"]
    assert services["generator-gpu"]["profiles"] == ["gpu"]
    assert services["generator-gpu"]["networks"]["line"]["aliases"] == ["generator"]
    devices = services["generator-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert devices[0]["capabilities"] == ["gpu"]
    assert "COMPOSE_PROFILES=cpu" in (ROOT / ".env.example").read_text().splitlines()


def test_compose_has_no_secret_of_its_own() -> None:
    for service in compose()["services"].values():
        secret = service.get("environment", {}).get("AWS_SECRET_ACCESS_KEY", "${S3_SECRET_KEY:?")
        assert secret.startswith("${S3_SECRET_KEY:?")


def rendered(overlay: str) -> list[dict[str, Any]]:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl, which renders kustomize overlays, is not installed")
    folder = ROOT / "deploy/kubernetes/overlays" / overlay
    done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def sources() -> list[Path]:
    """Manifests that stand for themselves: neither patches nor kustomize's own files."""
    base = (ROOT / "deploy/kubernetes/base").glob("*.yaml")
    store = ROOT / "deploy/kubernetes/overlays/cpu/store.yaml"
    return [path for path in (*base, store) if path.name != "kustomization.yaml"]


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.name)
def test_manifests_are_what_the_api_knows(path: Path) -> None:
    for document in yaml.safe_load_all(path.read_text()):
        kubernetes_validate.validate(document, "1.32", strict=True)


@pytest.mark.parametrize("overlay", ["cpu", "gpu-node"])
def test_overlays_render_to_what_the_api_knows(overlay: str) -> None:
    documents = rendered(overlay)
    for document in documents:
        kubernetes_validate.validate(document, "1.32", strict=True)
        assert document["kind"] == "Namespace" or document["metadata"]["namespace"] == "defectory"
    pods = {d["metadata"]["name"]: d["spec"]["template"]["spec"] for d in documents if "template" in d.get("spec", {})}
    assert set(pods) >= {*SERVICES, "line"}
    for name, pod in pods.items():
        assert pod["securityContext"]["runAsNonRoot"], name
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"], name
            assert container["resources"]["requests"], name
    for name in SERVICES:
        container = pods[name]["containers"][0]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["grpc"]["port"] == DEFAULT_PORTS[name]


def test_only_the_gpu_overlay_asks_for_a_gpu() -> None:
    for overlay, wanted in (("cpu", None), ("gpu-node", "1")):
        deployments = {d["metadata"]["name"]: d for d in rendered(overlay) if d["kind"] == "Deployment"}
        for name, deployment in deployments.items():
            limits = deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
            assert limits.get("nvidia.com/gpu") == (wanted if name == "generator" else None)


def test_the_job_of_the_page_on_deploying_is_valid_and_tries_again_what_asks_for_it() -> None:
    from defectory.exit_codes import EVICTED, EXIT_CODES

    page = (ROOT / "docs/deploy.md").read_text()
    job, containers = (yaml.safe_load(block.partition("```")[0]) for block in page.split("```yaml\n")[1:])
    kubernetes_validate.validate(job, "1.32", strict=True)
    several_gpus = copy.deepcopy(job)
    several_gpus["spec"]["template"]["spec"]["containers"] = containers
    kubernetes_validate.validate(several_gpus, "1.32", strict=True)
    rules = job["spec"]["podFailurePolicy"]["rules"]
    codes = {rule["action"]: rule["onExitCodes"]["values"] for rule in rules if "onExitCodes" in rule}
    assert codes["Ignore"] == [EVICTED]
    assert set(codes["FailJob"]) < {2, *EXIT_CODES.values()}
