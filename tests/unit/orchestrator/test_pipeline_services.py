"""Embedded services and their clients: start, crash, restart, stop; asking again after a service went away."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from google.longrunning import operations_pb2

from defectory.api.filter.v1 import filter_pb2
from defectory.api.generator.v1 import generator_pb2
from defectory.errors import Cancelled, DefectoryError, InvalidInput, NotFound, Unavailable
from defectory.serving.probe import is_serving
from defectory.settings import ServiceSettings
from orchestrator.pipeline import embedded
from orchestrator.pipeline.clients import ServiceClients
from orchestrator.pipeline.embedded import STOPPING, EmbeddedServices, log_folder
from orchestrator.pipeline.methods import FILTER_IMAGES, PREVIEW
from orchestrator.pipeline.progress import Report
from tests.patience import PATIENT_S
from tests.processes import gone


@pytest.fixture
def elsewhere(tmp_path: Path) -> dict[str, str]:
    """An environment in which the classifier is said to run elsewhere, so that the filter starts alone."""
    return {**os.environ, "DEFECTORY_CLASSIFIER_ADDRESS": "127.0.0.1:9"}


def test_a_killed_service_is_started_again_on_its_port_and_stopped_at_the_end(
    tmp_path: Path, elsewhere: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddedServices(f"file://{tmp_path}/store", tmp_path / "logs", environ=elsewhere) as services:
        address = services.address("filter")
        (_, _, _, pid, alive), *others = services.status()
        assert alive
        assert not others
        assert is_serving(address, "defectory.api.filter.v1.FilterService")
        assert services.address("filter") == address
        os.kill(pid, signal.SIGKILL)
        monkeypatch.setattr(embedded, "SERVING_TIMEOUT_S", 1.0)
        with pytest.raises(Unavailable):  # the classifier, said to be elsewhere, is asked too, and is not there
            services.revive("filter")
        assert services.status()[0][3] == pid
    assert gone(pid)


@pytest.mark.parametrize(("error", "said"), [(KeyboardInterrupt(), [STOPPING]), (NotFound("it"), [])])
def test_who_is_stopped_by_a_signal_is_told_before_the_children_have_ended(
    tmp_path: Path, elsewhere: dict[str, str], error: BaseException, said: list[str]
) -> None:
    heard: list[tuple[str, bool]] = []
    services = EmbeddedServices(
        f"file://{tmp_path}/store", tmp_path / "logs", environ=elsewhere,
        say=lambda text: heard.append((text, services.status()[0][4])),
    )  # fmt: skip

    def work() -> None:
        with services:
            services.address("filter")
            raise error

    with pytest.raises(type(error)):
        work()
    assert heard == [(text, True) for text in said]
    assert services.status() == []


def test_what_a_dead_service_said_is_in_the_error(tmp_path: Path, elsewhere: dict[str, str]) -> None:
    services = EmbeddedServices("nowhere://x", tmp_path / "logs", environ=elsewhere)
    with pytest.raises(Unavailable, match="is not a store"):
        services.address("filter")
    assert services.status() == []


def test_children_get_the_time_that_two_drains_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []
    monkeypatch.setattr(embedded, "_stop", lambda process, timeout_s: given.append(timeout_s))
    for environ in ({}, {"DEFECTORY_DRAIN_S": "100"}):
        services = EmbeddedServices(f"file://{tmp_path}/store", tmp_path / "logs", environ=environ)
        with subprocess.Popen([sys.executable, "-c", ""], text=True) as child:
            services._children["filter"] = embedded._Child(child)
            services.close()
    assert given[0] > 2 * ServiceSettings.model_fields["drain_s"].default
    assert given[1] > 200


def test_children_die_with_a_killed_parent(tmp_path: Path) -> None:
    program = (
        "import sys, time, pathlib; from orchestrator.pipeline.embedded import EmbeddedServices; "
        f"s = EmbeddedServices('file://{tmp_path}/store', pathlib.Path('{tmp_path}/logs')); s.address('generator'); "
        "print(s.status()[0][3], flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + PATIENT_S
    while not gone(pid):
        assert time.monotonic() < deadline, "the service outlived its parent"
        time.sleep(0.05)


def test_logs_lie_beside_a_folder_store_else_in_the_cache() -> None:
    assert log_folder("file:///srv/my%20store") == Path("/srv/my store/logs")
    assert log_folder("s3://bucket/x", {"XDG_CACHE_HOME": "/cache"}) == Path("/cache/defectory/logs")


class Endpoints:
    """An address, and a record of what was revived."""

    def __init__(self, restarted: bool) -> None:
        self.revived: list[str] = []
        self._restarted = restarted

    def address(self, service: str) -> str:
        return "127.0.0.1:9"

    def revive(self, service: str) -> list[str]:
        self.revived.append(service)
        return [service] if self._restarted else []


class Scripted(ServiceClients):
    """Clients whose operation ends as the script says: how far it got, and with what."""

    def __init__(self, endpoints: Endpoints, script: list[tuple[int, DefectoryError | str]]) -> None:
        super().__init__(endpoints, lambda text: None)
        self.script = script

    def _operate_once(self, method: Any, request: Any, on_report: Any) -> Any:
        done, end = self.script.pop(0)
        on_report(Report("", done, 100, "images"))
        if isinstance(end, DefectoryError):
            raise end
        return end


def operate(clients: ServiceClients) -> Any:
    return clients.operate(FILTER_IMAGES, filter_pb2.FilterImagesRequest(), lambda report: None)


def test_an_operation_is_asked_for_again_after_its_service_crashed() -> None:
    endpoints = Endpoints(restarted=True)
    assert operate(Scripted(endpoints, [(5, Unavailable("gone")), (9, "done")])) == "done"
    assert endpoints.revived == ["filter"]


def test_a_crash_that_comes_back_without_progress_ends_the_run() -> None:
    clients = Scripted(Endpoints(restarted=True), [(5, Unavailable("a")), (5, Unavailable("b")), (9, "done")])
    with pytest.raises(Unavailable, match=r"the filter service, .* twice at the same place of its work \(b\)"):
        operate(clients)


def test_what_fails_otherwise_the_second_time_is_told_as_it_is() -> None:
    clients = Scripted(
        Endpoints(restarted=True), [(5, Unavailable("a")), (5, InvalidInput("x: use 4", {"x": "use 4"}))]
    )
    with pytest.raises(InvalidInput, match=r"^x: use 4$"):
        operate(clients)


def test_an_operation_that_gets_further_each_time_is_asked_for_as_often_as_it_takes() -> None:
    script: list[Any] = [(n, Unavailable("gone")) for n in range(1, 6)]
    assert operate(Scripted(Endpoints(restarted=True), [*script, (9, "done")])) == "done"


@pytest.mark.parametrize("error", [InvalidInput("x"), NotFound("x"), Cancelled("x")])
def test_other_errors_are_not_tried_again(error: DefectoryError) -> None:
    clients = Scripted(Endpoints(restarted=False), [(0, error), (9, "done")])
    with pytest.raises(type(error)):
        operate(clients)


def test_an_absent_service_is_unavailable() -> None:
    clients = ServiceClients(Endpoints(restarted=False), lambda text: None)
    with pytest.raises(Unavailable):
        clients.call(PREVIEW, generator_pb2.PreviewRequest())
    with pytest.raises(Unavailable):
        clients.cancel("filter", operations_pb2.Operation(name="operations/filter/x").name)


def test_a_warning_of_the_work_is_said_once() -> None:
    class Warned(ServiceClients):
        def _operate_once(self, method: Any, request: Any, on_report: Any) -> Any:
            for warning in ("", "no KID", "no KID"):
                on_report(Report("", 0, 9, "kimg", warning=warning))

    warnings: list[str] = []
    operate(Warned(Endpoints(restarted=False), warnings.append))
    assert warnings == ["no KID"]
