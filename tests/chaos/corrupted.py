"""Objects of every kind in the store, damaged: whoever reads one says which it is."""

import re
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.line import Line, store
from tests.chaos.outcome import Outcome
from tests.e2e.line import ROOT, command

SECTOR = 512  # bytes


def zeros(data: bytes) -> bytes:
    """A sector of zeros in its middle, as a disk leaves it."""
    at = max(0, len(data) // 2 - SECTOR // 2)
    return data[:at] + bytes(min(SECTOR, len(data) - at)) + data[at + SECTOR :]


def half(data: bytes) -> bytes:
    """Its first half."""
    return data[: len(data) // 2]


DAMAGES: Mapping[str, Callable[[bytes], bytes]] = {"zeros in the middle": zeros, "cut in half": half}


@dataclass(frozen=True)
class Kind:
    """A kind of object: a pattern of its keys, the command that reads it, what has to be in the sentence about it."""

    pattern: str
    arguments: tuple[str, ...]
    named: str  # a pattern; {key} is the object's own, {name} its last part without an ending


EXPORT = ("dataset", "export", "line", "--format", "coco", "--out", "OUT")
KINDS: Mapping[str, Kind] = {
    "photograph": Kind(r"datasets/line/originals/", EXPORT, "{name}"),
    "mask": Kind(r"datasets/line/masks/", EXPORT, "{name}"),
    "manifest": Kind(r"datasets/line/manifest.jsonl", EXPORT, "{key}"),
    "dataset's card": Kind(r"datasets/line/dataset.json", ("dataset", "show", "line"), "'line'"),
    "classifier's card": Kind(
        r"models/classifier/line.expanded/1/model.json", ("classifier", "show", "line.expanded"), "line.expanded/1"
    ),
    "classifier's weights": Kind(
        r"models/classifier/line.expanded/1/cycle-0.safetensors",
        ("classifier", "classify", "line.expanded", "PICTURE"),
        "cycle-0.safetensors of classifier line.expanded/1",
    ),
    "generator's card": Kind(
        r"models/generator/line.good/1/model.json", ("generator", "show", "line.good"), "line.good/1"
    ),
    "generator's weights": Kind(
        r"models/generator/line.good/1/weights.safetensors",
        ("generator", "preview", "--model", "line.good", "--seeds", "0-1", "--out", "OUT"),
        "weights of generator line.good/1",
    ),
    "operation's record": Kind(
        r"operations/generator/train_generator-[^/]*\.json", ("operations", "list", "--service", "generator"), "{name}"
    ),
    "run's pipeline": Kind(r"runs/line/pipeline.json", ("report", "line"), "{key}|run 'line'"),
    "run's step": Kind(r"runs/line/steps/filter.json", ("report", "line"), "{key}|filter"),
    "classifier's figures": Kind(r"models/classifier/line.expanded/1/metrics.json", ("report", "line"), "{key}"),
}  # fmt: skip


def corrupted(line: Line, url: str) -> list[Outcome]:
    """Damage one object after the other of a finished run, and read it."""
    objects = store(url)
    keys = [info.key for info in objects.list()]
    outcomes = []
    for kind, what in KINDS.items():
        key = next(key for key in keys if re.match(what.pattern, key))
        whole, said, lost, started = objects.get(key), set[str](), list[str](), time.monotonic()
        for damage, damaged in DAMAGES.items():
            objects.put(key, damaged(whole))
            done = _asked(line, url, what, keys, objects.url)
            objects.put(key, whole)
            text = done.stdout + done.stderr
            names = what.named.format(key=re.escape(key), name=re.escape(Path(key).name.split(".")[0]))
            if "Traceback" in text or done.returncode in (1, 2):
                lost.append(f"{damage}: {_last(text)}")
            elif not re.search(names, text):
                lost.append(f"{damage}: exit code {done.returncode} and no word of it ({_last(text)})")
            else:
                said.add(f"exit code {done.returncode}")
        passed = len(DAMAGES) - len(lost)
        outcomes.append(
            Outcome(
                f"damaged: {kind}", len(DAMAGES), passed, 0, tuple(lost), time.monotonic() - started,
                f"`defectory {' '.join(what.arguments[:2])}` names it, {' or '.join(sorted(said))}" if said else "",
            )
        )  # fmt: skip
    return outcomes


def _asked(line: Line, url: str, what: Kind, keys: list[str], root: str) -> "subprocess.CompletedProcess[str]":
    picture = next(key for key in keys if "originals" in key)
    out = line.folder / f"out-{time.monotonic_ns()}"
    places = {"OUT": str(out), "PICTURE": f"{root}/{picture}"}
    arguments = [places.get(word, word) for word in what.arguments]
    return subprocess.run(command(*arguments, store=url), cwd=ROOT, capture_output=True, text=True)


def _last(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1][:160].replace("|", "/")
