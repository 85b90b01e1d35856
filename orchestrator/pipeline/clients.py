"""Calls to the services: start an operation, watch it, and take it up again where a service went away."""

import importlib
from collections.abc import Callable
from typing import Any, Protocol

import grpc
from google.protobuf.message import Message

from defectory.errors import Cancelled, DefectoryError, Unavailable
from defectory.serving.channel import from_environment
from defectory.serving.operations.client import cancel, wait_for
from defectory.serving.status import error_from_rpc
from orchestrator.pipeline.progress import Report

CALL_TIMEOUT_S = 120.0  # of a call that answers at once; the first one loads the model
ReportCallback = Callable[[Report], None]


class Endpoints(Protocol):
    """Where the services are."""

    def address(self, service: str) -> str:
        """`host:port`."""

    def revive(self, service: str) -> list[str]:
        """See that the service is there; the names of those that had to be started again."""


class Services(Protocol):
    """What the steps need of the services."""

    def operate(self, service: str, method: str, request: Message, on_report: ReportCallback) -> Any:
        """Start a long-running operation, wait for it and return its response."""

    def call(self, service: str, method: str, request: Message) -> Any:
        """A call that answers at once."""


class ServiceClients:
    """Services over gRPC.

    An operation whose service went away is asked for again under its request id and goes on from its last checkpoint:
    once without having got further in between, else as often as it takes.
    """

    def __init__(self, endpoints: Endpoints, warn: Callable[[str], None]) -> None:
        self._endpoints = endpoints
        self._warn = warn

    def operate(self, service: str, method: str, request: Message, on_report: ReportCallback) -> Any:
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
                return self._operate_once(service, method, request, see)
            except DefectoryError as error:
                if at_failure is not None and furthest.done <= at_failure:
                    raise
                if not self._taken_up(service, error):
                    raise
                at_failure = furthest.done

    def call(self, service: str, method: str, request: Message) -> Any:
        """A call that answers at once.

        Raises:
            DefectoryError: what it failed with.
        """
        try:
            with from_environment(self._endpoints.address(service)) as channel:
                return getattr(_stub(service, channel), method)(request, timeout=CALL_TIMEOUT_S)
        except grpc.RpcError as error:
            raise error_from_rpc(error) from error

    def cancel(self, service: str, operation: str) -> None:
        """Ask an operation to stop."""
        with from_environment(self._endpoints.address(service)) as channel:
            cancel(channel, operation)

    def _operate_once(self, service: str, method: str, request: Message, on_report: ReportCallback) -> Any:
        with from_environment(self._endpoints.address(service)) as channel:
            try:
                operation = getattr(_stub(service, channel), method)(request, timeout=CALL_TIMEOUT_S)
            except grpc.RpcError as error:
                raise error_from_rpc(error) from error
            return wait_for(channel, operation, lambda progress: on_report(Report.of(progress)))

    def _taken_up(self, service: str, error: DefectoryError) -> bool:
        """Whether asking again makes sense: a service had died, or said that it was not to be had for a while."""
        if not isinstance(error, Unavailable | Cancelled):
            return False
        revived = self._endpoints.revive(service)
        for name in revived:
            self._warn(f"the {name} service stopped and was started again; its work goes on from the last checkpoint")
        return bool(revived) or isinstance(error, Unavailable)


class _Furthest:
    """How much an operation was ever seen to have done."""

    def __init__(self) -> None:
        self.done = 0

    def see(self, report: Report) -> None:
        self.done = max(self.done, report.done)


def _stub(service: str, channel: grpc.Channel) -> Any:
    module = importlib.import_module(f"defectory.api.{service}.v1.{service}_pb2_grpc")
    return getattr(module, f"{service.capitalize()}ServiceStub")(channel)
