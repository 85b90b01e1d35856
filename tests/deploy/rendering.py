"""Kubernetes manifests as kustomize renders them, and what they say of each other."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "deploy/kubernetes"
Document = dict[str, Any]
# Kinds of operators' own, of which a cluster without them knows nothing: their schemas are theirs.
OPERATORS = ("ServiceMonitor", "PrometheusRule")


def rendered(folder: str | Path) -> list[Document]:
    """The documents of a folder below deploy/kubernetes, or of any other."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl, which renders kustomize overlays, is not installed")
    done = subprocess.run([kubectl, "kustomize", KUBERNETES / folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def named(documents: list[Document], kind: str) -> dict[str, Document]:
    """Those of a kind, by name."""
    return {d["metadata"]["name"]: d for d in documents if d["kind"] == kind}


def templates(documents: list[Document]) -> dict[str, Document]:
    """Name -> pod with its labels, of what makes one or is one."""
    makers = [d for d in documents if d["kind"] in ("Pod", "Job", "Deployment", "StatefulSet")]
    return {d["metadata"]["name"]: d["spec"].get("template", d) for d in makers}


def pods(documents: list[Document]) -> dict[str, Document]:
    """Name -> what a pod is of, of what makes one or is one."""
    return {name: template["spec"] for name, template in templates(documents).items()}


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a selector of labels, with matchLabels or without, takes what has these."""
    assert "matchExpressions" not in selector
    wanted = selector.get("matchLabels", selector)
    return wanted.items() <= labels.items()


def variables(pod: Document) -> dict[str, str]:
    """What the containers of a pod are told by their own lists."""
    return {v["name"]: v.get("value", "") for c in pod["containers"] for v in c.get("env", ())}


def port_numbers(pod: Document) -> dict[str, int]:
    """Port name -> number."""
    return {p["name"]: p["containerPort"] for c in pod["containers"] for p in c.get("ports", ())}


def edges(documents: list[Document]) -> set[tuple[str, str, int]]:
    """(from, to, port) that the network policies let through between pods of the documents.

    A connection needs both: that who begins it may go there, and that who is called lets it in (Kubernetes' rules: what
    some policy selects may do what any of them allows, and nothing else).
    """
    pods_of = templates(documents)
    return {
        (one, other, number)
        for one in pods_of
        for other, template in pods_of.items()
        for number in port_numbers(template["spec"]).values()
        if one != other
        and _allowed(documents, "Egress", pods_of[one], pods_of[other], number)
        and _allowed(documents, "Ingress", pods_of[other], pods_of[one], number, template)
    }


def _allowed(
    documents: list[Document], way: str, of: Document, peer: Document, number: int, target: Document | None = None
) -> bool:
    policies = [
        policy["spec"]
        for policy in named(documents, "NetworkPolicy").values()
        if way in policy["spec"]["policyTypes"] and selects(policy["spec"]["podSelector"], _labels(of))
    ]
    numbers = port_numbers((target or peer)["spec"])
    side, peers = (("egress", "to"), ("ingress", "from"))[way == "Ingress"]
    rules = [rule for spec in policies for rule in spec.get(side, ())]
    return not policies or any(
        any(_is_meant(one, peer) for one in rule[peers])
        and any(numbers.get(port["port"], port["port"]) == number for port in rule["ports"])
        for rule in rules
    )


def _is_meant(one: Document, peer: Document) -> bool:
    """Whether a peer of a rule is this pod, of the policies' own namespace."""
    return "podSelector" in one and "namespaceSelector" not in one and selects(one["podSelector"], _labels(peer))


def _labels(template: Document) -> dict[str, str]:
    return template["metadata"]["labels"]


def asked_for(documents: list[Document]) -> Iterator[tuple[str, str, str]]:
    """(pod, kind, name) of everything beside it that a pod cannot start without."""
    for name, pod in pods(documents).items():
        yield name, "ServiceAccount", pod["serviceAccountName"]
        for volume in pod.get("volumes", ()):
            if "secret" in volume:
                yield name, "Secret", volume["secret"]["secretName"]
            if "configMap" in volume:
                yield name, "ConfigMap", volume["configMap"]["name"]
            if "persistentVolumeClaim" in volume:
                yield name, "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]
        for container in pod["containers"]:
            for source in container.get("envFrom", ()):
                kind = "Secret" if "secretRef" in source else "ConfigMap"
                yield name, kind, next(iter(source.values()))["name"]
