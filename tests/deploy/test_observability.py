"""Alerts and the dashboard: promtool tries the alerts, and every series and page that they name is looked up."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

import services.classifier.serving.metrics
from defectory.ports import DEFAULT_METRICS_PORTS
from defectory.serving import metrics
from orchestrator.pipeline.embedded import SERVICES
from tests.deploy.rendering import KUBERNETES, ROOT, Document, named, rendered

FOLDER = ROOT / "deploy/observability"
ALERTS = yaml.safe_load((FOLDER / "alerts.yaml").read_text())
RULES: list[dict[str, Any]] = [rule for group in ALERTS["groups"] for rule in group["rules"]]
CASES = yaml.safe_load((FOLDER / "alerts_test.yaml").read_text())["tests"]
DASHBOARD = json.loads((FOLDER / "grafana/dashboard.json").read_text())
assert services.classifier.serving.metrics.CONFIDENCE  # and with it all others are registered


def promtool(*arguments: str | Path) -> str:
    """What promtool says; it must end well."""
    program = shutil.which("promtool") or shutil.which("promtool", path=ROOT / "build/promtool/usr/bin")
    program = os.environ.get("PROMTOOL", program)
    if program is None:
        pytest.skip("promtool is not installed (make promtool)")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def expressions() -> Iterator[str]:
    """Of every alert and every graph."""
    yield from (rule["expr"] for rule in RULES)
    yield from (target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ()))


def test_alerts_fire_where_they_should_and_nowhere_else() -> None:
    promtool("check", "rules", FOLDER / "alerts.yaml")
    assert "SUCCESS" in promtool("test", "rules", FOLDER / "alerts_test.yaml")


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    """promtool takes a case of an alert that does not exist for a success."""
    names = {rule["alert"] for rule in RULES}
    asked = [(test["alertname"], bool(test["exp_alerts"])) for case in CASES for test in case["alert_rule_test"]]
    assert {name for name, fires in asked if fires} == names
    assert {name for name, fires in asked if not fires} == names
    assert len(names) == len(RULES)


def test_every_series_is_one_that_a_service_has() -> None:
    known = {sample.name for family in REGISTRY.collect() for sample in family.samples}
    known |= {name for family in REGISTRY.collect() for name in _of(family.name, family.type)}
    used = {name for text in expressions() for name in re.findall(r"\b(?:defectory|process)_\w+", text)}
    assert len(used) > 20
    assert used - known == set()


def _of(name: str, kind: str) -> set[str]:
    """The series of a family that has no samples yet."""
    endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(kind, [""])
    return {name + ending for ending in endings}


def test_labels_and_bounds_that_are_named_exist() -> None:
    for text in expressions():
        for code in re.findall(r'code=~?"([^"]+)"', text):
            assert set(code.split("|")) <= set(metrics.CODES)  # else it is not there before it counts
    (bounds,) = {re.search(r"confidence_bucket\{le=\"([0-9.]+)\"", text)[1] for text in expressions() if "le=" in text}  # type: ignore[index]
    assert float(bounds) in services.classifier.serving.metrics.CONFIDENCE._kwargs["buckets"]


def test_every_graph_is_read_by_prometheus(tmp_path: Path) -> None:
    asked = [text.replace("$__rate_interval", "5m").replace("$__range", "6h") for text in expressions()]
    rules = [{"record": f"graph:{number}", "expr": text} for number, text in enumerate(asked)]
    (tmp_path / "graphs.yaml").write_text(yaml.safe_dump({"groups": [{"name": "graphs", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", tmp_path / "graphs.yaml")


def test_every_alert_has_its_section_in_the_runbook_and_no_section_is_of_none() -> None:
    sections = re.findall(r"^## (\w+)$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE)
    assert sections == [rule["alert"] for rule in RULES]
    for rule in RULES:
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in {"critical", "warning"}


@pytest.fixture
def monitored(tmp_path: Path) -> list[Document]:
    """The CPU overlay with the component, as docs/operating.md says."""
    shutil.copytree(KUBERNETES, tmp_path / "kubernetes")
    overlay = tmp_path / "kubernetes/overlays/cpu"
    with (overlay / "kustomization.yaml").open("a") as file:
        file.write("components: [../../monitoring]\n")
    return rendered(overlay)


def test_prometheus_operator_gets_the_same_alerts_and_finds_every_service(monitored: list[Document]) -> None:
    (rule,) = named(monitored, "PrometheusRule").values()
    assert rule["spec"]["groups"] == ALERTS["groups"], "copy alerts.yaml's groups into prometheus-rule.yaml"
    (monitor,) = named(monitored, "ServiceMonitor").values()
    (expression,) = monitor["spec"]["selector"]["matchExpressions"]
    (endpoint,) = monitor["spec"]["endpoints"]
    scraped = {
        name: {port["name"]: port["port"] for port in document["spec"]["ports"]}[endpoint["port"]]
        for name, document in named(monitored, "Service").items()
        if document["metadata"]["labels"][expression["key"]] in expression["values"]
    }
    assert set(scraped.values()) == set(DEFAULT_METRICS_PORTS.values())
    assert set(scraped) == set(named(monitored, "Deployment"))
    assert endpoint["relabelings"] == [{"targetLabel": "job", "replacement": "defectory"}]


def test_the_autoscaler_scales_what_serves(monitored: list[Document]) -> None:
    (scaler,) = named(monitored, "HorizontalPodAutoscaler").values()
    target = named(monitored, scaler["spec"]["scaleTargetRef"]["kind"])[scaler["spec"]["scaleTargetRef"]["name"]]
    assert scaler["spec"]["minReplicas"] == target["spec"]["replicas"]
    (metric,) = scaler["spec"]["metrics"]
    assert metric["pods"]["metric"]["name"] in (ROOT / "docs/operating.md").read_text()


def test_prometheus_of_the_compose_file_asks_every_service(tmp_path: Path) -> None:
    text = (FOLDER / "prometheus.yml").read_text()
    (job,) = yaml.safe_load(text)["scrape_configs"]
    assert job["job_name"] == "defectory"
    targets = [target for part in job["static_configs"] for target in part["targets"]]
    assert sorted(targets) == sorted(f"{name}:{DEFAULT_METRICS_PORTS[name]}" for name in SERVICES)
    (tmp_path / "alerts.yaml").write_text((FOLDER / "alerts.yaml").read_text())
    (tmp_path / "prometheus.yml").write_text(text.replace("/etc/prometheus/", f"{tmp_path}/"))
    promtool("check", "config", tmp_path / "prometheus.yml")


def test_files_that_compose_mounts_are_there() -> None:
    for service in yaml.safe_load((FOLDER / "compose.yml").read_text())["services"].values():
        for volume in service["volumes"]:
            if volume.startswith("./"):
                assert (ROOT / volume.partition(":")[0]).is_file(), volume
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
