"""What serves is replaced while it is called: no call is lost, whether pods are rolled or a node is drained.

Kubernetes' part is played as it plays it: a headless Service's name stands for the addresses of the pods that are
ready; a pod that goes is taken out of them and gets SIGTERM, in whichever order callers hear of it. Channels, the
services, their health and their models are real.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bench.bundle import put_classifier
from defectory.api.classifier.v1 import classifier_pb2 as pb
from defectory.api.classifier.v1 import classifier_pb2_grpc
from defectory.serving.channel import open_channel
from defectory.storage import ObjectStore, open_store
from tests.contract import pictures
from tests.contract.cluster_dns import Endpoints, endpoints
from tests.contract.running import Service
from tests.patience import PATIENT_S
from tests.s3_servers import free_ports

CALLERS, PAUSE_S = 4, 0.01
INFERENCE = "inference.GRPCInferenceService"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    store = open_store(f"file://{tmp_path_factory.mktemp('rolling')}/store")
    put_classifier(store, "parts")
    return store


class Callers:
    """Classify all the while over one channel, and keep what was not answered."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = classifier_pb2_grpc.ClassifierServiceStub(channel)
        image = pb.ImageSource(content=pictures.encoded(pictures.pixels()))
        self._request = pb.ClassifyRequest(model="parts", images=[image])
        self._end = threading.Event()
        self.answered = 0
        self.lost: list[str] = []
        self._threads = [threading.Thread(target=self._call) for _ in range(CALLERS)]

    def __enter__(self) -> "Callers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _call(self) -> None:
        while not self._end.wait(PAUSE_S):
            try:
                self._stub.Classify(self._request, timeout=PATIENT_S)
                self.answered += 1
            except grpc.RpcError as error:
                self.lost.append(f"{error.code()}: {error.details()}")

    def go_on(self, calls: int = 20) -> None:
        """Return when so many more have been answered."""
        limit, goal = time.monotonic() + PATIENT_S, self.answered + calls
        while self.answered < goal and time.monotonic() < limit:
            time.sleep(PAUSE_S)
        assert self.answered >= goal


class Cluster:
    """Pods of one port, each with an address of its own, and the name that stands for those that are ready."""

    def __init__(self, store: ObjectStore, known: Endpoints, stack: ExitStack) -> None:
        self._store = store
        self._known = known
        self._stack = stack
        (self._port,) = free_ports(1)
        self._last = 1
        self.pods: dict[str, Service] = {}

    @property
    def target(self) -> str:
        """What a caller in the cluster calls classifier-serving."""
        return f"dns://127.0.0.1:{self._known.port}/classifier-serving:{self._port}"

    def start(self) -> str:
        """A new pod; it counts once it is ready."""
        self._last += 1
        address = f"127.0.0.{self._last}"
        flags = ["--role", "serve", "--threads", "1", "--engine", "onnxruntime", "--leave-s", "4"]
        flags += ["--drain-s", "300"]  # calls in progress end by themselves, also on a busy machine; none is cut off
        flags += ["--host", address, "--port", str(self._port)]
        self.pods[address] = self._stack.enter_context(Service("services.classifier", self._store.url, *flags))
        with open_channel(self.pods[address].address) as probe:
            ready = health_pb2_grpc.HealthStub(probe).Check(health_pb2.HealthCheckRequest(service=INFERENCE))
        assert ready.status == health_pb2.HealthCheckResponse.SERVING
        self._known.addresses = [*self._known.addresses, address]
        return address

    def stop(self, address: str) -> None:
        """SIGTERM, and a moment later the name stands for the others; return when the process has ended."""
        self.pods[address].process.terminate()
        time.sleep(0.5)
        self._known.addresses = [one for one in self._known.addresses if one != address]
        assert self.pods[address].process.wait(PATIENT_S) == 0

    def calls(self, address: str) -> float:
        """That a pod has answered well."""
        return sum(
            value
            for series, value in self.pods[address].metrics().items()
            if series.startswith("defectory_grpc_calls_total") and "/Classify" in series and '"OK"' in series
        )


@pytest.fixture
def cluster(store: ObjectStore) -> Iterator[Cluster]:
    with endpoints([]) as known, ExitStack() as stack:
        cluster = Cluster(store, known, stack)
        for _ in range(2):
            cluster.start()
        yield cluster


def test_a_rolling_update_and_a_drain_lose_no_call(cluster: Cluster) -> None:
    old = list(cluster.pods)
    with open_channel(cluster.target) as channel, Callers(channel) as callers:
        callers.go_on()
        assert min(cluster.calls(address) for address in old) > 0  # both are asked
        for address in old:  # maxUnavailable 0, maxSurge 1: the new one first
            cluster.start()
            callers.go_on()
            cluster.stop(address)
            callers.go_on()
        new = [address for address in cluster.pods if address not in old]
        assert min(cluster.calls(address) for address in new) > 0
        cluster.stop(new[0])  # its node is drained, and no new one comes: the budget leaves one
        callers.go_on()
    assert callers.lost == []


def test_who_has_one_connection_and_never_asks_again_meets_a_closed_door(cluster: Cluster) -> None:
    """What a caller without our channel's settings has to do himself."""
    address = next(iter(cluster.pods))
    with grpc.insecure_channel(cluster.pods[address].address) as channel, Callers(channel) as callers:
        callers.go_on()
        cluster.stop(address)
        limit = time.monotonic() + PATIENT_S
        while not callers.lost and time.monotonic() < limit:
            time.sleep(PAUSE_S)
    # What the server has taken and not begun when it goes is cancelled; what comes later finds nobody.
    assert callers.lost[0].startswith(("StatusCode.UNAVAILABLE", "StatusCode.CANCELLED"))
