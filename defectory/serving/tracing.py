"""OpenTelemetry spans of the calls, where the collector's endpoint is set (OTEL_EXPORTER_OTLP_ENDPOINT)."""

import atexit
from collections.abc import Mapping

import grpc

from defectory.errors import InvalidInput


def tracing_interceptors(service: str, environ: Mapping[str, str]) -> list[grpc.ServerInterceptor]:
    """The interceptor that makes a span of every call; none without an endpoint.

    The exporter reads OpenTelemetry's own variables (endpoint, headers, TLS, sampling).

    Raises:
        InvalidInput: an endpoint is set, but the extra `tracing` is not installed.
    """
    if not environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return []
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.grpc import server_interceptor
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        right = "install defectory[tracing], or unset it"
        raise InvalidInput(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is set: {right}", {"OTEL_EXPORTER_OTLP_ENDPOINT": right}
        ) from error
    provider = TracerProvider(resource=Resource.create({"service.name": f"defectory-{service}"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    atexit.register(provider.shutdown)  # the last spans leave before the process does
    return [server_interceptor(tracer_provider=provider)]  # type: ignore[no-untyped-call]
