"""`defectory doctor`: what is wrong on this machine, and how to mend it."""

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

import typer

from defectory.errors import DefectoryError, FailedPrecondition, NotFound
from defectory.exit_codes import EXIT_CODES
from defectory.machine import can_be_written
from defectory.storage.check import check_store
from defectory.storage.places import path_or_uri
from defectory.versions import installed_version
from defectory.weights import in_keras, in_shared
from orchestrator.cli.options import STARTER, AsJson, Store, Weights, opened, store_url
from orchestrator.cli.output import emit
from orchestrator.pipeline.base_warnings import FETCH
from orchestrator.pipeline.bytecode import VARIABLE, Bytecode, bytecode

NEEDED_BY = {
    "grpcio": "everything", "protobuf": "everything", "numpy": "everything", "pillow": "everything",
    "torch": "the generator", "tensorflow": "the classifier and the explainer", "scipy": "the filter",
    "opencv-python-headless": "the filter and the explainer", "jinja2": "the report",
}  # fmt: skip
FREE_GIB = 2.0


@dataclass(frozen=True)
class Finding:
    """What was looked at, what was found, and how to mend it."""

    what: str
    state: Literal["ok", "note", "wrong"]
    observed: str
    mend: str = ""


def doctor(store: Store = "", weights: Weights = "", as_json: AsJson = False) -> None:
    """Look at versions, store, ports, weights, disk and GPU; say what is wrong and how to mend it.

    \b
    defectory doctor
    defectory doctor --store s3://factory/defectory --json
    """
    findings = list(examine(store_url(store), weights))
    wrong = [f for f in findings if f.state == "wrong"]
    signs = {"ok": "ok   ", "note": "note ", "wrong": "WRONG"}
    text = "\n".join(
        f"{signs[f.state]} {f.what}: {f.observed}" + (f"\n      -> {f.mend}" if f.mend else "") for f in findings
    )
    rows = [{"what": f.what, "state": f.state, "found": f.observed, "mend": f.mend} for f in findings]
    emit({"ok": not wrong, "findings": rows}, as_json, text)
    if wrong:
        raise typer.Exit(EXIT_CODES[FailedPrecondition])


def examine(url: str, weights: str) -> Iterator[Finding]:
    """Every check, in the order in which a person would mend things."""
    yield _python()
    yield from (_package(name, user) for name, user in NEEDED_BY.items())
    yield from _starts(bytecode(), os.environ)
    yield _store(url)
    yield _disk(url)
    yield from _ports()
    yield _weights(weights)
    yield _gpu()


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < (3, 11):  # noqa: UP036 (whoever runs it from a checkout may have any Python)
        return Finding("Python", "wrong", version, "install Python 3.11 or newer and run `make install` again")
    return Finding("Python", "ok", version)


def _package(name: str, user: str) -> Finding:
    try:
        return Finding(name, "ok", installed_version(name))
    except PackageNotFoundError:
        return Finding(name, "wrong", f"absent; {user} cannot start", "run `make install`, or install defectory[all]")


def _starts(compiled: Bytecode | None, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Whether a service starts in seconds, or compiles its framework first; nothing where there is none."""
    if compiled is None:
        return
    what, package, folder = "starts of services", compiled.package, compiled.folder
    if compiled.is_kept:
        yield Finding(what, "ok", f"the frameworks are compiled, e.g. in {folder}")
    elif not compiled.is_writable:
        slow = f"{package} is not compiled, and {folder} cannot be written: every start compiles it anew, for minutes"
        mend = "set PYTHONPYCACHEPREFIX to a folder that can be written, or have `make install` run by whoever may"
        yield Finding(what, "note", slow, mend)
    elif environ.get(VARIABLE):
        slow = f"{VARIABLE} is set, and {package} is not compiled: programs of your own compile it anew at every start"
        mend = f"`make install` compiles it once; services that `defectory` starts keep it whatever {VARIABLE} says"
        yield Finding(what, "note", slow, mend)
    else:
        mend = "the first start compiles it and takes a minute longer; `make install` does that beforehand"
        yield Finding(what, "note", f"{package} is not compiled yet", mend)


def _store(url: str) -> Finding:
    mend = "see that the folder may be written or the S3 server answers (DEFECTORY_S3_ENDPOINT, AWS_ACCESS_KEY_ID, …)"
    try:
        check_store(opened(url))
    except NotFound:
        parts = urlsplit(url)
        if parts.scheme == "file" and not can_be_written(Path(unquote(parts.path))):
            return Finding("store", "wrong", f"{url} is not there, and cannot be made", mend)
        first = "the first `defectory run` or `defectory ingest` makes it; --store or DEFECTORY_STORE names another"
        return Finding("store", "note", f"there is none at {path_or_uri(url)} yet", first)
    except FailedPrecondition as error:
        return Finding("store", "wrong", str(error), "use a server that docs/decisions/0004-s3-server.md names")
    except DefectoryError as error:
        return Finding("store", "wrong", f"{url}: {error}", mend)
    return Finding("store", "ok", f"{url} can be written and read, and does not let two writers overwrite each other")


def _disk(url: str) -> Finding:
    from orchestrator.pipeline.embedded import log_folder

    folder = log_folder(url)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 2**30
    if free < FREE_GIB:
        return Finding("disk", "wrong", f"{free:.1f} GiB free at {folder}", f"make room: {FREE_GIB:g} GiB at least")
    return Finding("disk", "ok", f"{free:.0f} GiB free at {folder}")


def _ports() -> Iterator[Finding]:
    from defectory.ports import DEFAULT_METRICS_PORTS, DEFAULT_PORTS

    for service, port in DEFAULT_PORTS.items():
        taken = [p for p in (port, DEFAULT_METRICS_PORTS[service]) if not _is_free(p)]
        if taken:
            mend = "only `up` and `serve` need them: stop what holds them, or use --any-port / --port"
            yield Finding(f"ports of {service}", "note", f"{', '.join(map(str, taken))} taken", mend)
        else:
            yield Finding(f"ports of {service}", "ok", f"{port} and {DEFAULT_METRICS_PORTS[service]} are free")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _weights(given: str) -> Finding:
    named = given or os.environ.get("DEFECTORY_WEIGHTS", "")
    if named == STARTER:
        return Finding("ImageNet weights", "ok", "not wanted: the starter classifier is named in their place")
    if named:
        if Path(named).is_file():
            return Finding("ImageNet weights", "ok", named)
        return Finding("ImageNet weights", "wrong", f"{named} does not exist", "mend --weights or DEFECTORY_WEIGHTS")
    path = in_shared(os.environ.get("DEFECTORY_SHARED", "")) or in_keras()
    if path:
        return Finding("ImageNet weights", "ok", str(path))
    missing = "not on this machine; where Keras cannot download them, classifiers start from the starter, and on real "
    missing += "photographs that usually costs more than any setting"
    mend = f"{FETCH}, and give --weights FILE or set DEFECTORY_WEIGHTS (docs/classifier.md says more)"
    return Finding("ImageNet weights", "note", missing, mend)


def _gpu() -> Finding:
    if shutil.which("nvidia-smi") is None:
        return Finding("GPU", "note", "none seen; everything runs on the CPU, generators above 64 px slowly")
    names = subprocess.run(
        ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    if names.returncode != 0 or not names.stdout.strip():
        return Finding("GPU", "note", "nvidia-smi finds none", "see to the driver")
    if importlib.util.find_spec("torch") is None:
        return Finding("GPU", "note", f"{names.stdout.strip()}, but there is no torch to use it")
    return Finding("GPU", "ok", names.stdout.strip().replace("\n", "; "))
