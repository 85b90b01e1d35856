"""A line of a few images, which every fault meets once more, and what must not depend on whether it did."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from defectory.storage import ObjectStore, open_store
from orchestrator.cables import write_cables
from tests.e2e.line import LINE, ROOT, command, result

SERVICES = ("generator", "classifier", "filter", "explainer")
VICTIMS = ("orchestrator", *SERVICES, "worker")  # a worker: a process that a service has started
LOOK_S = 0.05
THREADS = {"OMP_NUM_THREADS": "2"}  # weights are the same to the bit where as many threads compute them
GIVES_UP_S = 1200.0
Seen = Callable[[str, list[int], float], None]  # a victim, its processes, seconds since it was there first


@dataclass(frozen=True)
class Line:
    """Photographs and a pipeline in a folder."""

    folder: Path

    @classmethod
    def drawn(cls, folder: Path) -> "Line":
        """Draw the photographs, as the tests of the whole line do, and write the pipeline."""
        if not (folder / "cables").exists():
            write_cables(folder / "cables", 16, 10, 0, size_px=64)
        small = {**LINE, "generator": {**LINE["generator"], "kimg": 0.08}, "explain": {"limit": 1}}
        small["synthesis"] = {"quota": 4, "surplus": 1.5, "max_rounds": 1}
        small["classifier"] = {**LINE["classifier"], "cycles": 1}
        (folder / "line.yaml").write_text(yaml.safe_dump({**small, "data": {"directory": "cables"}}))
        return cls(folder)

    def new_store(self) -> str:
        """The URL of a folder where nothing is yet."""
        return (self.folder / f"store-{time.monotonic_ns()}").as_uri()

    def run(self, url: str, environ: Mapping[str, str] = os.environ, seen: Seen = lambda *_: None) -> "Ended":
        """Give the command, and look at its processes until it ends."""
        started, errors = time.monotonic(), self.folder / f"errors-{time.monotonic_ns()}"
        with errors.open("w") as file:
            process = subprocess.Popen(
                command("run", str(self.folder / "line.yaml"), store=url),
                cwd=ROOT, stdout=subprocess.DEVNULL, stderr=file, env={**environ, **THREADS},
            )  # fmt: skip
        first: dict[str, float] = {}
        while process.poll() is None:
            for victim, pids in processes(process.pid).items():
                seen(victim, pids, time.monotonic() - first.setdefault(victim, time.monotonic()))
            if time.monotonic() - started > GIVES_UP_S:
                process.kill()
            time.sleep(LOOK_S)
        return Ended(process.wait(), errors.read_text()[-600:], time.monotonic() - started)


@dataclass(frozen=True)
class Ended:
    """How a command ended, and the end of what it wrote to standard error."""

    code: int
    errors: str
    seconds: float

    @property
    def said(self) -> str:
        """Its code and its last line."""
        last = (self.errors.strip().splitlines() or [""])[-1]
        return f"exit code {self.code}: {last[:160]}".replace("|", "/")


def processes(parent: int) -> dict[str, list[int]]:
    """Victim -> its processes, of a run whose command is the process `parent`."""
    victims: dict[str, list[int]] = {"orchestrator": [parent]}
    try:
        children = psutil.Process(parent).children()
        for child in children:
            words = child.cmdline()
            for service in SERVICES:
                if f"services.{service}" in words and "orchestrator.pipeline.child" not in words:
                    victims.setdefault(service, []).append(child.pid)
                    victims.setdefault("worker", []).extend(below.pid for below in child.children(recursive=True))
    except psutil.Error:  # it has just ended
        pass
    return {victim: pids for victim, pids in victims.items() if pids}


def outcome(url: str, environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """What a run made: hashes of weights and images, verdicts, figures."""
    return result(store(url, environ))


def store(url: str, environ: Mapping[str, str] = os.environ) -> ObjectStore:
    """The store at a URL."""
    return open_store(url, environ)
