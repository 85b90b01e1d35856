"""The page of metrics: who connects and asks nothing is sent away."""

import socket
import urllib.request

import pytest

from defectory.serving import metrics


def test_a_silent_connection_is_closed_and_others_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "SILENT_S", 0.5)
    port = metrics.serve_metrics("127.0.0.1", 0)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as silent:
        page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60).read().decode()
        assert "defectory_grpc_calls_total" in page
        assert silent.recv(100) == b""
