"""MLServer's settings files, without MLServer."""

import json
from pathlib import Path


def write_settings(folder: Path, port: int) -> None:
    """Both settings files, with adaptive batching."""
    server = {"host": "127.0.0.1", "http_port": port + 1, "grpc_port": port, "metrics_port": port + 2,
              "parallel_workers": 0, "debug": False, "metrics_endpoint": None}  # fmt: skip
    model = {"name": "bench", "implementation": "bench.rivals.with_mlserver.Classify", "max_batch_size": 32,
             "max_batch_time": 0.005}  # fmt: skip
    (folder / "settings.json").write_text(json.dumps(server))
    (folder / "model-settings.json").write_text(json.dumps(model))
