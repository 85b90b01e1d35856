"""`defectory serve` and `defectory up`: one service in this process, or all four as its children."""

import os
import sys
import time
from typing import Annotated

import typer

from orchestrator.cli.options import AsJson, Store, Weights, store_url, weights_file
from orchestrator.cli.output import emit, table


def serve(
    service: Annotated[str, typer.Argument(help="generator, classifier, filter or explainer.")],
    port: Annotated[int | None, typer.Option("--port", help="gRPC port; 0: any free one.")] = None,
    metrics_port: Annotated[int | None, typer.Option("--metrics-port", help="Port of /metrics; 0: any.")] = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on (DEFECTORY_HOST).")] = "",
    classifier_address: Annotated[str, typer.Option("--classifier-address", help="For the filter: host:port.")] = "",
    explainer_address: Annotated[
        str, typer.Option("--explainer-address", help="For the classifier's heatmaps: host:port.")
    ] = "",
    role: Annotated[
        str,
        typer.Option(
            "--role", help="For the classifier: serve (answers at once), work (trainings and the like) or both."
        ),
    ] = "",
    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="NAME[=VERSION]", help="Classifier to serve, repeatable; default: all."),
    ] = None,
    engine: Annotated[
        str,
        typer.Option("--engine", help="For the classifier: auto, openvino, openvino-bf16, onnxruntime or tensorflow."),
    ] = "",
    threads: Annotated[int | None, typer.Option("--threads", help="For the classifier: cores; 0: all.")] = None,
    queue: Annotated[int | None, typer.Option("--queue", help="For the classifier: images inside at once.")] = None,
    poll_s: Annotated[
        float | None,
        typer.Option("--poll-s", help="For the classifier: seconds between looks for versions; 0: at every call."),
    ] = None,
    rest_port: Annotated[
        int | None, typer.Option("--rest-port", help="For the classifier: port for callers without gRPC; 0: none.")
    ] = None,
    device: Annotated[
        str, typer.Option("--device", help="For the generator: auto, or cuda, which does not start without a GPU.")
    ] = "",
    processes: Annotated[
        int | None, typer.Option("--processes", help="For the generator: that train together, one a GPU.")
    ] = None,
    weights: Weights = "",
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Serve one service until it is stopped. Its address is the one JSON line on standard output.

    \b
    defectory serve classifier --store file:///srv/defectory --port 50052
    defectory serve classifier --model screws --model cables=3 --engine openvino --threads 4
    """
    from defectory.alike import one_of
    from defectory.errors import InvalidInput
    from orchestrator.pipeline.bytecode import with_bytecode
    from orchestrator.pipeline.embedded import SERVICES

    del as_json  # a service always says where it listens as JSON
    if service not in SERVICES:
        right = one_of(service, SERVICES)
        raise InvalidInput(f"there is no service {service!r}: {right}", {"service": right})
    arguments = ["--store", store_url(store)]
    given = {
        "--port": port, "--metrics-port": metrics_port, "--host": host or None,
        "--weights": (service == "classifier" and weights_file(weights)) or None,
        "--classifier-address": classifier_address or None,
        "--explainer-address": explainer_address or None, "--models": ",".join(model or []) or None,
        "--engine": engine or None, "--threads": threads, "--queue": queue, "--poll-s": poll_s,
        "--device": device or None, "--role": role or None, "--rest-port": rest_port, "--processes": processes,
    }  # fmt: skip
    for flag, value in given.items():
        arguments += [flag, str(value)] if value is not None else []
    sys.stdout.flush()
    program = [sys.executable, "-m", f"services.{service}", *arguments]
    os.execve(sys.executable, program, with_bytecode(os.environ))


def up(
    weights: Weights = "",
    any_port: Annotated[bool, typer.Option("--any-port", help="Any free ports in place of the usual ones.")] = False,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Serve all four services on this machine until Ctrl-C.

    \b
    defectory up
    defectory up --store s3://factory/defectory --any-port
    """
    from defectory.errors import Unavailable
    from defectory.ports import DEFAULT_METRICS_PORTS, DEFAULT_PORTS
    from orchestrator.pipeline.embedded import SERVICES, EmbeddedServices, log_folder

    url = store_url(store)
    ports = {} if any_port else {name: (DEFAULT_PORTS[name], DEFAULT_METRICS_PORTS[name]) for name in SERVICES}
    environ = {name: value for name, value in os.environ.items() if not _is_address(name)}
    with EmbeddedServices(
        url,
        log_folder(url),
        weights=weights_file(weights),
        ports=ports,
        resume="always",
        environ=environ,
        say=_say,
    ) as services:
        for name in SERVICES:
            sys.stderr.write(f"starting {name} …\n")
            services.address(name)
        rows = [
            {"service": name, "address": address, "metrics": f"http://127.0.0.1:{metrics}/metrics", "pid": pid}
            for name, address, metrics, pid, _ in services.status()
        ]
        emit({"store": url, "logs": str(log_folder(url)), "services": rows}, as_json,
             table(list(rows), ["service", "address", "metrics", "pid"]))  # fmt: skip
        sys.stderr.write(f"store {url}; logs in {log_folder(url)}; Ctrl-C stops\n")
        while all(alive for *_, alive in services.status()):
            time.sleep(1)
        dead = [name for name, *_, alive in services.status() if not alive]
        raise Unavailable(f"{', '.join(dead)} stopped; see {log_folder(url)}")


def _is_address(variable: str) -> bool:
    return variable.startswith("DEFECTORY_") and variable.endswith("_ADDRESS")


def _say(text: str) -> None:
    sys.stderr.write(f"\n{text}\n")
