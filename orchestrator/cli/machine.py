"""Commands about this machine: serve, up, doctor."""

import os
import socket
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer

from defectory.errors import DefectoryError, InvalidInput
from defectory.settings import DEFAULT_METRICS_PORTS, DEFAULT_PORTS
from orchestrator.cli.common import JsonOption, StoreOption, WeightsOption, console, open_named, tell

PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
NEEDED = {"torch": "generator", "tensorflow": "classifier", "cv2": "filter", "grpc": "every service"}


def add_commands(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command(context_settings=PASSED_ON)(serve)
    app.command()(up)
    app.command()(doctor)


def serve(
    context: typer.Context,
    service: Annotated[str, typer.Argument(help="generator, classifier, filter or explainer.")],
    store: StoreOption = "",
) -> None:
    """Start one service in this process; further flags go to it (--port, --metrics-port, --host, …).

    Example: defectory serve classifier --port 50052 --metrics-port 9102 --store s3://bucket
    """
    if service not in DEFAULT_PORTS:
        right = f"use {', '.join(DEFAULT_PORTS)}"
        raise InvalidInput(f"there is no service {service!r}: {right}", {"service": right})
    flags = ["--store", open_named(store).url, *context.args]
    os.execv(sys.executable, [sys.executable, "-m", f"services.{service}", *flags])


def up(weights: WeightsOption = "", store: StoreOption = "") -> None:
    """Start all four services on this machine at their usual ports, until Ctrl-C.

    Example: defectory up --store file:///srv/defectory
    """
    from orchestrator.pipeline.embedded import EmbeddedServices, log_folder

    url = open_named(store).url
    ports = {name: (DEFAULT_PORTS[name], DEFAULT_METRICS_PORTS[name]) for name in DEFAULT_PORTS}
    with EmbeddedServices(url, log_folder(url), weights=weights, ports=ports, resume="always") as services:
        for name in DEFAULT_PORTS:
            console.print(f"{name} serves at {services.address(name)}")
        console.print(f"logs in {log_folder(url)}; Ctrl-C stops")
        while True:
            time.sleep(5)
            for name in DEFAULT_PORTS:
                for line in services.revive(name):
                    console.print(line, markup=False)


def doctor(weights: WeightsOption = "", store: StoreOption = "", as_json: JsonOption = False) -> None:
    """Say what is wrong with this machine's set-up and how to mend it; exit code 5 when something is.

    Example: defectory doctor --store s3://bucket
    """
    findings: dict[str, dict[str, Any]] = {
        "python": _finding(sys.version_info >= (3, 11), sys.version.split()[0], "install Python 3.11 or newer"),
        "packages": _packages(),
        "store": _store(store),
        "ports": _ports(),
        "weights": _weights(weights),
        "gpu": {"ok": True, "found": _gpu()},
    }
    if as_json:
        tell({"ok": all(f["ok"] for f in findings.values()), **findings}, as_json)
    else:
        for name, finding in findings.items():
            mark = "[green]✔[/]" if finding["ok"] else "[red]✘[/]"
            console.print(f"{mark} {name}: ", end="")
            console.print(finding["found"] + (f" – {finding['mend']}" if not finding["ok"] else ""), markup=False)
    if not all(f["ok"] for f in findings.values()):
        raise typer.Exit(5)


def _finding(ok: bool, found: str, mend: str) -> dict[str, Any]:
    return {"ok": ok, "found": found} if ok else {"ok": ok, "found": found, "mend": mend}


def _packages() -> dict[str, Any]:
    versions, missing = [], []
    for package in ("grpcio", "protobuf", "minio", "numpy", "pillow", "torch", "tensorflow", "opencv-python-headless"):
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            missing.append(package)
    found = ", ".join(versions) + (f"; missing: {', '.join(missing)}" if missing else "")
    return _finding(not missing, found, "`make install`, or pip install 'defectory[all]' -c constraints.txt")


def _store(url: str) -> dict[str, Any]:
    from defectory.storage.check import check_store

    try:
        store = open_named(url)
        check_store(store)
    except DefectoryError as error:
        return _finding(False, str(error), "check --store, DEFECTORY_S3_ENDPOINT and the credentials")
    return _finding(True, f"{store.url} can be read and written, and knows conditional writes", "")


def _ports() -> dict[str, Any]:
    taken = []
    for name, port in DEFAULT_PORTS.items():
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                taken.append(f"{port} ({name})")
    found = f"taken: {', '.join(taken)}" if taken else f"{', '.join(map(str, DEFAULT_PORTS.values()))} are free"
    return _finding(not taken, found, "services run there already, or stop what does; `--port` chooses another")


def _weights(weights: str) -> dict[str, Any]:
    name = "mobilenet_v2_imagenet_no_top.weights.h5"
    folders = [Path(os.environ.get("DEFECTORY_SHARED", "../shared")) / "weights" / name]
    cache = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"
    candidates = [Path(weights)] if weights else [*folders, *cache.glob("mobilenet_v2_weights*no_top.h5")]
    present = [path for path in candidates if path.is_file()]
    mend = "give the file with --weights or DEFECTORY_WEIGHTS; else Keras tries to download it"
    return _finding(bool(present), str(present[0]) if present else "no ImageNet weights of MobileNetV2", mend)


def _gpu() -> str:
    names = [p.name for p in Path("/proc/driver/nvidia/gpus").glob("*")]
    return f"{len(names)} NVIDIA" if names else "none; the processor does the work"
