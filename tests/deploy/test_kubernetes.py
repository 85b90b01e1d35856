"""The Kubernetes manifests: what the API's schemas say of them, and what no schema sees, how they fit each other.

Schemas find a misspelt or missing field and a wrong type. They do not know the API server's own rules (which restart
policy a Job may have, that a quantity has a unit), nor whether a selector, a port, a secret or a policy meets anything.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from defectory.exit_codes import EVICTED, EXIT_CODES
from defectory.ports import DEFAULT_METRICS_PORTS, DEFAULT_PORTS
from defectory.settings import stop_timeout_s
from orchestrator.certificates import service
from services.classifier.service_settings import ClassifierSettings
from services.filter.service_settings import FilterSettings
from services.generator.service_settings import GeneratorServiceSettings
from tests.deploy.rendering import (
    KUBERNETES,
    OPERATORS,
    ROOT,
    Document,
    asked_for,
    edges,
    named,
    pods,
    port_numbers,
    rendered,
    selects,
    templates,
    variables,
)

OVERLAYS = ("overlays/cpu", "overlays/gpu-node", "overlays/multi-gpu")
VERSION = "1.32"
VOLUMES = {"emptyDir", "secret", "configMap", "persistentVolumeClaim"}  # of those that `restricted` allows
SERVICE_OF = {
    "generator": "generator", "classifier-work": "classifier", "classifier-serving": "classifier", "filter": "filter",
    "explainer": "explainer",
}  # fmt: skip


def validated(documents: list[Document]) -> None:
    for document in documents:
        if document["kind"] not in OPERATORS:
            kubernetes_validate.validate(document, VERSION, strict=True)


def is_restricted(pod: Document) -> bool:
    """Whether a namespace that enforces the Pod Security Standard `restricted`, as ours does, lets it in."""
    return (
        pod["securityContext"]["runAsNonRoot"] is True
        and pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        and not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        and all(set(volume) - {"name"} <= VOLUMES for volume in pod["volumes"])
        and all(
            container["securityContext"]["allowPrivilegeEscalation"] is False
            and container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            for container in pod["containers"]
        )
    )


@pytest.fixture(scope="module", params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> list[Document]:
    return rendered(request.param)


@pytest.fixture(scope="module")
def cpu() -> list[Document]:
    return rendered("overlays/cpu")


@pytest.fixture(scope="module")
def with_a_line(cpu: list[Document]) -> list[Document]:
    return [*cpu, *rendered("line")]


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> list[Document]:
    """What deploy/secrets.sh makes, rendered."""
    tree = tmp_path_factory.mktemp("secrets")
    (tree / "deploy").mkdir()
    shutil.copy(ROOT / "deploy/secrets.sh", tree / "deploy")
    shutil.copytree(KUBERNETES / "secrets", tree / "deploy/kubernetes/secrets", ignore=shutil.ignore_patterns("*.key"))
    program = {"DEFECTORY": f"{sys.executable} -m orchestrator.cli.main", "PYTHONPATH": str(ROOT)}
    for _ in range(2):  # the second time changes nothing
        command = ["sh", tree / "deploy/secrets.sh", "kubernetes"]
        done = subprocess.run(command, env={**os.environ, **program}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert "all of them have most of their life before them" in done.stdout
    return rendered(tree / "deploy/kubernetes/secrets")


def test_everything_is_what_the_api_knows_and_is_let_into_the_namespace(overlay: list[Document]) -> None:
    for document in [*overlay, *rendered("line"), *rendered("photos"), *rendered("review")]:
        validated([document])
        assert document["kind"] == "Namespace" or document["metadata"]["namespace"] == "defectory"
    (namespace,) = named(overlay, "Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for name, pod in pods([*overlay, *rendered("line"), *rendered("photos"), *rendered("review")]).items():
        assert is_restricted(pod), name
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"], name
            assert container["resources"]["requests"], name
            image = container["image"]
            assert image.startswith(("registry.example/defectory-", "docker.io/chrislusf/seaweedfs:")), name


def test_selectors_meet_the_pods_of_their_name_and_no_others(overlay: list[Document]) -> None:
    labels = {name: template["metadata"]["labels"] for name, template in templates(overlay).items()}
    for kind in ("Service", "Deployment", "StatefulSet", "PodDisruptionBudget"):
        for name, document in named(overlay, kind).items():
            assert [pod for pod in labels if selects(document["spec"]["selector"], labels[pod])] == [name], (kind, name)
    for name, pod in pods(overlay).items():
        for constraint in pod.get("topologySpreadConstraints", ()):
            assert selects(constraint["labelSelector"], labels[name])


def test_ports_that_are_named_exist(overlay: list[Document]) -> None:
    for name, document in named(overlay, "Service").items():
        numbers = port_numbers(pods(overlay)[name])
        for port in document["spec"]["ports"]:
            assert numbers[port["targetPort"]] == port["port"]
    for name, pod in pods(overlay).items():
        for container in pod["containers"]:
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                if grpc := container.get(probe, {}).get("grpc"):
                    assert grpc["port"] == port_numbers(pod)["health"], name


def test_services_listen_where_their_settings_say(overlay: list[Document]) -> None:
    settings = named(overlay, "ConfigMap")["defectory"]["data"]
    for name, service_name in SERVICE_OF.items():
        assert port_numbers(pods(overlay)[name]) == {
            "grpc": DEFAULT_PORTS[service_name],
            "metrics": DEFAULT_METRICS_PORTS[service_name],
            "health": int(settings["DEFECTORY_HEALTH_PORT"]),
        }


def test_what_pods_are_told_are_settings(overlay: list[Document]) -> None:
    known = {
        f"DEFECTORY_{name.upper()}"
        for model in (ClassifierSettings, FilterSettings, GeneratorServiceSettings)
        for name in model.model_fields
    } | {"DEFECTORY_TLS_CA", "DEFECTORY_S3_ENDPOINT"}
    variables_ = set(named(overlay, "ConfigMap")["defectory"]["data"])
    variables_ |= {name for pod in pods(overlay).values() for name in variables(pod)}
    assert {name for name in variables_ if name.startswith("DEFECTORY_")} <= known


def test_everything_that_a_pod_asks_for_is_there(overlay: list[Document], secrets: list[Document]) -> None:
    there = [*overlay, *rendered("line"), *rendered("photos"), *secrets]
    asked = set(asked_for([*overlay, *rendered("line")]))
    assert {name for _, kind, name in asked if kind == "Secret"} == set(named(secrets, "Secret"))  # and none for nobody
    for pod, kind, name in asked:
        assert name in named(there, kind), (pod, kind, name)


def test_each_has_an_account_of_its_own_that_may_ask_the_api_for_nothing(overlay: list[Document]) -> None:
    accounts = [pod["serviceAccountName"] for pod in pods(overlay).values()]
    assert sorted(accounts) == sorted(pods(overlay))
    for account in named(overlay, "ServiceAccount").values():
        assert account["automountServiceAccountToken"] is False
    assert not [d for d in overlay if d["kind"].endswith(("Role", "RoleBinding"))]


def called(documents: list[Document]) -> set[tuple[str, str, int]]:
    """(from, to, port) of every address that a pod is told."""
    to_whom = set()
    for name, pod in pods(documents).items():
        for variable, value in variables(pod).items():
            if variable.endswith("_ADDRESS"):
                host, _, port = value.partition(":")
                to_whom.add((name, host, int(port)))
    endpoint = named(documents, "ConfigMap")["defectory"]["data"]["DEFECTORY_S3_ENDPOINT"]
    store, port = re.fullmatch(r"http://(\w+):(\d+)", endpoint).groups()  # type: ignore[union-attr]
    return to_whom | {(name, store, int(port)) for name in pods(documents) if name != store}


def test_the_network_lets_through_what_the_settings_name_and_nothing_else(with_a_line: list[Document]) -> None:
    assert edges(with_a_line) == called(with_a_line)
    assert len(called(with_a_line)) == 12  # six of gRPC, and six who use the store


def test_the_review_page_reaches_the_store_and_nobody_reaches_it(cpu: list[Document]) -> None:
    reached = edges([*cpu, *rendered("review")]) - edges(cpu)
    assert {(one, other) for one, other, _ in reached} == {("review", "store")}


def test_without_the_policies_everybody_reaches_everybody(with_a_line: list[Document]) -> None:
    """What the test above looks with can see an edge too many."""
    open_to_all = [d for d in with_a_line if d["kind"] != "NetworkPolicy"]
    assert len(edges(open_to_all)) > 5 * len(edges(with_a_line))


def test_nobody_is_reached_from_elsewhere_but_by_the_factory_and_by_prometheus(overlay: list[Document]) -> None:
    from_elsewhere = {
        (name, port["port"])
        for name, policy in named(overlay, "NetworkPolicy").items()
        for rule in policy["spec"].get("ingress", ())
        for peer in rule["from"]
        for port in rule["ports"]
        if "podSelector" not in peer
    }
    assert from_elsewhere == {("factory", "grpc"), ("metrics", "metrics")}
    (everyone,) = (p for p in named(overlay, "NetworkPolicy").values() if p["spec"]["podSelector"] == {})
    assert everyone["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_certificates_name_what_services_are_called_by(with_a_line: list[Document]) -> None:
    for _, host, port in called(with_a_line):
        if port in DEFAULT_PORTS.values():
            for name in (host, f"{host}.defectory.svc"):
                assert name in service(SERVICE_OF[host]).hosts
    for name, kind in SERVICE_OF.items():
        (volume,) = (v for v in pods(with_a_line)[name]["volumes"] if v["name"] == "certificates")
        assert volume["secret"]["secretName"] == f"{kind}-tls"


def test_tls_tokens_and_health_are_on(overlay: list[Document], secrets: list[Document]) -> None:
    settings = named(overlay, "ConfigMap")["defectory"]["data"]
    for name in ("CERT", "KEY", "CA", "CLIENT_CA"):
        folder, _, file = settings[f"DEFECTORY_TLS_{name}"].rpartition("/")
        assert folder == "/certificates"
        for secret in named(secrets, "Secret").values():
            assert secret["type"] != "kubernetes.io/tls" or file in secret["data"]
    for name in SERVICE_OF:
        (container,) = pods(overlay)[name]["containers"]
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert mounts["certificates"] == "/certificates"
        assert settings["DEFECTORY_TOKENS"].startswith(mounts["tokens"] + "/")
        assert {"secretRef": {"name": "defectory-token"}} in container["envFrom"]
    assert "DEFECTORY_TOKEN" in named(secrets, "Secret")["defectory-token"]["data"]
    assert "tokens" in named(secrets, "Secret")["defectory-tokens"]["data"]


def test_pods_get_the_time_that_a_service_takes_to_stop(overlay: list[Document]) -> None:
    settings = named(overlay, "ConfigMap")["defectory"]["data"]
    drain_s = ClassifierSettings.model_fields["drain_s"].default
    longest = stop_timeout_s(float(settings.get("DEFECTORY_DRAIN_S", drain_s)), float(settings["DEFECTORY_LEAVE_S"]))
    for name in SERVICE_OF:
        assert pods(overlay)[name]["terminationGracePeriodSeconds"] > longest


def test_what_serves_is_rolled_and_what_works_is_recreated(overlay: list[Document]) -> None:
    deployments = named(overlay, "Deployment")
    for name, document in deployments.items():
        spec = document["spec"]
        if name != "classifier-serving":
            assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"}), name
    serving = deployments["classifier-serving"]["spec"]
    assert serving["replicas"] >= 2
    assert serving["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert serving["minReadySeconds"] > 2  # as long as a caller's channel waits between two looks for addresses
    (budget,) = named(overlay, "PodDisruptionBudget").values()
    assert 1 <= budget["spec"]["minAvailable"] < serving["replicas"]  # a node can be drained, and one is left
    assert named(overlay, "Service")["classifier-serving"]["spec"]["clusterIP"] == "None"
    environment = variables(pods(overlay)["classifier-serving"])
    assert int(environment["DEFECTORY_CONNECTION_S"]) > 0  # so that callers come to new pods too


def test_the_two_roles_are_ready_when_what_they_serve_is(overlay: list[Document]) -> None:
    for name, role, asked in (
        ("classifier-serving", "serve", "inference.GRPCInferenceService"),
        ("classifier-work", "work", "defectory.api.classifier.v1.ClassifierService"),
    ):
        (container,) = pods(overlay)[name]["containers"]
        assert variables(pods(overlay)[name])["DEFECTORY_ROLE"] == role
        assert container["readinessProbe"]["grpc"]["service"] == asked
        assert "service" not in container["livenessProbe"]["grpc"]


def test_cores_that_compute_are_those_that_are_asked_for(overlay: list[Document]) -> None:
    pod = pods(overlay)["classifier-serving"]
    assert variables(pod)["DEFECTORY_THREADS"] == pod["containers"][0]["resources"]["requests"]["cpu"]


@pytest.mark.parametrize(("folder", "count"), [("cpu", None), ("gpu-node", "1"), ("multi-gpu", "4")])
def test_only_the_generator_asks_for_gpus(folder: str, count: str | None) -> None:
    documents = rendered(f"overlays/{folder}")
    for name in SERVICE_OF:
        pod = pods(documents)[name]
        (container,) = pod["containers"]
        if name != "generator" or count is None:
            assert "nvidia.com/gpu" not in container["resources"]["limits"], name
            assert "args" not in container
            continue
        assert container["resources"]["requests"]["nvidia.com/gpu"] == count
        assert container["resources"]["limits"]["nvidia.com/gpu"] == count
        assert container["args"][:2] == ["--device", "cuda"]  # without a GPU it does not start, instead of going slowly
        assert container["args"][2:] == ([] if count == "1" else ["--processes", count])
        (runtime,) = yaml.safe_load_all((KUBERNETES / "gpu/runtime-class.yaml").read_text())
        assert pod["runtimeClassName"] == runtime["metadata"]["name"]
        assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
        (memory,) = (v for v in pod["volumes"] if v["name"] == "shm")
        assert memory["emptyDir"]["medium"] == "Memory"
        assert {"name": "shm", "mountPath": "/dev/shm"} in container["volumeMounts"]


def test_an_overlay_can_be_applied_again_while_it_works(overlay: list[Document]) -> None:
    assert set(pods(overlay)) >= set(SERVICE_OF)
    assert not [d["metadata"]["name"] for d in overlay if d["kind"] in ("Job", "Pod")]  # their templates are immutable


def test_a_line_reads_the_claim_that_is_made_for_it() -> None:
    (claim,) = named(rendered("photos"), "PersistentVolumeClaim")
    (volume,) = (v for v in pods(rendered("line"))["line"]["volumes"] if v["name"] == "photos")
    assert volume["persistentVolumeClaim"]["claimName"] == claim


def jobs_of_the_page() -> list[Document]:
    blocks = [b.partition("```")[0] for b in (ROOT / "docs/kubernetes.md").read_text().split("```yaml\n")[1:]]
    job, containers = yaml.safe_load(blocks[0]), yaml.safe_load(blocks[1])
    several: dict[str, Any] = yaml.safe_load(blocks[0])
    pod = several["spec"]["template"]["spec"]
    pod["containers"] = containers
    pod["volumes"].append({"name": "request", "configMap": {"name": "train-screws"}})
    return [job, several]


@pytest.mark.parametrize("job", jobs_of_the_page(), ids=["one", "several"])
def test_jobs_of_the_page_are_let_into_the_namespace_and_reach_the_store(job: Document, cpu: list[Document]) -> None:
    validated([job])
    assert job["metadata"]["namespace"] == "defectory"
    template = job["spec"]["template"]
    pod = template["spec"]
    (container,) = pod["containers"]
    assert is_restricted(pod)
    assert pod["securityContext"]["runAsUser"] == 10001
    assert {"name": "HOME", "value": "/tmp"} in container["env"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert container["resources"]["requests"]["nvidia.com/gpu"] == container["resources"]["limits"]["nvidia.com/gpu"]
    reached = [edge for edge in edges([*cpu, job]) if edge[0] == job["metadata"]["name"]]
    assert reached == [(job["metadata"]["name"], "store", 8333)]


def test_the_job_on_one_gpu_does_not_start_without_it() -> None:
    (container,) = jobs_of_the_page()[0]["spec"]["template"]["spec"]["containers"]
    assert {"name": "DEFECTORY_DEVICE", "value": "cuda"} in container["env"]
    longest = stop_timeout_s(ClassifierSettings.model_fields["drain_s"].default)
    assert jobs_of_the_page()[0]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > longest


def job_of_a_line() -> Document:
    return next(iter(yaml.safe_load_all((KUBERNETES / "line/line.yaml").read_text())))


@pytest.mark.parametrize("job", [jobs_of_the_page()[0], job_of_a_line()], ids=["page", "line"])
def test_jobs_try_again_what_asks_for_it(job: Document) -> None:
    rules = job["spec"]["podFailurePolicy"]["rules"]
    codes = {rule["action"]: rule["onExitCodes"]["values"] for rule in rules if "onExitCodes" in rule}
    assert codes["Ignore"] == [EVICTED]
    assert set(codes["FailJob"]) < {2, *EXIT_CODES.values()}
    # What the API server demands and no schema says: a failure policy goes with pods that are not restarted in place.
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_secrets_are_nobody_elses_and_git_does_not_see_them(secrets: list[Document]) -> None:
    ignored = (KUBERNETES / "secrets/.gitignore").read_text().split()
    assert ignored == ["*", "!.gitignore", "!kustomization.yaml"]
    authority = "BEGIN PRIVATE KEY"
    held = [k for s in named(secrets, "Secret").values() for k in s["data"] if k.startswith("ca") and k != "ca.crt"]
    assert held == [], f"the authority's key ({authority}) is in no cluster"
    assert Path(KUBERNETES / "secrets/kustomization.yaml").read_text().count("ca.key") == 0
