"""Calls to the services: start an operation, watch it, and take it up again where a service went away."""

from collections.abc import Callable
from importlib import import_module
from typing import Protocol, TypeVar

import grpc
from google.longrunning import operations_pb2
from google.protobuf.message import Message

from defectory.errors import Cancelled, DefectoryError, Unavailable
from defectory.serving.channel import from_environment
from defectory.serving.operations.client import cancel, wait_for
from defectory.serving.status import error_from_rpc
from orchestrator.pipeline.methods import Call, Method, Operation
from orchestrator.pipeline.progress import Report

CALL_TIMEOUT_S = 120.0  # of a call that answers at once; the first one loads the model
ReportCallback = Callable[[Report], None]
Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
Answer = TypeVar("Answer", bound=Message)


class Endpoints(Protocol):
    """Where the services are."""

    def address(self, service: str) -> str:
        """`host:port`."""

    def revive(self, service: str) -> list[str]:
        """See that the service is there; the names of those that had to be started again."""


class Services(Protocol):
    """What the steps need of the services."""

    def operate(self, method: Operation[Request, Response], request: Request, on_report: ReportCallback) -> Response:
        """Start a long-running operation, wait for it and return its response."""

    def call(self, method: Call[Request, Response], request: Request) -> Response:
        """A call that answers at once."""


class ServiceClients:
    """Services over gRPC.

    An operation whose service went away is asked for again under its request id and goes on from its last checkpoint:
    once without having got further in between, else as often as it takes.
    """

    def __init__(self, endpoints: Endpoints, warn: Callable[[str], None]) -> None:
        self._endpoints = endpoints
        self._warn = warn

    def operate(self, method: Operation[Request, Response], request: Request, on_report: ReportCallback) -> Response:
        """Start a long-running operation, wait for it and return its response.

        Raises:
            DefectoryError: what it failed with.
        """
        furthest, at_failure, warned = _Furthest(), None, set()

        def see(report: Report) -> None:
            furthest.see(report)
            if report.warning and report.warning not in warned:
                warned.add(report.warning)
                self._warn(report.warning)
            on_report(report)

        while True:
            try:
                return self._operate_once(method, request, see)
            except DefectoryError as error:
                if at_failure is not None and furthest.done <= at_failure:
                    raise _given_up(method, error) from error
                if not self._taken_up(method.service, error):
                    raise
                at_failure = furthest.done

    def call(self, method: Call[Request, Response], request: Request) -> Response:
        """A call that answers at once.

        Raises:
            DefectoryError: what it failed with.
        """
        with from_environment(self._endpoints.address(method.service)) as channel:
            return _answer(channel, method, request, method.response)

    def cancel(self, service: str, operation: str) -> None:
        """Ask an operation to stop."""
        with from_environment(self._endpoints.address(service)) as channel:
            cancel(channel, operation)

    def _operate_once(
        self, method: Operation[Request, Response], request: Request, on_report: ReportCallback
    ) -> Response:
        with from_environment(self._endpoints.address(method.service)) as channel:
            operation = _answer(channel, method, request, operations_pb2.Operation)
            response = wait_for(channel, operation, lambda progress: on_report(Report.of(progress)))
        return _of_type(method, response, method.response)

    def _taken_up(self, service: str, error: DefectoryError) -> bool:
        """Whether asking again makes sense: a service had died, or said that it was not to be had for a while."""
        if not isinstance(error, Unavailable | Cancelled):
            return False
        revived = self._endpoints.revive(service)
        for name in revived:
            self._warn(f"the {name} service stopped and was started again; its work goes on from the last checkpoint")
        return bool(revived) or isinstance(error, Unavailable)


def _given_up(method: Method[Request, Response], error: DefectoryError) -> DefectoryError:
    """An error that came back although the work was asked for again; a connection's own words say little of it."""
    if not isinstance(error, Unavailable | Cancelled):
        return error
    return type(error)(
        f"the {method.service} service, or one that it asks, went away twice at the same place of its work ({error}): "
        "its log says why, and the same command goes on there"
    )


class _Furthest:
    """How much an operation was ever seen to have done."""

    def __init__(self) -> None:
        self.done = 0

    def see(self, report: Report) -> None:
        self.done = max(self.done, report.done)


def _answer(channel: grpc.Channel, method: Method[Request, Response], request: Request, kind: type[Answer]) -> Answer:
    """What the method answers at once: its response, or the operation that it started."""
    stubs = import_module(f"defectory.api.{method.service}.v1.{method.service}_pb2_grpc")  # those of one service only
    stub = getattr(stubs, f"{method.service.capitalize()}ServiceStub")(channel)
    try:
        return _of_type(method, getattr(stub, method.name)(request, timeout=CALL_TIMEOUT_S), kind)
    except grpc.RpcError as error:
        raise error_from_rpc(error) from error


def _of_type(method: Method[Request, Response], message: Message, kind: type[Answer]) -> Answer:
    if not isinstance(message, kind):
        raise TypeError(f"{method.name} answered with {type(message).__name__}, not {kind.__name__}")
    return message
