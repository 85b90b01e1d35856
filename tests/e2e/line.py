"""A small line from the command line, and what must not depend on where and how often it ran."""

import json
import subprocess
import sys
from pathlib import Path

from defectory.datasets.manifest import content_hash, read_manifest
from defectory.storage import ObjectStore
from defectory.storage.references import read_json

DEFECTORY = [sys.executable, "-m", "orchestrator.cli.main"]
ROOT = Path(__file__).parents[2]
LINE = {
    "name": "line",
    "data": {},
    "generator": {"resolution_px": 32, "channel_base": 256, "channel_max": 16, "z_dim": 16, "w_dim": 16, "kimg": 0.16,
                  "batch": 8, "snapshot_kimg": 0.04},
    "synthesis": {"quota": 6, "surplus": 1.5, "max_rounds": 2},
    "filter": {"policy": "none", "novelty_gate": True, "judge_cycles": 2},
    "classifier": {"recipe": "best", "input_px": 32, "width_multiplier": 0.35, "head_units": 16, "epochs": 2,
                   "learning_rate": 0.001, "batch": 16, "cycles": 2, "initial_weights": "random"},
    "explain": {"limit": 2},
}  # fmt: skip


def command(*arguments: str, store: str) -> list[str]:
    return [*DEFECTORY, *arguments, "--store", store, "--json"]


def run(pipeline: Path, store: str) -> dict:
    done = subprocess.run(command("run", str(pipeline), store=store), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def result(store: ObjectStore) -> dict:
    """What must not depend on where the run was stored or how often it was interrupted."""
    outputs = {
        step: read_json(store, store.uri(f"runs/line/steps/{step}.json"))["outputs"]
        for step in ("ingest", "baseline", "generators", "filter", "expanded-dataset", "expanded", "report")
    }
    return {
        "ingest": outputs["ingest"]["content_hash"],
        "baseline": outputs["baseline"]["weights_sha256"],
        "generators": {label: generator["weights_sha256"] for label, generator in outputs["generators"].items()},
        "accepted": {label: filtered["accepted"] for label, filtered in outputs["filter"].items()},
        "synthetic": content_hash(read_manifest(store, outputs["expanded-dataset"]["manifest_uri"])),
        "expanded": outputs["expanded"]["weights_sha256"],
        "summary": outputs["report"]["summary"],
    }
