"""What a classifier costs that is served beside others: `python -m bench.served_models`.

A real service is started on a store of few models and on one of more; the difference is theirs.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from bench.record import record

FEW, MORE = 1, 7
PUT = "from bench.bundle import put_classifier; from defectory.storage import open_store; import sys\n"
PUT += "for n in range(int(sys.argv[2])): put_classifier(open_store(sys.argv[1]), f'm{n}', input_px=224, width=1.0)"
ENGINES = ("openvino", "onnxruntime")


def main() -> None:
    """Measure and record."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        stores = {count: (Path(folder) / str(count)).as_uri() for count in (FEW, MORE)}
        for count, url in stores.items():
            subprocess.run([sys.executable, "-c", PUT, url, str(count)], check=True)
        for engine in ENGINES:
            (few_s, few_mb), (more_s, more_mb) = (_started(url, engine) for url in stores.values())
            each = MORE - FEW
            rows.append([engine, f"{(more_s - few_s) / each:.2f}", f"{(more_mb - few_mb) / each:.0f}", f"{few_mb:.0f}"])
    columns = ("engine", "s to load each", "MiB each", "MiB of a service with one")
    notes = f"MobileNetV2 of width 1 at 224 px; from a service with {FEW} to one with {MORE} models, its resident set."
    record("Models that are served", "python -m bench.served_models", columns, rows, notes,
           ("openvino", "onnxruntime"))  # fmt: skip


def _started(url: str, engine: str) -> tuple[float, float]:
    """(seconds until all models are loaded, MiB then) of a service."""
    command = [sys.executable, "-m", "services.classifier", "--store", url, "--role", "serve", "--engine", engine,
               "--port", "0", "--metrics-port", "0"]  # fmt: skip
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=dict(os.environ)) as service:
        try:
            if service.stdout is None or not json.loads(service.stdout.readline())["ready"]:
                sys.exit("the service did not start")
            return time.monotonic() - started, psutil.Process(service.pid).memory_info().rss / 2**20
        finally:
            service.terminate()


if __name__ == "__main__":
    main()
