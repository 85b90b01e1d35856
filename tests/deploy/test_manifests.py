"""What is deployed: Dockerfiles, the compose file and the Kubernetes manifests, read by the tools of their trade."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from packaging.requirements import Requirement

from defectory.settings import DEFAULT_METRICS_PORTS, DEFAULT_PORTS, ServiceSettings, stop_timeout_s
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
    text = (ROOT / "docker-compose.yml").read_text()
    example = (ROOT / ".env.example").read_text()
    for name in re.findall(r"^#?([A-Z0-9_]+)=", example, re.MULTILINE):
        assert name == "COMPOSE_PROFILES" or f"${{{name}:" in text, name
    for name in ("DEFECTORY_TOKEN", "DEFECTORY_TLS_CERT", "DEFECTORY_TLS_CA", "BASE_IMAGE", "S3_IMAGE", "TORCH_INDEX"):
        assert f"{name}=" in example
    services = compose()["services"]
    for name in (*SERVICES, "generator-gpu", "orchestrator"):
        assert services[name]["build"]["args"]["BASE_IMAGE"].startswith("${BASE_IMAGE:-python:3.11"), name
        assert services[name]["environment"]["DEFECTORY_TLS_CA"] == "${DEFECTORY_TLS_CA:-}"
        assert any(volume.endswith(":/certificates:ro") for volume in services[name]["volumes"]), name


def test_containers_get_the_time_that_a_service_takes_to_stop() -> None:
    longest = stop_timeout_s(ServiceSettings.model_fields["drain_s"].default)
    services = compose()["services"]
    for name in SERVICES:
        assert float(services[name]["stop_grace_period"].removesuffix("s")) > longest
        assert pods(rendered("overlays/cpu"))[name]["terminationGracePeriodSeconds"] > longest
    assert job_of_the_page()["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > longest


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


def rendered(overlay: str) -> list[dict[str, Any]]:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl, which renders kustomize overlays, is not installed")
    folder = ROOT / "deploy/kubernetes" / overlay
    done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def sources() -> list[Path]:
    """Manifests that stand for themselves: neither patches nor kustomize's own files."""
    base = (
        path
        for name in ("base", "line", "photos", "review", "serving")
        for path in (ROOT / "deploy/kubernetes" / name).glob("*.yaml")
    )
    store = ROOT / "deploy/kubernetes/overlays/cpu/store.yaml"
    return [path for path in (*base, store) if path.name != "kustomization.yaml"]


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.name)
def test_manifests_are_what_the_api_knows(path: Path) -> None:
    for document in yaml.safe_load_all(path.read_text()):
        kubernetes_validate.validate(document, "1.32", strict=True)


def pods(documents: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Name -> pod, of what makes one or is one."""
    makers = [d for d in documents if d["kind"] in ("Pod", "Job", "Deployment", "StatefulSet")]
    specs = {d["metadata"]["name"]: d["spec"] for d in makers}
    return {name: spec["template"]["spec"] if "template" in spec else spec for name, spec in specs.items()}


def is_restricted(pod: dict[str, Any]) -> bool:
    """Whether a namespace that enforces the Pod Security Standard `restricted`, as ours does, lets it in."""
    return (
        pod["securityContext"]["runAsNonRoot"] is True
        and pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        and all(
            container["securityContext"]["allowPrivilegeEscalation"] is False
            and container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            for container in pod["containers"]
        )
    )


@pytest.fixture
def apart(tmp_path: Path) -> str:
    """The CPU overlay with the classifier's two lives apart, as the page on deploying says."""
    shutil.copytree(ROOT / "deploy/kubernetes", tmp_path / "kubernetes")
    overlay = tmp_path / "kubernetes/overlays/cpu"
    with (overlay / "kustomization.yaml").open("a") as file:
        file.write("components: [../../serving]\n")
    return str(overlay)


@pytest.mark.parametrize("overlay", ["overlays/cpu", "overlays/gpu-node", "line", "photos", "review", "apart"])
def test_overlays_render_to_what_the_api_knows(overlay: str, apart: str) -> None:
    documents = rendered(apart if overlay == "apart" else overlay)
    for document in documents:
        kubernetes_validate.validate(document, "1.32", strict=True)
        assert document["kind"] == "Namespace" or document["metadata"]["namespace"] == "defectory"
    for name, pod in pods(documents).items():
        assert is_restricted(pod), name
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"], name
            assert container["resources"]["requests"], name
            assert container["image"].startswith(("registry.example/defectory-", "docker.io/chrislusf/seaweedfs:")), (
                name
            )


@pytest.mark.parametrize("overlay", ["overlays/cpu", "overlays/gpu-node"])
def test_an_overlay_can_be_applied_again_while_it_works(overlay: str) -> None:
    documents = rendered(overlay)
    assert set(pods(documents)) >= set(SERVICES)
    assert not [
        d["metadata"]["name"] for d in documents if d["kind"] in ("Job", "Pod")
    ]  # their templates are immutable
    claims = {d["metadata"]["name"] for d in documents if d["kind"] == "PersistentVolumeClaim"}
    for name in SERVICES:
        container = pods(documents)[name]["containers"][0]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["grpc"]["port"] == DEFAULT_PORTS[name]
        for volume in pods(documents)[name]["volumes"]:
            assert volume.get("persistentVolumeClaim", {}).get("claimName") in {None, *claims}


def test_the_classifier_is_ready_when_its_models_are() -> None:
    container = pods(rendered("overlays/cpu"))["classifier"]["containers"][0]
    assert container["readinessProbe"]["grpc"]["service"] == "inference.GRPCInferenceService"
    assert "service" not in container["livenessProbe"]["grpc"]


def test_the_classifiers_two_lives_are_rolled_apart(apart: str) -> None:
    deployments = {d["metadata"]["name"]: d["spec"] for d in rendered(apart) if d["kind"] == "Deployment"}
    assert set(deployments) == {*SERVICES, "classifier-serving"}
    roles = {}
    for name in ("classifier", "classifier-serving"):
        (container,) = deployments[name]["template"]["spec"]["containers"]
        variables = {variable["name"]: variable.get("value") for variable in container["env"]}
        assert container["image"] == "registry.example/defectory-classifier:0.1.0"
        roles[name] = variables["DEFECTORY_ROLE"], container["readinessProbe"]["grpc"]["service"]
    assert roles == {
        "classifier": ("work", "defectory.api.classifier.v1.ClassifierService"),  # it loads no models
        "classifier-serving": ("serve", "inference.GRPCInferenceService"),
    }
    assert deployments["classifier"]["strategy"] == {"type": "Recreate"}
    assert deployments["classifier-serving"]["strategy"]["type"] == "RollingUpdate"
    assert deployments["classifier-serving"]["replicas"] > 1
    addresses = {d["metadata"]["name"]: d["spec"] for d in rendered(apart) if d["kind"] == "Service"}
    assert addresses["classifier-serving"]["selector"] == {"app.kubernetes.io/name": "classifier-serving"}
    (whole,) = pods(rendered("overlays/cpu"))["classifier"]["containers"]
    assert "DEFECTORY_ROLE" not in {variable["name"] for variable in whole["env"]}


def test_a_line_reads_the_claim_that_is_made_for_it() -> None:
    (claim,) = (d for d in rendered("photos") if d["kind"] == "PersistentVolumeClaim")
    (volume,) = (v for v in pods(rendered("line"))["line"]["volumes"] if v["name"] == "photos")
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]


def test_only_the_gpu_overlay_asks_for_a_gpu() -> None:
    for overlay, wanted in (("overlays/cpu", None), ("overlays/gpu-node", "1")):
        deployments = {d["metadata"]["name"]: d for d in rendered(overlay) if d["kind"] == "Deployment"}
        for name, deployment in deployments.items():
            limits = deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
            assert limits.get("nvidia.com/gpu") == (wanted if name == "generator" else None)


def test_what_asks_for_a_gpu_does_not_start_without_one() -> None:
    """Otherwise a pod whose node has no NVIDIA runtime would train on the CPU, without a word."""
    needs = ["--device", "cuda"]
    (generator,) = pods(rendered("overlays/gpu-node"))["generator"]["containers"]
    assert generator["args"] == compose()["services"]["generator-gpu"]["command"] == needs
    (plain,) = pods(rendered("overlays/cpu"))["generator"]["containers"]
    assert "args" not in plain
    (job,) = job_of_the_page()["spec"]["template"]["spec"]["containers"]
    assert {"name": "DEFECTORY_DEVICE", "value": "cuda"} in job["env"]


def job_of_the_page() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docs/deploy.md").read_text().partition("```yaml\n")[2].partition("```")[0])


def test_several_gpus_are_the_same_job_with_another_container() -> None:
    blocks = [block.partition("```")[0] for block in (ROOT / "docs/deploy.md").read_text().split("```yaml\n")[1:]]
    (containers,) = (block for block in blocks if "services.generator.torchrun" in block)
    job = job_of_the_page()
    pod = job["spec"]["template"]["spec"]
    pod["containers"] = yaml.safe_load(containers)
    pod["volumes"].append({"name": "request", "configMap": {"name": "train-screws"}})
    kubernetes_validate.validate(job, "1.32", strict=True)
    assert is_restricted(pod)
    assert {mount["name"] for mount in pod["containers"][0]["volumeMounts"]} == {v["name"] for v in pod["volumes"]}


def test_the_job_of_the_page_on_deploying_is_let_into_the_namespace_of_the_overlays() -> None:
    job = job_of_the_page()
    kubernetes_validate.validate(job, "1.32", strict=True)
    assert job["metadata"]["namespace"] == "defectory"
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert is_restricted(pod)
    assert pod["securityContext"]["runAsUser"] == 10001
    assert {"name": "HOME", "value": "/tmp"} in container["env"]
    assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]
    assert container["resources"]["requests"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"


def job_of_a_line() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "deploy/kubernetes/line/line.yaml").read_text())


@pytest.mark.parametrize("job", [job_of_the_page(), job_of_a_line()], ids=["page", "line"])
def test_jobs_try_again_what_asks_for_it(job: dict[str, Any]) -> None:
    from defectory.exit_codes import EVICTED, EXIT_CODES

    rules = job["spec"]["podFailurePolicy"]["rules"]
    codes = {rule["action"]: rule["onExitCodes"]["values"] for rule in rules if "onExitCodes" in rule}
    assert codes["Ignore"] == [EVICTED]
    assert set(codes["FailJob"]) < {2, *EXIT_CODES.values()}
